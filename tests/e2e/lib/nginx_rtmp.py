"""nginx_rtmp - nginx with its RTMP module: an outside server to pull from and push to."""

import os
import random
import shutil
import socket
import urllib.request
import xml.etree.ElementTree as tree

from lib.waiting import wait_for

MODULE = os.environ.get("NGINX_RTMP_MODULE",
                        "/usr/lib/nginx/modules/ngx_rtmp_module.so")


def is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count):
    """That many, all of them different. Of those that the system gives to nobody by
    itself: one of these may be a connection's own before nginx begins."""
    ports = random.sample(range(10000, 32768), 10 * count)
    return [port for port in ports if is_free(port)][:count]


def missing():
    """Why there is none; None: there is."""
    if not shutil.which("nginx") and not os.path.exists("/usr/sbin/nginx"):
        return "nginx is not installed"
    if not os.path.exists(MODULE):
        return "libnginx-mod-rtmp is not installed (NGINX_RTMP_MODULE names it)"
    return None


class NginxRtmp:
    """Stays at its ports when it is stopped and started again. `more` goes into its
    application "live"."""

    def __init__(self, t, rtmp_port, http_port, more=""):
        self.t, self.process = t, None
        self.rtmp, self.http = f"127.0.0.1:{rtmp_port}", f"127.0.0.1:{http_port}"
        self.folder = t.file(f"nginx-{rtmp_port}")
        os.makedirs(self.folder)
        self.conf = os.path.join(self.folder, "nginx.conf")
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(f"""
load_module {MODULE};
daemon off; master_process off;
pid {self.folder}/pid; error_log {self.folder}/error.log;
events {{ worker_connections 1024; }}
rtmp {{ server {{ listen {self.rtmp}; chunk_size 4096; access_log off;
  application live {{ live on; {more} }} }} }}
http {{ access_log off; server {{ listen {self.http};
  client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy;
  fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u;
  scgi_temp_path {self.folder}/s;
  location /stat {{ rtmp_stat all; }} }} }}
""")

    def start(self):
        binary = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = self.t.run(binary, "-c", self.conf, "-p", self.folder,
                                  "-e", os.path.join(self.folder, "error.log"))
        wait_for(self._answers, "nginx")
        return self

    def _answers(self):
        assert not self.process.has_ended(), self.process.text()
        try:
            return self._stat() is not None
        except OSError:
            return False

    def stop(self):
        self.process.kill()

    def url(self, stream):
        return f"rtmp://{self.rtmp}/{stream}"

    def _stat(self):
        with urllib.request.urlopen(f"http://{self.http}/stat", timeout=10) as r:
            return tree.fromstring(r.read())

    def players(self, name):
        """How many connections play this stream of the app "live" now."""
        for stream in self._stat().iter("stream"):
            if stream.findtext("name") == name:
                return sum(1 for c in stream.iter("client")
                           if c.find("publishing") is None)
        return 0

    def is_published(self, name):
        """Does somebody publish this stream of the app "live" now?"""
        return any(s.find("publishing") is not None
                   for s in self._stat().iter("stream") if s.findtext("name") == name)

    def accepted(self):
        """How many connections it has had in all."""
        return int(self._stat().findtext("naccepted"))
