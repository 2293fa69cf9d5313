"""load - the process that publishes and records (chaos-load), and its traces."""

import json
import os
import struct
import subprocess
import threading

from lib.env import BUILD, SLOWER

PROGRAM = os.path.join(BUILD, "test", "chaos-load")
EVENT = struct.Struct("<QIIIBBH")  # struct trace of load.h
VIDEO, AUDIO, WRONG, OPEN, END = (ord(c) for c in "va?OE")
KEY = 1


class Event:
    __slots__ = ("at_us", "session", "counter", "ms", "kind", "flags", "stream")

    def __init__(self, fields):
        (self.at_us, self.session, self.counter, self.ms, self.kind, self.flags,
         self.stream) = fields


def read_trace(path):
    with open(path, "rb") as f:
        data = f.read()
    data = data[:len(data) // EVENT.size * EVENT.size]
    return [Event(fields) for fields in EVENT.iter_unpack(data)]


class Publisher:
    def __init__(self, number, stream, trace):
        self.number, self.stream, self.trace = number, stream, trace


class Viewer:
    def __init__(self, number, stream, proto, edge, trace):
        self.number, self.stream, self.proto = number, stream, proto
        self.edge, self.trace = edge, trace
        self.is_closed = False

    def __str__(self):
        return f"{self.proto} of {self.stream.key} at {self.edge}"


class Load:
    def __init__(self, folder, cpu=None):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self._lock = threading.Lock()
        pin = ["taskset", "-c", str(cpu)] if cpu is not None else []
        with open(os.path.join(folder, "load.log"), "ab") as log:
            self._child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *pin, PROGRAM],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.pid = self._child.pid
        self.publishers, self.viewers = [], []

    def order(self, *words):
        with self._lock:
            self._child.stdin.write(" ".join(str(w) for w in words) + "\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline().strip()
        assert line, "chaos-load has ended"
        return line

    def _do(self, *words):
        said = self.order(*words)
        assert said == "ok", f"{' '.join(str(w) for w in words)}: {said}"

    def publish(self, stream, urls, kinds="b", kbps=500, gop_ms=2000, retry_ms=200):
        n = len(self.publishers)
        p = Publisher(n, stream, os.path.join(self.folder, f"pub-{n}"))
        self.publishers.append(p)
        self._do("pub", n, stream.number, kinds, kbps, gop_ms, retry_ms, p.trace,
                 *urls)
        return p

    def view(self, stream, proto, url, edge, number=None):
        """`number`: of the frames that it takes, 0: any; else the stream's."""
        n = len(self.viewers)
        v = Viewer(n, stream, proto, edge, os.path.join(self.folder, f"view-{n}"))
        self.viewers.append(v)
        self._do("view", n, stream.number if number is None else number, proto, v.trace,
                 url)
        return v

    def close(self, viewer):
        viewer.is_closed = True
        self._do("close", viewer.number)

    def leave(self, publisher):
        self._do("leave", publisher.number)

    def abandon(self, publisher):
        """It dials again, and leaves its old connection open."""
        self._do("abandon", publisher.number)

    def sweep(self, file, trace, stream):
        self._do("sweep", file, trace, stream.number)

    def say(self):
        """(publishers, viewers): lists of what is said of each, None: closed."""
        said = json.loads(self.order("say"))
        return ([said["pub"].get(str(p.number)) for p in self.publishers],
                [said["view"].get(str(v.number)) for v in self.viewers])

    def end(self):
        self._child.stdin.close()
        try:
            self._child.wait(10 * SLOWER)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
