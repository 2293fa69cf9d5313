#!/usr/bin/env python3
# timeout 300
"""Any door, right room: publishers and players have one RTMP address. Its edge
hands a publisher on to an ingest, with every byte that it has read."""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import termios
import time
from concurrent.futures import ThreadPoolExecutor

from lib import clips, flv, rtmp
from lib.client import RtmpViewer
from lib.env import MODE, SLOWER
from lib.process import open_files, wait_gone
from lib.weirtest import Cluster, Skip, case, main, wait_for

SETTINGS = {"cluster.publish_grace_ms": 1000}
CLUSTER = Cluster(ingest=2, edge=1, packager=0, settings=SETTINGS)
HAND_OVERS = int(os.environ.get("HAND_OVERS", "1000" if MODE else "10000"))


# ---- what a publisher says, as bytes


def command(number, name, *values, stream=0):
    body = b"".join(flv.write_amf0(v) for v in (name, number) + values)
    return rtmp.chunks(rtmp.COMMAND, body, stream=stream)


def hello():
    """What comes before the chunks. The second packet should be the server's
    random bytes, which nobody minds."""
    return b"\x03" + b"\0" * 8 + os.urandom(1528) + os.urandom(1536)


def asking(stream):
    """The chunks up to publish, one by one."""
    app, _, name = stream.partition("/")
    return [
        rtmp.chunks(rtmp.SET_CHUNK_SIZE, rtmp.CHUNK_BYTES.to_bytes(4, "big")),
        command(1, "connect", {"app": app, "flashVer": "LNX 9,0,124,2",
                               "tcUrl": f"rtmp://127.0.0.1/{app}"}),
        command(2, "releaseStream", None, name),
        command(3, "FCPublish", None, name),
        command(4, "createStream", None),
        command(5, "publish", None, name, "live", stream=1),
    ]


def telling(tags):
    """Media as chunks, and the orderly end."""
    said = []
    for tag in tags:
        body = tag.body
        if tag.type == flv.SCRIPT:
            body = flv.write_amf0("@setDataFrame") + body
        said.append(rtmp.chunks(tag.type, body, tag.ms, 1))
    return said + [command(6, "FCUnpublish", None, "x"),
                   command(7, "deleteStream", None, 1)]


class Words:
    """All that a publisher says, and where its parts begin."""

    def __init__(self, stream, clip):
        self.tags = flv.read(clip)
        self.hello, self.asking = hello(), asking(stream)
        self.telling = telling(self.tags)
        self.publish_at = len(self.hello) + sum(map(len, self.asking[:-1]))
        self.media_at = self.publish_at + len(self.asking[-1])
        self.bytes = self.hello + b"".join(self.asking + self.telling)

    def media_chunk(self, number):
        return self.media_at + sum(map(len, self.telling[:number]))


# ---- connections by hand


def dial(address):
    host, port = address.rsplit(":", 1)
    s = socket.create_connection((host, int(port)), 20 * SLOWER)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def hex_address(name):
    ip, port = name
    return f"{struct.unpack('<I', socket.inet_aton(ip))[0]:08X}:{port:04X}"


def wait_read(s):
    """Until whoever has the other end has read all that was sent."""
    here, there = hex_address(s.getsockname()), hex_address(s.getpeername())

    def is_read():
        unsent = struct.unpack("i", fcntl.ioctl(s, termios.TIOCOUTQ, b"\0" * 4))[0]
        if unsent:
            return False
        with open("/proc/net/tcp", encoding="ascii") as f:
            for line in f:
                words = line.split()
                if words[1:3] == [there, here]:
                    return words[4].endswith(":00000000")
        return True  # it is closed
    wait_for(is_read, "the peer to read")


def hear_end(s):
    """To the end of the connection, which must be orderly."""
    heard = b""
    while True:
        data = s.recv(65536)
        if not data:
            return heard
        heard += data


def say_in_pieces(t, stream, words, cuts):
    """Publish; the network cuts the words at these places. All arrives."""
    viewer = t.view(stream)
    with dial(t.cluster.rtmp_address()) as s:
        at = 0
        for cut in [*cuts, len(words.bytes)]:
            s.sendall(words.bytes[at:cut])
            if cut < len(words.bytes):
                wait_read(s)
            at = cut
        viewer.wait_over()
    assert viewer.error is None, viewer.error
    flv.assert_same(words.tags, viewer.tags, f"{stream} cut at {cuts}")


