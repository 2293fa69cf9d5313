"""browser - Chromium: opened, asked, clicked, closed; and a server for pages of
the tests' own."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import threading

from lib.env import BUILD, ROOT, SLOWER
from lib.weirtest import Skip

FOLDER = os.path.join(ROOT, "tests/e2e/browser")
MODULES = os.path.join(BUILD, "browser/node_modules")
# Its own name service: nothing is looked up, and nobody else is spoken to.
NAMES = "MAP weir.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--autoplay-policy=no-user-gesture-required",
         f"--host-resolver-rules={NAMES}"]


def need_browser():
    """Its path; skips the case where there is none, or nothing to drive it."""
    chromium = shutil.which("chromium")
    for there, lack in (
            (chromium, "chromium is not installed (make deps-test ALL=1)"),
            (shutil.which("node"), "node is not installed (make deps)"),
            (os.path.isdir(os.path.join(MODULES, "playwright-core")),
             "npm has not fetched playwright-core (make tests)")):
        if not there:
            raise Skip(lack)
    return chromium


class Browser:
    def __init__(self, t):
        argv = ["node", os.path.join(FOLDER, "drive.mjs"), need_browser(), MODULES]
        with open(os.path.join(t.logs, "browser.log"), "ab") as log:
            self._child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv, *FLAGS],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        t.at_end(self.end)

    def order(self, do, **what):
        self._child.stdin.write(json.dumps({"do": do, **what}) + "\n")
        self._child.stdin.flush()
        line = self._child.stdout.readline()
        assert line, "the browser has ended"
        said = json.loads(line)
        assert "error" not in said, f"{do} {what}: {said['error']}"
        return said["is"]

    def open(self, url):
        return Page(self, self.order("open", url=url))

    def end(self):
        self._child.stdin.close()
        try:
            self._child.wait(20 * SLOWER)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


class Page:
    def __init__(self, browser, number):
        self._order = functools.partial(browser.order, on=number)

    def call(self, code, given=None):
        """What a piece of JavaScript says; GIVEN in it is `given`."""
        return self._order("call", code=code, **{"with": given})

    def wait(self, code, timeout_s=20):
        self._order("wait", code=code, ms=timeout_s * SLOWER * 1000)

    def click(self, what):
        self._order("click", what=what)

    def fill(self, what, text):
        self._order("fill", what=what, text=text)

    def picture(self, path):
        self._order("picture", path=path)

    def wrong(self):
        """Errors that its scripts and its network met."""
        return self._order("wrong")

    def close(self):
        self._order("close")


# ---- pages of the tests' own

FILES = {
    "/": (os.path.join(FOLDER, "players.html"), "text/html"),
    "/players.js": (os.path.join(FOLDER, "players.js"), "text/javascript"),
    "/mpegts.js": (os.path.join(MODULES, "mpegts.js/dist/mpegts.js"), "text/javascript"),
    "/hls.js": (os.path.join(MODULES, "hls.js/dist/hls.min.js"), "text/javascript"),
    "/shaka.js": (os.path.join(MODULES, "shaka-player/dist/shaka-player.compiled.js"),
                  "text/javascript"),
    "/favicon.ico": (os.devnull, "image/x-icon"),
}


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, kind = FILES.get(self.path, (None, None))
        if not path:
            self.send_error(404)
            return
        with open(path, "rb") as f:
            content = f.read()
        self.send_response(200)
        self.send_header("Content-Type", kind + "; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def serve_players(t):
    """The address of a site with players, which is not the cluster's own."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    t.at_end(server.server_close)
    t.at_end(server.shutdown)
    return f"http://127.0.0.1:{server.server_address[1]}/"
