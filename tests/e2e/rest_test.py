#!/usr/bin/env python3
"""Where writes between nodes are put off, an ingest looks at its publishers' sockets
together, and rests in between: nothing is lost of those that are handed over, leave
or are cut off meanwhile, and who sends fast is read as fast."""

import fcntl
import socket
import struct

from lib import clips, flv
from lib.env import SLOWER
from lib.process import is_alive
from lib.rtmp import Rtmp
from lib.weirtest import Cluster, case, main, wait_for

SIOCOUTQNSD = 0x894b
STREAMS = 12
SECONDS = 10
SETTINGS = {"bus.flush_ms": 20, "bus.flush_busy_percent": 0,
            "cluster.publish_grace_ms": 1000}


def clip_of(i):
    return clips.tiny(i % 3, SECONDS)


def stream_of(i):
    return f"live/rest{i}"


def drain(t, node):
    status, answer = t.cluster.ask(f"/api/v1/nodes/{node.id}/drain", {})
    assert status == 200, answer
    wait_for(lambda: not is_alive(node.pid), f"{node.id} to end", 15)
    t.cluster.nodes.remove(node)


@case
def publishers_are_handed_over_twice_and_not_a_frame_is_lost(t):
    with Cluster(ingest=3, packager=0, settings=SETTINGS) as t.cluster:
        first, *others = t.cluster.role("ingest")
        viewers = [t.view(stream_of(i)) for i in range(STREAMS)]
        pushes = [t.push(clip_of(i), stream_of(i), ingest=0) for i in range(STREAMS)]
        for v in viewers:
            v.wait_after(2000)
        drain(t, first)
        for v in viewers:
            v.wait_after(4500)
        handed = {n: t.cluster.metrics(n.id).sum("weir_ingest_handed_total") for n in others}
        assert sum(handed.values()) == STREAMS, handed
        drain(t, max(handed, key=handed.get))
        for i, (push, v) in enumerate(zip(pushes, viewers)):
            push.finish()
            v.wait_over()
            assert v.error is None, f"{stream_of(i)}: {v.error}"
            flv.assert_same(flv.read(clip_of(i)), v.tags, stream_of(i))
        handed = t.cluster.total("ingest", "weir_ingest_handed_total")
        assert handed == STREAMS, f"{handed} are where none was at first"
        t.cluster.stop()


class Publisher:
    """Sends a part of a clip, as fast as it is taken."""

    def __init__(self, t, i):
        self.stream, self.tags = stream_of(i), flv.read(clip_of(i))
        self.viewer = t.view(self.stream)
        wait_for(lambda: self.stream in t.cluster.watched(), "the viewer to wait")
        self.peer = Rtmp(t.cluster.role("ingest")[0].addresses["rtmp"], 20 * SLOWER)
        t.at_end(self.peer.close)
        self.peer.publish(self.stream)
        self.ms = 0

    def send(self, to_ms):
        for tag in self.tags:
            if self.ms <= tag.ms < to_ms:
                self.peer.send_tag(tag)
        self.ms = to_ms

    def wait_all_played(self, how):
        name = f"{self.stream}, {how}"
        want = [tag for tag in self.tags if tag.ms < self.ms]
        self.viewer.wait_media(len(flv.as_streamed(want)))
        flv.assert_same(want, self.viewer.tags, name)

    def unsent_bytes(self):
        return struct.unpack("i", fcntl.ioctl(self.peer.sock, SIOCOUTQNSD, b"\0\0\0\0"))[0]

    def reset(self):
        """A reset takes back only what has not left yet."""
        wait_for(lambda: not self.unsent_bytes(), "all to have left")
        self.peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.sock.close()


@case
def what_was_sent_last_is_played_however_they_go(t):
    with Cluster(packager=0, settings=SETTINGS) as t.cluster:
        publishers = [Publisher(t, i) for i in range(STREAMS)]
        # Who comes to the home behind another key frame begins there.
        for p in publishers:
            p.send(500)
        for p in publishers:
            p.viewer.wait_media()
        for ms in range(600, 2600, 100):
            for p in publishers:
                p.send(ms)
        for i, p in enumerate(publishers):
            if i % 3 == 0:
                p.send(3000)
                p.peer.sock.close()
            elif i % 3 == 1:
                p.send(3000)
                p.reset()
        for i, p in enumerate(publishers):
            p.wait_all_played("gone" if i % 3 < 2 else "when the others went")
            if i % 3 == 2:  # the others have not gone with them
                p.send(4000)
                p.wait_all_played("behind the others")
        t.cluster.stop()


if __name__ == "__main__":
    main(at_once=2)