def passed_to(t, stream, edge="edge-1"):
    """Which ingests got it, one after another: [(node, ms)]."""
    found = re.findall(rf" peer\.passed stream={re.escape(stream)} .*node=(\S+) ms=(\d+)",
                       t.cluster.log(edge))
    return [(node, int(ms)) for node, ms in found]


def refusal(peer, stream):
    """The words and how long they took."""
    began = time.monotonic()
    try:
        peer.publish(stream)
    except rtmp.Refused as e:
        return e.args, time.monotonic() - began
    raise AssertionError(f"{stream} was let in")


# ---- what is good


@case
def one_address_publishes_and_plays(t):
    """As lal's users type it."""
    clip, stream = clips.reference(), "live/test110"
    address = t.cluster.told["public"]["rtmp"]
    early = [t.view(stream), t.view_rtmp(stream)]
    push = t.weir("push", clip, f"rtmp://{address}/live/test110")
    early[0].wait_media()
    late = t.pull(f"rtmp://{address}/live/test110")
    push.finish()
    late.finish()
    flv.assert_same(flv.read(clip), flv.read(late.file), "a late viewer")
    for v in early:
        v.wait_over()
        flv.assert_same(flv.read(clip), v.tags, "a viewer from the start")
    assert len(passed_to(t, stream)) == 1, passed_to(t, stream)
    (node, _), = passed_to(t, stream)
    ingest = t.cluster.log(node)
    peer = re.search(rf"publish\.start stream={stream} .*peer=(\S+)", ingest).group(1)
    assert f"peer.handed stream={stream} peer={peer} " in ingest, "another peer's address"
    assert peer in t.cluster.log("edge-1"), "the edge knew another address"


@case
def wherever_the_network_cuts_nothing_is_lost(t):
    """In front of, in, and behind every kind of thing that is said."""
    clip = clips.tiny(1, 2)
    probe = Words("live/cut00", clip)
    hello_size, publish, media = len(probe.hello), probe.publish_at, probe.media_at
    big = max(range(len(probe.telling)), key=lambda i: len(probe.telling[i]))
    cuts = [1, 700, 1537, 1538, hello_size - 1, hello_size, hello_size + 5,
            hello_size + len(probe.asking[0]) + 30, publish, publish + 1, publish + 7,
            publish + 12, publish + 20, media - 1, media, media + 1, media + 11,
            media + 12, media + 13, probe.media_chunk(1), probe.media_chunk(2) + 3,
            probe.media_chunk(big) + 500]

    def one(i):
        stream = f"live/cut{i:02}"
        say_in_pieces(t, stream, Words(stream, clip), [cuts[i]])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(len(cuts))))
    t.note(f"{len(cuts)} cuts")


@case
def words_come_byte_by_byte(t):
    """The peer sends each byte by itself, the handshake too."""
    stream = "live/dribble"
    words = Words(stream, clips.tiny(1, 2))
    viewer = t.view(stream)
    with dial(t.cluster.rtmp_address()) as s:
        for at in range(words.media_at + 300):
            s.sendall(words.bytes[at:at + 1])
        s.sendall(words.bytes[words.media_at + 300:])
        viewer.wait_over()
    flv.assert_same(words.tags, viewer.tags, stream)


@case
def every_byte_around_the_publish_is_read_by_itself(t):
    stream = "live/around"
    words = Words(stream, clips.tiny(2, 2))
    say_in_pieces(t, stream, words, range(words.publish_at - 3, words.media_at + 20))


@case
def media_sent_ahead_in_one_piece_is_not_lost(t):
    """Nobody waits for an answer: hello, publish and all media at once, a little
    and much more than a process reads at a time."""
    for seconds, clip in ((2, clips.tiny(3, 2)), (4, clips.reference(4, 30, "640x360"))):
        stream = f"live/ahead{seconds}"
        words = Words(stream, clip)
        viewer = t.view(stream)
        with dial(t.cluster.rtmp_address()) as s:
            s.sendall(words.bytes)
            viewer.wait_over()
        flv.assert_same(words.tags, viewer.tags, stream)
        t.note(f"{len(words.bytes)} bytes ahead")


