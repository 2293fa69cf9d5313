"""cluster - a `weir up` of real processes: started, asked, hurt, ended."""

import json
import os
import re
import signal
import tempfile
import urllib.error
import urllib.request
import uuid

from lib.env import BIN, LOGS, MODE, SLOWER
from lib.process import (
    Process, is_alive, listener_pid, rss_kb, wait_gone, wait_unmarked)
from lib.waiting import wait_for

MARK = "WEIR_E2E_CLUSTER"
ROLES = ("ingest", "origin", "edge", "packager", "dispatch")


class Node:
    def __init__(self, told):
        self.id, self.role, self.pid = told["id"], told["role"], told["pid"]
        self.addresses = told["addresses"]


class Metrics:
    """Prometheus text, asked by name and labels."""

    LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
    LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

    def __init__(self, text):
        self.text, self.samples = text, []
        for line in text.splitlines():
            m = self.LINE.match(line)
            if m:
                labels = dict(self.LABEL.findall(m.group(2) or ""))
                self.samples.append((m.group(1), labels, float(m.group(3))))

    def all(self, name, **labels):
        """[(labels, value)] of a metric, of those with these labels."""
        return [(have, value) for n, have, value in self.samples
                if n == name and labels.items() <= have.items()]

    def sum(self, name, **labels):
        found = self.all(name, **labels)
        assert found or any(s[0] == name for s in self.samples) or labels, (
            f"there is no metric {name}")
        return sum(value for _, value in found)


