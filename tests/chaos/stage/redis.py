"""redis - the registry of a stage: killed, emptied, frozen, slowed, failed over."""

import os
import selectors
import signal
import socket
import subprocess
import tempfile
import threading
import time

from lib.process import Process, wait_gone
from lib.waiting import wait_for


def free_port(host="127.0.0.1"):
    with socket.socket() as s:
        s.bind((host, 0))
        return s.getsockname()[1]


class Redis:
    """One redis-server that keeps nothing on disk."""

    def __init__(self, folder, host="127.0.0.1", name="redis", port=None, prefix=()):
        self.folder, self.host, self.name = folder, host, name
        self.port = port or free_port()
        self.prefix = list(prefix)  # to start it elsewhere
        self.process = None

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def start(self, *more):
        self.process = Process(
            [*self.prefix, "redis-server", "--bind", self.host, "--port", self.port,
             "--save", "", "--appendonly", "no", "--dir", tempfile.mkdtemp(dir=self.folder),
             "--protected-mode", "no", *more],
            os.path.join(self.folder, self.name + ".log"))
        wait_for(lambda: self.ask("PING") == "+PONG", f"{self.name} to answer")
        return self

    def ask(self, *words):
        """The first line of an answer; None: there is none."""
        argv = [*self.prefix, "redis-cli", "-h", self.host, "-p", str(self.port), *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
        text = done.stdout.strip()
        return "+" + text if done.returncode == 0 and text == "PONG" else text or None

    def kill(self):
        self.signal(signal.SIGKILL)
        wait_gone(self.process.pid)
        self.process.kill()

    def signal(self, number):
        os.kill(self.process.pid, number)

    def end(self):
        if self.process:
            self.process.kill()


class Sentinels:
    """Two servers and three Sentinels of this machine."""

    QUORUM = 2

    def __init__(self, folder):
        self.folder = folder
        self.master = Redis(folder, name="redis-a").start()
        self.replica = Redis(folder, name="redis-b").start(
            "--replicaof", "127.0.0.1", str(self.master.port))
        self.ports = [free_port() for _ in range(3)]
        self.processes = [self._start(port) for port in self.ports]
        wait_for(lambda: all(self._knows(p) for p in self.ports),
                 "the Sentinels to know each other", 30)

    def _start(self, port):
        path = os.path.join(self.folder, f"sentinel-{port}.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"port {port}\nbind 127.0.0.1\nprotected-mode no\n"
                    f"sentinel monitor weir 127.0.0.1 {self.master.port} {self.QUORUM}\n"
                    "sentinel down-after-milliseconds weir 1000\n"
                    "sentinel failover-timeout weir 4000\n")
        return Process(["redis-server", path, "--sentinel"],
                       os.path.join(self.folder, f"sentinel-{port}.log"))

    def _ask(self, port, *words):
        done = subprocess.run(["redis-cli", "-p", str(port), *words], text=True,
                              capture_output=True, timeout=20, check=False)
        return done.stdout.split()

    def _knows(self, port):
        said = self._ask(port, "SENTINEL", "MASTER", "weir")
        pairs = dict(zip(said[::2], said[1::2]))
        return (pairs.get("num-other-sentinels") == "2"
                and pairs.get("num-slaves") == "1")

    @property
    def address(self):
        hosts = ",".join(f"127.0.0.1:{p}" for p in self.ports)
        return f"sentinel://{hosts}/weir"

    def now(self):
        return self._ask(self.ports[0], "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "weir")

    def wait_other_master(self):
        wait_for(lambda: str(self.replica.port) in self.now(), "another master", 30)

    def end(self):
        for p in self.processes:
            p.kill()
        self.master.end()
        self.replica.end()


class Slow:
    """In front of a Redis: passes bytes on, `delay_s` later toward the client."""

    def __init__(self, redis):
        self.redis, self.delay_s = redis, 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._is_over = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        chosen = selectors.DefaultSelector()
        chosen.register(self._server, selectors.EVENT_READ)
        pairs, late = {}, []  # late: (when, socket, bytes), in order of time
        while not self._is_over:
            for key, _ in chosen.select(0.01):
                if key.fileobj is self._server:
                    self._accept(chosen, pairs)
                else:
                    self._pass(chosen, pairs, late, key.fileobj)
            while late and late[0][0] <= time.monotonic():
                _, sock, data = late.pop(0)
                try:
                    sock.sendall(data)
                except OSError:
                    pass

    def _accept(self, chosen, pairs):
        client, _ = self._server.accept()
        try:
            server = socket.create_connection((self.redis.host, self.redis.port), 5)
        except OSError:
            client.close()
            return
        pairs[client], pairs[server] = (server, False), (client, True)
        chosen.register(client, selectors.EVENT_READ)
        chosen.register(server, selectors.EVENT_READ)

    def _pass(self, chosen, pairs, late, sock):
        if sock not in pairs:
            return
        other, is_answer = pairs[sock]
        try:
            data = sock.recv(65536)
        except OSError:
            data = b""
        if data:
            when = time.monotonic() + (self.delay_s if is_answer else 0)
            late.append((when, other, data))
            late.sort(key=lambda entry: entry[0])
            return
        for s in (sock, other):
            chosen.unregister(s)
            del pairs[s]
            s.close()

    def end(self):
        self._is_over = True
        self._thread.join(5)
        self._server.close()