@case
def a_publisher_that_ends_at_once_is_seen_to_the_end(t):
    """All its words and its FIN are there before anybody has looked."""
    stream = "live/gone"
    words = Words(stream, clips.tiny(4, 2))
    viewer = t.view(stream)
    with dial(t.cluster.rtmp_address()) as s:
        s.sendall(words.bytes)
        s.shutdown(socket.SHUT_WR)
        hear_end(s)
    viewer.wait_over()
    flv.assert_same(words.tags, viewer.tags, stream)


@case
def ffmpeg_publishes_through_the_edge(t):
    clip, viewer = clips.reference(), t.view("live/ffmpeg")
    t.ffmpeg_push(clip, "live/ffmpeg").finish()
    viewer.wait_over()
    flv.assert_same(flv.read(clip), viewer.tags, "live/ffmpeg")
    assert passed_to(t, "live/ffmpeg"), "not by the edge"


@case
def gstreamer_publishes_through_the_edge(t):
    """By its own RTMP, and by librtmp's (complex handshake)."""
    if not shutil.which("gst-launch-1.0"):
        raise Skip("gst-launch-1.0 is not installed (make deps-test ALL=1)")
    clip = clips.reference()
    pushes, viewers = {}, {}
    for sink in ("rtmp2sink", "rtmpsink"):
        viewers[sink] = t.view(f"live/{sink}")
        pushes[sink] = t.run(
            "gst-launch-1.0", "-q", "filesrc", f"location={clip}", "!", "flvdemux",
            "name=d", "flvmux", "name=m", "streamable=true", "!", sink,
            f"location={t.cluster.publish_url('live/' + sink)}",
            "d.video", "!", "queue", "!", "h264parse", "!", "m.",
            "d.audio", "!", "queue", "!", "aacparse", "!", "m.", name=sink)
    for sink, push in pushes.items():
        push.finish()
        viewers[sink].wait_over()
        assert passed_to(t, f"live/{sink}"), "not by the edge"
        assert_payloads_same(flv.read(clip), viewers[sink].tags, sink)


def assert_payloads_same(reference, received, name):
    """A muxer may round times and order tracks anew: the packets of each track
    are compared, and their number."""
    for kind in (flv.VIDEO, flv.AUDIO):
        want = [x.digest for x in flv.as_streamed(reference) if x.type == kind]
        got = [x.digest for x in flv.media(received) if x.type == kind]
        assert got == want, (f"{name}: {len(got)} of {len(want)} packets of kind {kind}, "
                             f"{sum(a == b for a, b in zip(got, want))} as they were")


@case
def the_work_is_spread_over_the_ingests(t):
    """Twenty at once, long before any ingest has told its load."""
    peers = []
    for i in range(20):
        peer = rtmp.Rtmp(t.cluster.rtmp_address(), 30 * SLOWER)
        t.at_end(peer.close)
        name = peer.connect(f"live/spread{i:02}")
        peer.command("publish", None, name, "live", stream=1)
        peers.append(peer)
    for peer in peers:
        peer.wait_status("NetStream.Publish.Start")
    nodes = [passed_to(t, f"live/spread{i:02}")[0][0] for i in range(20)]
    counts = {n: nodes.count(n) for n in ("ingest-1", "ingest-2")}
    t.note(f"publishers {counts}")
    assert min(counts.values()) >= 6, counts


# ---- when ingests are away


@case
def without_an_ingest_the_publisher_is_told_so(t):
    with Cluster(ingest=0, packager=0, settings={
            **SETTINGS, "edge.publish_wait_ms": 500}) as t.cluster:
        peer = rtmp.Rtmp(t.cluster.rtmp_address(), 20 * SLOWER)
        (code, text), took_s = refusal(peer, "live/nobody")
        assert code == "NetStream.Publish.Failed", code
        assert "no ingest of this machine takes publishers" in text, text
        assert 0.4 < took_s < 5 * SLOWER, took_s
        hear_end(peer.sock)  # no reset
        push = t.try_push(clips.tiny(1), "live/nobody")
        assert push.wait() == 3, push.text()
        assert "no ingest" in push.text(), push.text()
        t.note(text)
        ended = t.cluster.metrics("edge-1")
        assert ended.sum("weir_edge_refused_total", reason="no_ingest") == 2
        # It is no worse for players and for who leaves meanwhile.
        with dial(t.cluster.rtmp_address()) as s:
            s.sendall(Words("live/nobody", clips.tiny(1)).bytes[:5000])
            wait_for(lambda: t.cluster.total("edge", "weir_edge_passing") == 1, "one to wait")
        wait_for(lambda: t.cluster.total("edge", "weir_edge_connections") == 0, "its end")
        t.cluster.stop()


