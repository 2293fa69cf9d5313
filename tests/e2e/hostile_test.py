#!/usr/bin/env python3
# timeout 240
"""Hostile bytes on every listener, the bus included: the peer is closed with a
logged reason, memory stays small and comes back, and a legal publisher and its
viewers run meanwhile, exactly."""

import contextlib
import itertools
import re
import socket
import struct
import threading

from lib import clips, flv, rtmp, websocket
from lib.crowd import Crowd, noise, raise_file_limit
from lib.env import IS_MEMORY_TRUE, MODE
from lib.process import open_files, rss_kb
from lib.weirtest import Cluster, case, main, wait_for

HALF_OPEN_MS = 2000
CLUSTER = Cluster(settings={
    "cluster.publish_grace_ms": 1000, "ingest.handshake_ms": HALF_OPEN_MS,
    "edge.half_open_ms": HALF_OPEN_MS, "bus.handshake_ms": HALF_OPEN_MS})
EACH = 2  # connections for each kind of attack; the log has room for 50 a second
CLOSED_S = 12  # three times what a connection has to prove itself, and more
GROWTH_KB = 64 * 1024
BACK_KB = 24 * 1024  # what the allocator may keep
HALF_OPEN = 5000
FEW = 20  # what else a process may have opened meanwhile


# ---- the listeners


def rtmp_addresses(c):
    return {"ingest-1": c.node("ingest-1").addresses["rtmp"],
            "edge-1": c.node("edge-1").addresses["rtmp"]}


def http_addresses(c):
    return {"edge-1": c.node("edge-1").addresses["http"]}


def bus_addresses(c):
    nodes = c.api("/api/nodes")["nodes"]
    return {n["id"]: n["url"].removeprefix("tcp://") for n in nodes
            if n["role"] in ("ingest", "origin", "dispatch")}


def api_addresses(c):
    found = {n.id: n.addresses["admin"] for n in c.nodes}
    found["dispatch-1 API"] = c.told["api"].removeprefix("http://")
    return found


# ---- what goes on meanwhile