class Cluster:
    """Counts are by role: Cluster(ingest=2, edge=2, workers=1). `settings` are
    passed as --set; `options` as they are."""

    def __init__(self, settings=None, options=(), workers=1, ingest_ports=True,
                 usual_ports=False, **counts):
        self.settings, self.options = settings or {}, list(options)
        self.workers, self.usual_ports = workers, usual_ports
        if ingest_ports:  # so that a test can choose one
            self.options.append("--ingest-ports")
        self.counts = {role: counts.pop(role, 1) for role in ROLES}
        assert not counts, f"unknown roles: {counts}"
        self.mark = f"{MARK}={uuid.uuid4()}"
        self.up = self.dir = self.told = self.redis_pid = None
        self.nodes = []

    # ---- life

    def command(self, folder):
        words = [os.path.join(BIN, "weir"), "up", "--json", "--no-restart",
                 "--dir", folder, "--workers", self.workers]
        if not self.usual_ports and "--base-port" not in self.options:
            words += ["--base-port", 0]
        for role, count in self.counts.items():
            words += ["--" + role, count]
        # Under a sanitizer a loop is busy that would not be.
        unhurried = {"limits.busy_percent": 0} if MODE == "san" else {}
        for name, value in {**unhurried, **self.settings}.items():
            words += ["--set", f"{name}={value}"]
        return words + self.options

    def start(self, logs):
        return self.launch(logs).wait_ready()

    def launch(self, logs):
        """Its folder is there before, so that the logs in it stay. It dies with the
        thread that calls this."""
        self.dir = os.path.join(logs, "weir")
        os.makedirs(self.dir)
        key, _, value = self.mark.partition("=")
        out = os.path.join(logs, "up.line")
        self.up = Process(self.command(self.dir), os.path.join(logs, "up.log"), out,
                          env={**os.environ, key: value})
        return self

    def wait_ready(self):
        self.told = json.loads(self._first_line(self.dir + "/../up.line"))
        self.nodes = [Node(n) for n in self.told["nodes"]]
        self.redis_pid = listener_pid("redis-server", self.told["redis"])
        return self

    def _first_line(self, path):
        def line():
            with open(path, encoding="utf-8") as f:
                text = f.read()
            assert text.endswith("\n") or not self.up.has_ended(), (
                f"weir up ended: {self.up.text()[-2000:]}")
            return text.endswith("\n") and text
        return wait_for(line, "weir up to be ready", 40)

    def stop(self, number=signal.SIGTERM):
        """End it as a user would, and see that nothing is left."""
        self.assert_all_alive()
        status = self.up.stop(number, 20)
        assert status == 0, f"weir up ended with {status}: {self.up.text()[-500:]}"
        self.assert_nothing_left()
        self.up = None

    def assert_nothing_left(self):
        left = self.processes(3 * SLOWER)
        assert not left, f"still running: {left}"
        files = set(os.listdir(self.dir)) - {"log"}
        assert not files, f"left in the folder: {sorted(files)}"

    def kill_all(self):
        """Whatever happened: nothing of it runs any more."""
        if self.up:
            self.up.kill()
        for pid in self.processes(3):
            os.kill(pid, signal.SIGKILL)

    def __enter__(self):
        if not self.up:
            self.start(tempfile.mkdtemp(prefix="cluster-", dir=LOGS))
        return self

    def __exit__(self, *unused):
        self.kill_all()

    # ---- nodes

    def role(self, role):
        return [n for n in self.nodes if n.role == role]

    def node(self, id_):
        return next(n for n in self.nodes if n.id == id_)

    def kill(self, id_, number=signal.SIGKILL):
        """Returns when it is dead (or has stopped, with SIGSTOP)."""
        node = self.node(id_)
        os.kill(node.pid, number)
        if number == signal.SIGKILL:
            wait_gone(node.pid)
            self.nodes.remove(node)

    def kill_redis(self):
        os.kill(self.redis_pid, signal.SIGKILL)
        wait_gone(self.redis_pid)

    def processes(self, within_s=0):
        """What runs of it: {pid: command}; waits so long for it to end."""
        left = wait_unmarked(self.mark, within_s)
        # redis-server writes its title over its environment.
        if self.redis_pid and is_alive(self.redis_pid):
            left[self.redis_pid] = "redis-server"
        return left

    def rss_kb(self, id_):
        return rss_kb(self.node(id_).pid)

    def log(self, id_):
        path = os.path.join(self.dir, "log", id_ + ".log")
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def assert_all_alive(self):
        """But for those that were killed here."""
        dead = [n.id for n in self.nodes if not is_alive(n.pid)]
        assert not dead, f"died: {dead}; {self.up.text()[-500:]}"

    # ---- addresses

    def publish_url(self, stream, ingest=None):
        """The one address for all, or an ingest's own."""
        address = (self.told["public"]["rtmp"] if ingest is None
                   else self.role("ingest")[ingest].addresses["rtmp"])
        return f"rtmp://{address}/{stream}"

    def rtmp_address(self, edge=None):
        return (self.told["public"]["rtmp"] if edge is None
                else self.role("edge")[edge].addresses["rtmp"])

    def rtmp_url(self, stream, edge=None):
        return f"rtmp://{self.rtmp_address(edge)}/{stream}"

    def http_address(self, edge=None):
        return (self.told["public"]["http"] if edge is None
                else self.role("edge")[edge].addresses["http"])

    def flv_url(self, stream, edge=None):
        return f"http://{self.http_address(edge)}/{stream}.flv"

    def ts_url(self, stream, edge=None):
        return f"http://{self.http_address(edge)}/{stream}.ts"

    # ---- questions

    def ask(self, path, body=None, token=None, method=None, request_id=None):
        """The API: (status, object). token "": none is sent. Without a method it is
        GET, or POST where there is a body."""
        headers = {"Content-Type": "application/json"}
        if request_id:
            headers["X-Request-Id"] = request_id
        token = self.told["token"] if token is None else token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.told["api"] + path, data, headers,
                                         method=method)
        try:
            with urllib.request.urlopen(request, timeout=20 * SLOWER) as r:
                return r.status, json.loads(r.read() or b"null")
        except urllib.error.HTTPError as e:
            text = e.read()
            try:
                return e.code, json.loads(text or b"null")
            except ValueError:
                return e.code, text.decode("utf-8", "replace")

    def api(self, path, body=None):
        status, answer = self.ask(path, body)
        assert status == 200, f"{path}: {status} {answer}"
        return answer

    def streams(self):
        """{key: what /api/streams says of it}"""
        return {s["key"]: s for s in self.api("/api/streams")["streams"]}

    def watched(self):
        """The streams that somebody watches or waits for."""
        return {s["stream"] for s in self.api("/api/v1/sessions?base_type=SUB")["sessions"]}

    def events(self, stream):
        return self.api(f"/api/events?stream={stream}")["events"]

    def event_names(self, stream):
        """As often as it was."""
        return [e["event"] for e in self.events(stream) for _ in range(e.get("count", 1))]

    def group(self, stream):
        """lal's view of a stream; None when nobody knows it."""
        return self.api(f"/api/stat/group?stream_name={stream}")["data"]

    def admin(self, id_, path):
        """(status, text) of a node's admin port."""
        url = f"http://{self.node(id_).addresses['admin']}{path}"
        try:
            with urllib.request.urlopen(url, timeout=20 * SLOWER) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode("utf-8", "replace")

    def metrics(self, id_):
        status, text = self.admin(id_, "/metrics")
        assert status == 200, f"/metrics of {id_}: {status}"
        return Metrics(text)

    def total(self, role, name, **labels):
        """A metric, over all nodes of a role."""
        return sum(self.metrics(n.id).sum(name, **labels) for n in self.role(role))

    def wait_viewers(self, count, timeout_s=20):
        wait_for(lambda: self.total("edge", "weir_edge_viewers") == count,
                 f"{count} viewers", timeout_s)

    def wait_live(self, stream, timeout_s=20):
        wait_for(lambda: self.streams().get(stream, {}).get("live"),
                 f"{stream} to be live", timeout_s)