@case
def an_ingest_that_comes_in_time_takes_who_waits(t):
    """It is stopped in mid-work, and goes on before the publisher is refused."""
    with Cluster(packager=0, settings={
            **SETTINGS, "edge.publish_wait_ms": 15000,
            "edge.half_open_ms": 1000}) as t.cluster:
        t.cluster.kill("ingest-1", signal.SIGSTOP)
        clip, viewer = clips.tiny(5, 2), t.view("live/patient")
        push = t.try_push(clip, "live/patient")
        wait_for(lambda: t.cluster.total("edge", "weir_edge_passing") == 1, "it to wait")
        # Longer than a connection may take that has asked for nothing.
        began = time.monotonic()
        wait_for(lambda: time.monotonic() - began > 1.5, "half_open_ms to pass")
        t.cluster.kill("ingest-1", signal.SIGCONT)
        push.finish()
        viewer.wait_over()
        flv.assert_same(flv.read(clip), viewer.tags, "live/patient")
        t.cluster.stop()


@case
def a_frozen_ingest_costs_200_ms_and_the_next_takes_it(t):
    with Cluster(ingest=2, packager=0, settings=SETTINGS) as t.cluster:
        # Who is stopped before it is known is not asked.
        wait_for(lambda: "ingest-1" in [n["id"] for n in t.cluster.api("/api/nodes")["nodes"]],
                 "ingest-1 to be known")
        t.cluster.kill("ingest-1", signal.SIGSTOP)
        clip, viewer = clips.tiny(6, 3), t.view("live/next")
        push = t.push(clip, "live/next")
        (node, ms), = passed_to(t, "live/next")
        assert node == "ingest-2", node
        assert 200 <= ms < 2000 * SLOWER, ms
        t.note(f"taken after {ms} ms")
        # It is remembered: the next publisher does not pay again.
        other = t.push(clip, "live/later")
        (node, ms), = passed_to(t, "live/later")
        assert node == "ingest-2" and ms < 200 * SLOWER, (node, ms)
        push.finish()
        other.finish()
        viewer.wait_over()
        flv.assert_same(flv.read(clip), viewer.tags, "live/next")
        # What was offered to it meanwhile is not its own when it wakes.
        before = open_files(t.cluster.node("ingest-1").pid)
        t.cluster.kill("ingest-1", signal.SIGCONT)
        wait_for(lambda: t.cluster.metrics("ingest-1").sum("weir_ingest_connections") == 0,
                 "it to be awake")
        assert t.cluster.metrics("ingest-1").sum("weir_ingest_handed_total") == 0
        wait_for(lambda: open_files(t.cluster.node("ingest-1").pid) <= before + 4,
                 "it to have dropped the offers")
        t.cluster.stop()


@case
def all_frozen_is_told_with_a_name(t):
    with Cluster(ingest=1, packager=0, settings={
            **SETTINGS, "edge.publish_wait_ms": 500}) as t.cluster:
        t.cluster.kill("ingest-1", signal.SIGSTOP)
        peer = rtmp.Rtmp(t.cluster.rtmp_address(), 20 * SLOWER)
        (code, text), _ = refusal(peer, "live/frozen")
        assert code == "NetStream.Publish.Failed", code
        assert "ingest-1: no answer in time" in text, text
        hear_end(peer.sock)
        t.cluster.kill("ingest-1", signal.SIGCONT)
        t.push(clips.tiny(1, 2), "live/frozen").finish()
        t.cluster.stop()