class Memory(threading.Thread):
    """The most that each process had while this ran."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.pids = {n.id: n.pid for n in cluster.nodes}
        self.before = self.now()
        self.most = dict(self.before)
        self.enough = threading.Event()

    def now(self):
        return {id_: rss_kb(pid) for id_, pid in self.pids.items()}

    def run(self):
        with contextlib.suppress(FileNotFoundError):  # one has died
            while not self.enough.wait(0.05):
                for id_, kb in self.now().items():
                    self.most[id_] = max(self.most[id_], kb)

    def growth_kb(self):
        return {id_: self.most[id_] - self.before[id_] for id_ in self.pids}

    def is_back(self):
        return all(kb - self.before[id_] < BACK_KB for id_, kb in self.now().items())


@contextlib.contextmanager
def all_is_well(t):
    """While an attack is made: a legal stream runs exactly, another one is
    published and played from its start to its end, no process dies, and none
    grows by more than 64 MB or keeps it."""
    stream = "live/legal-" + t.name
    viewers = [t.view(stream), t.view_rtmp(stream)]
    push = t.push(clips.tiny(1, 90), stream)
    for v in viewers:
        v.wait_media(20)
    memory = Memory(t.cluster)
    memory.start()
    t.at_end(memory.enough.set)
    yield
    memory.enough.set()
    push.stop()
    for v in viewers:
        v.wait_over()
        flv.assert_same(flv.read(clips.tiny(1, 90)), v.tags, stream, to_end=False)
    t.cluster.assert_all_alive()
    growth = memory.growth_kb()
    t.note(f"most growth {max(growth.values())} kB")
    if IS_MEMORY_TRUE:
        assert max(growth.values()) < GROWTH_KB, f"grew by {growth} kB"
        wait_for(memory.is_back, "memory to come back")


def newcomers_are_served(t, name):
    """During the attack. Returns how long the viewers took to their key frame."""
    stream = f"live/new-{t.name}-{name}"
    # Sanitizers make the process slow to get at the newcomer behind the crowd.
    clip = clips.tiny(2, 10 if MODE == "san" else 2)
    push = t.push(clip, stream)
    viewers = [t.view(stream), t.view_rtmp(stream)]
    push.finish()
    for v in viewers:
        v.wait_over()
        flv.assert_same(flv.read(clip), v.tags, stream)
    return max(v.first_key_ms for v in viewers)


LOGGED = re.compile(r" (peer\.closed|link\.refused|play\.refused|publish\.end) .*"
                    r"reason=(\w+)")


def reasons(t, id_):
    return [m.group(2) for m in LOGGED.finditer(t.cluster.log(id_))]


def attack(t, addresses, attacks, closed_s=CLOSED_S, is_logged=True):
    """At each address, EACH connections for each attack say its words. All are
    closed then, with logged reasons."""
    before = {id_: len(reasons(t, id_)) for id_ in addresses if is_logged}
    crowd = Crowd()
    t.at_end(crowd.close)
    for name, words in attacks.items():
        for id_, address in addresses.items():
            crowd.add(f"{name} at {id_}", address, EACH, words)
    left = crowd.wait_closed(closed_s)
    assert not left, f"still open: {'; '.join(left)}"
    for id_, count in before.items():
        wait_for(lambda i=id_, n=count: len(reasons(t, i)) >= n + EACH * len(attacks),
                 f"a logged reason for each at {id_}")
        new = set(reasons(t, id_)[count:])
        t.note(f"{id_}: {', '.join(sorted(new))}")
        assert not new & {"unknown", "none", "internal"}, new


# ---- HTTP

HTTP_ATTACKS = {
    "nothing": b"",
    "noise": noise(65536, 7),
    "half a head": b"GET /live/a.flv HTTP/1.1\r\nHost: a\r\n",
    "a head without end": b"GET /live/a.flv HTTP/1.1\r\n" + b"X: y\r\n" * 100000,
    "a line without end": b"GET /" + b"a" * 1000000,
    "no HTTP": b"HELO example.com\r\n\r\n",
    "another version": b"GET /live/a.flv HTTP/9.9\r\n\r\n",
    "a path out of the tree": b"GET /../../etc/passwd.flv HTTP/1.1\r\nHost: a\r\n"
                              b"Connection: close\r\n\r\n",
    "a zero byte": b"GET /live/a\0.flv HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "a body of 4 G": b"POST /live/a.flv HTTP/1.1\r\nHost: a\r\n"
                     b"Content-Length: 4294967295\r\n\r\n" + bytes(100000),
    "a length below zero": b"POST /live/a.flv HTTP/1.1\r\nHost: a\r\n"
                           b"Content-Length: -1\r\nConnection: close\r\n\r\n",
}

UPGRADE, _ = websocket.request("/live/nobody.ts", "a")
BIG = websocket.frame(websocket.TEXT, bytes(60000))
SOCKET_ATTACKS = {  # while they wait for a stream that nobody publishes
    "another version": websocket.request("/live/a.flv", "a", version=99)[0],
    "no key": UPGRADE.replace(b"Sec-WebSocket-Key", b"X"),
    "a short key": websocket.request("/live/a.flv", "a", key="a")[0],
    "noise behind the head": UPGRADE + noise(65536, 12),
    "a frame without a mask": UPGRADE + websocket.frame(2, b"abc", is_masked=False),
    "a reserved bit": UPGRADE + websocket.frame(2, b"abc", reserved=4),
    "an unknown opcode": UPGRADE + websocket.frame(11, b"abc"),
    "a frame of 2^63 bytes": UPGRADE + websocket.frame(2, b"", length=(1 << 63) - 1),
    "a frame of 4 G": UPGRADE + websocket.frame(2, bytes(1000), length=1 << 32),
    "a long ping": UPGRADE + websocket.frame(9, bytes(200)),
    "pieces without end": UPGRADE + websocket.frame(2, b"a", fin=False)
                          + websocket.frame(0, b"a", fin=False) * 5000,
    "a piece of nothing": UPGRADE + websocket.frame(0, b"abc"),
    "pings without end": UPGRADE + websocket.frame(9, b"a") * 5000,
    "text that is none": UPGRADE + websocket.frame(1, b"\xff\xfe"),
    "a message that is too big": UPGRADE + BIG,
    "a goodbye of one byte": UPGRADE + websocket.frame(8, b"a"),
    "a goodbye": UPGRADE + websocket.close(),
}
FILE_ATTACKS = {  # a whole head that is not ours, and then
    "silence": b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
    "noise": b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n" + noise(65536, 13),
    "half a head": b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\nGET /live/a.f",
    "a head of 1 MB": b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\nGET /a HTTP/1.1\r\n"
                      + b"X: y\r\n" * 170000,
    "a body of 4 G": b"POST /nothing HTTP/1.1\r\nHost: a\r\n"
                     b"Content-Length: 4294967295\r\n\r\n" + bytes(100000),
    "chunks without sense": b"POST /nothing HTTP/1.1\r\nHost: a\r\n"
                            b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + bytes(100),
}


@case
def api_and_admin_listeners(t):
    """Their library knows of no log: closed they are."""
    with all_is_well(t):
        attack(t, api_addresses(t.cluster), HTTP_ATTACKS, closed_s=25, is_logged=False)
        newcomers_are_served(t, "api")
        assert t.cluster.api("/api/stat/lal_info")["error_code"] == 0


@case
def http_listeners_of_edges(t):
    with all_is_well(t):
        attack(t, http_addresses(t.cluster), HTTP_ATTACKS)
        newcomers_are_served(t, "http")


@case
def websockets_of_edges(t):
    with all_is_well(t):
        attack(t, http_addresses(t.cluster), SOCKET_ATTACKS)
        newcomers_are_served(t, "socket")


@case
def files_of_edges(t):
    """Their library knows of no log: closed they are, and in time."""
    with all_is_well(t):
        attack(t, http_addresses(t.cluster), FILE_ATTACKS, closed_s=30, is_logged=False)
        newcomers_are_served(t, "file")


@case
def a_head_of_one_byte_a_second(t):
    """Steadiness does not buy time, and the edge does not look twice at a byte."""
    edge = t.cluster.node("edge-1")
    host, port = edge.addresses["http"].rsplit(":", 1)
    peers = [socket.create_connection((host, int(port))) for _ in range(20)]
    for s in peers:
        t.at_end(s.close)
    sent = itertools.count()
    head = b"GET /live/a.flv HTTP/1.1\r\nHost: a\r\nX: "

    def all_closed():
        at = next(sent)
        for s in peers:
            with contextlib.suppress(OSError):
                s.send(head[at:at + 1] or b"y")
        return not any(is_open(s) for s in peers)
    wait_for(all_closed, "them to be closed", 3 * HALF_OPEN_MS / 1000)


def is_open(s):
    s.settimeout(0)
    try:
        return s.recv(100) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


# ---- RTMP

HANDSHAKE = b"\x03" + bytes(8) + noise(1528, 1)
DONE = HANDSHAKE + noise(1536, 2)
BIG_CHUNKS = rtmp.chunks(rtmp.SET_CHUNK_SIZE, b"\x7f\xff\xff\xff")


def head(type_, size, channel=3, stream=0):
    return (bytes([channel]) + bytes(3) + size.to_bytes(3, "big") + bytes([type_])
            + stream.to_bytes(4, "little"))


def amf0_deep():
    """An object in an object in an object …"""
    name = b"\0\1a\3"
    return flv.write_amf0("connect") + flv.write_amf0(1) + b"\3" + name * 20000


RTMP_ATTACKS = {
    "nothing": b"",
    "one byte": b"\x03",
    "another version": b"\x99" + noise(1536, 3),
    "noise": noise(65536, 4),
    "noise behind the version": b"\x03" + noise(65536, 5),
    "half a handshake": HANDSHAKE[:700],
    "a handshake and silence": DONE,
    "noise behind the handshake": DONE + noise(65536, 6),
    "a message of 16 MB": DONE + head(20, 0xffffff) + bytes(100),
    "all of a message of 16 MB": DONE + BIG_CHUNKS + head(20, 0xffffff) + bytes(1 << 24),
    "chunks without end": DONE + b"".join(
        head(9, 0xfffff0, channel) + bytes(128) for channel in range(3, 64)) * 20,
    "a chunk size of 0": DONE + rtmp.chunks(rtmp.SET_CHUNK_SIZE, bytes(4)),
    "a command of one byte": DONE + rtmp.chunks(20, b"\x02"),
    "a command of nothing": DONE + rtmp.chunks(20, b"") * 1000,
    "a deep object": DONE + rtmp.chunks(20, amf0_deep()),
    "an array of 4 G": DONE + rtmp.chunks(
        20, flv.write_amf0("connect") + flv.write_amf0(1) + b"\x0a\xff\xff\xff\xff"),
    "media before connect": DONE + rtmp.chunks(9, bytes(100), 0, 1),
    "control without sense": DONE + rtmp.chunks(4, b"\x00\x99") + rtmp.chunks(3, b"\1"),
    "aggregates of nothing": DONE + rtmp.chunks(22, bytes(10), 0, 1) * 500,
}


@case
def rtmp_listeners(t):
    with all_is_well(t):
        attack(t, rtmp_addresses(t.cluster), RTMP_ATTACKS)
        newcomers_are_served(t, "rtmp")


# ---- the bus


def record(type_, body=b"", length=None, sid=0, offset=0, term=0, sequence=0):
    length = 32 + len(body) if length is None else length
    return struct.pack("<IHHIIQQ", length, type_, 0, sid, offset, term, sequence) + body


def text(s):
    return struct.pack("<H", len(s)) + s


def hello(cluster=b"weir", version=1, connection=1, name=b"stranger"):
    return record(1, struct.pack("<HBB", version, connection, 0) + noise(32, 8)
                  + noise(32, 9) + text(cluster) + text(name) + text(b"edge") + text(b""))


BUS_ATTACKS = {
    "nothing": b"",
    "noise": noise(65536, 10),
    "half a record": record(1)[:20],
    "a length of nothing": record(1, length=0),
    "a short length": record(1, length=31),
    "a length of 4 G": record(1, length=0xffffffff) + bytes(100000),
    "a length that is just too long": record(1, length=66049) + bytes(66049),
    "another record first": record(3, bytes(200)),
    "a HELLO of nothing": record(1),
    "a HELLO of zeroes": record(1, bytes(900)),
    "a HELLO of noise": record(1, noise(900, 11)),
    "a HELLO and silence": hello(),
    "a HELLO of another cluster": hello(cluster=b"another"),
    "a HELLO of another version": hello(version=0xff00),
    "a HELLO with bytes of a terminal": hello(name=b"\x1b[2J\n\n"),
    "a wrong PROOF": hello() + record(2, bytes(32)),
    "frames before PROOF": hello() + record(6, bytes(1000), sid=1) * 100,
}


@case
def bus_listeners(t):
    with all_is_well(t):
        attack(t, bus_addresses(t.cluster), BUS_ATTACKS)
        newcomers_are_served(t, "bus")
        for id_ in bus_addresses(t.cluster):
            assert "\x1b" not in t.cluster.log(id_), "a peer writes to our terminal"


# ---- publishers that were let in


@case
def media_before_publish(t):
    """It is connected, has a stream, and does not say what for."""
    with all_is_well(t):
        before = reasons(t, "ingest-1").count("media_before_publish")
        for type_ in (8, 9, 18, 22):
            peer = rtmp.Rtmp(rtmp_addresses(t.cluster)["ingest-1"])
            peer.connect("live/early")
            peer.message(type_, b"\x17\1\0\0\0" + bytes(50), 0, 1)
            peer.read_to_end()
            peer.close()
        wait_for(lambda: reasons(t, "ingest-1").count("media_before_publish") >= before + 2,
                 "logged reasons")


@case
def media_of_one_byte_and_other_nonsense(t):
    """A publisher that was let in and sends what is no media."""
    with all_is_well(t):
        for number, sent in enumerate((
                [(type_, bytes([b])) for b in range(256) for type_ in (8, 9, 18)],
                [(type_, b"") for type_ in (8, 9, 18)] * 100,
                [(9, b"\x17\0\0\0\0" + noise(n, n)) for n in range(200)],
                [(8, b"\xaf\0" + noise(n, n)) for n in range(100)],
                [(9, b"\x17\1\0\0\0\xff\xff\xff\xff" + noise(50, n)) for n in range(50)],
                [(18, flv.write_amf0("onMetaData") + noise(200, n)) for n in range(200)],
                [(8 + n % 2, noise(n * 7, n)) for n in range(500)])):
            door = ("ingest-1", "edge-1")[number % 2]
            peer = rtmp.Rtmp(rtmp_addresses(t.cluster)[door])
            peer.publish(f"live/nonsense{number}")
            with contextlib.suppress(ConnectionError):
                for type_, payload in sent:
                    peer.message(type_, payload, 0, 1)
            peer.close()
        newcomers_are_served(t, "nonsense")
        wait_for(lambda: not any(s["live"] for key, s in t.cluster.streams().items()
                                 if key.startswith("live/nonsense")), "it to end")


@case
def noise_behind_a_publish_that_is_handed_on(t):
    """It is read by the ingest, with the state that the edge has made: together or
    behind the answer, little and more than is read at a time."""
    with all_is_well(t):
        before = len(reasons(t, "ingest-1"))
        peers = []
        for number, size in enumerate((1, 11, 12, 300, 5000, 65536, 500000)):
            for waits in (False, True):
                peer = rtmp.Rtmp(rtmp_addresses(t.cluster)["edge-1"])
                t.at_end(peer.close)
                name = peer.connect(f"live/noise{number}{waits}")
                peer.command("publish", None, name, "live", stream=1)
                if waits:
                    peer.wait_status("NetStream.Publish.Start")
                with contextlib.suppress(ConnectionError):
                    peer.send(b"\x3f\xff" + noise(size, number))
                peers.append(peer)
        newcomers_are_served(t, "noise")
        for peer in peers:
            with contextlib.suppress(OSError):  # it may be closed already
                peer.sock.shutdown(socket.SHUT_WR)
            peer.read_to_end()
        wait_for(lambda: len(reasons(t, "ingest-1")) >= before + len(peers),
                 "a logged reason for each")
        assert "internal" not in reasons(t, "ingest-1"), reasons(t, "ingest-1")


# ---- very many


def very_many(t, addresses, words=b"", are_closed=True):
    """Those that the kernel has not handed over are not counted: what the process
    has open tells. With `are_closed` it closes them, else we do."""
    with all_is_well(t):
        for id_, address in addresses.items():
            pid = t.cluster.node(id_).pid
            before = open_files(pid)
            crowd = Crowd().add(id_, address, HALF_OPEN, words)
            t.at_end(crowd.close)
            crowd.wait_said()
            took_ms = newcomers_are_served(t, re.sub(r"\W", "", id_))
            t.note(f"{id_}: first_key_ms {took_ms:.0f}")
            if not are_closed:
                crowd.close()
            crowd.step_until(lambda p=pid, n=before: open_files(p) < n + FEW, CLOSED_S)
            left = open_files(pid) - before
            assert left < FEW, f"{left} of {HALF_OPEN} are still open at {id_}"
            crowd.close()


@case
def five_thousand_half_open_rtmp_connections(t):
    very_many(t, rtmp_addresses(t.cluster), HANDSHAKE[:100])


@case
def five_thousand_half_open_http_connections(t):
    very_many(t, http_addresses(t.cluster), b"GET /live")


@case
def five_thousand_half_open_bus_connections(t):
    very_many(t, bus_addresses(t.cluster), hello()[:40])


@case
def five_thousand_half_open_api_connections(t):
    """Its library waits for 15 s: too long for this test."""
    very_many(t, {"dispatch-1": t.cluster.told["api"].removeprefix("http://")},
              b"GET /api", are_closed=False)


if __name__ == "__main__":
    raise_file_limit()
    main(CLUSTER, at_once=2)  # the floods come last: they fill the log
