"""node_media - node-media-server, an outside server to push to; npm fetches it."""

import json
import os
import shutil

from lib.env import BUILD
from lib.sockets import is_listening
from lib.waiting import wait_for

HOME = os.path.join(BUILD, "relay")
START = """
const Server = require("node-media-server");
const config = JSON.parse(process.argv[1]);
new Server(config, "").run();
"""


def missing():
    """Why there is none; None: there is."""
    if not shutil.which("node"):
        return "node is not installed"
    if not os.path.exists(os.path.join(HOME, "installed.json")):
        return "npm could not fetch node-media-server"
    return None


class NodeMedia:
    """Stays at its ports when it is stopped and started again."""

    def __init__(self, t, rtmp_port, http_port):
        self.t, self.process = t, None
        self.ports = rtmp_port, http_port
        self.rtmp, self.http = f"127.0.0.1:{rtmp_port}", f"127.0.0.1:{http_port}"
        folder = t.file(f"node-{rtmp_port}")
        self.config = json.dumps({
            "bind": "127.0.0.1", "rtmp": {"port": rtmp_port},
            "http": {"port": http_port}, "auth": {"play": False, "publish": False},
            "store": {"path": folder}, "record": {"path": folder}})

    def start(self):
        self.process = self.t.run("env", "-C", HOME, "node", "-e", START, self.config,
                                  name="node")
        wait_for(self._listens, "node-media-server")
        return self

    def _listens(self):
        assert not self.process.has_ended(), self.process.text()
        return all(is_listening(port) for port in self.ports)

    def stop(self):
        self.process.kill()

    def flv_url(self, stream):
        return f"http://{self.http}/{stream}.flv"