@case
def an_ingest_dies_with_its_publisher_who_comes_back(t):
    with Cluster(ingest=2, packager=0, settings={
            "cluster.publish_grace_ms": 10000}) as t.cluster:
        viewer = t.view("live/orphan")
        first = t.push(clips.tiny(1, 30), "live/orphan")
        viewer.wait_after(1000)
        (node, _), = passed_to(t, "live/orphan")
        t.cluster.kill(node)
        assert first.wait() != 0, "it was not closed"
        clip = clips.tiny(2, 3)
        wait_for(lambda: t.try_push(clip, "live/orphan").wait() == 0,
                 "it to be let in again", 40)
        viewer.wait_over(60)
        nodes = {n for n, _ in passed_to(t, "live/orphan")}
        assert len(nodes) == 2, nodes
        seen = [x.digest for x in viewer.media]
        want = [x.digest for x in flv.as_streamed(flv.read(clip))]
        assert seen[-len(want):] == want, "the second part is not whole"
        t.cluster.stop()


@case
def an_ingest_that_is_started_again_takes_who_waits(t):
    """Its old socket lies there still; the publisher comes before the new one."""
    cluster = Cluster(packager=0, settings={**SETTINGS, "edge.publish_wait_ms": 15000})
    words = [w for w in cluster.command(t.file("again")) if w != "--no-restart"]
    up = t.run(*words, output=t.file("line"))
    wait_for(lambda: os.path.getsize(t.file("line")) or up.has_ended(), "the line", 40)
    with open(t.file("line"), encoding="utf-8") as f:
        told = json.load(f)
    ingest, = (n for n in told["nodes"] if n["role"] == "ingest")
    address, clip = told["public"]["rtmp"], clips.tiny(1, 2)
    viewer = RtmpViewer(address, "live/again")
    t.at_end(viewer.close)
    os.kill(ingest["pid"], signal.SIGKILL)
    t.weir("push", clip, f"rtmp://{address}/live/again").finish()
    viewer.wait_over()
    flv.assert_same(flv.read(clip), viewer.tags, "live/again")
    assert up.stop() == 0, up.text()


@case
def a_draining_ingest_gets_no_publisher(t):
    with Cluster(ingest=2, packager=0, settings=SETTINGS) as t.cluster:
        node = t.cluster.node("ingest-1")
        os.kill(node.pid, signal.SIGTERM)
        clip = clips.tiny(3, 2)
        t.push(clip, "live/rest").finish()
        assert [n for n, _ in passed_to(t, "live/rest")] == ["ingest-2"]
        wait_gone(node.pid)
        t.push(clip, "live/rest2").finish()
        assert [n for n, _ in passed_to(t, "live/rest2")] == ["ingest-2"]


# ---- nothing is left


def publish_and_leave(address, stream, count):
    """As light as it can be: all words at once, and away when it was let in."""
    words = b"".join(asking(stream))
    refused = 0
    for _ in range(count):
        with dial(address) as s:
            s.sendall(hello() + words)
            heard = b""
            while b"NetStream.Publish." not in heard:
                data = s.recv(65536)
                assert data, f"closed without a word after {len(heard)} bytes"
                heard += data
            refused += b"NetStream.Publish.Start" not in heard
            s.sendall(command(6, "deleteStream", None, 1))
            s.shutdown(socket.SHUT_WR)
            hear_end(s)
    return refused


@case
def many_hand_overs_leave_no_descriptor(t):
    with Cluster(packager=0, settings={
            "cluster.publish_grace_ms": 200}) as t.cluster:
        nodes = [t.cluster.node("edge-1"), t.cluster.node("ingest-1")]
        address = t.cluster.rtmp_address()
        publish_and_leave(address, "live/warm", 5)

        def idle():
            return all(t.cluster.metrics(n.id).sum(f"weir_{n.role}_connections") == 0
                       for n in nodes)
        wait_for(idle, "the first to be gone")
        before = {n.id: open_files(n.pid) for n in nodes}
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            refused = sum(pool.map(
                lambda i: publish_and_leave(address, f"live/leak{i}", HAND_OVERS // 8),
                range(8)))
        took_s = time.monotonic() - began
        wait_for(idle, "all to be gone", 40)
        passed = t.cluster.total("edge", "weir_edge_passed_total")
        handed = t.cluster.total("ingest", "weir_ingest_handed_total")
        assert passed == handed == HAND_OVERS // 8 * 8 + 5, (passed, handed)
        wait_for(lambda: all(open_files(n.pid) <= before[n.id] for n in nodes),
                 "the descriptors of before")
        t.note(f"{int(handed)} in {took_s:.1f} s, {refused} refused; "
               f"descriptors {before} before and after")
        t.cluster.stop()


if __name__ == "__main__":
    main(CLUSTER, at_once=3)
