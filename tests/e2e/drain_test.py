#!/usr/bin/env python3
"""An ingest that takes leave, with nobody on its machine to take its publishers:
they are told, each as well as it understands, and whatever they send until they
go is played. An origin that takes leave, with a stream whose publisher does not
come back."""

from lib import clips, flv
from lib.client import is_closed_by_peer
from lib.env import SLOWER
from lib.process import is_alive
from lib.rtmp import Refused, Rtmp
from lib.weirtest import Cluster, case, main, wait_for

RECONNECT = 1  # of capsEx
FIRST_MS, BEFORE_MS, AFTER_MS = 500, 1500, 2500


class Drained:
    """Publishes a part of a clip; then its ingest begins to drain."""

    def __init__(self, t, stream, settings=None, **more):
        t.cluster = Cluster(ingest=2, packager=0, settings={
            "cluster.run_dir": "", **(settings or {})}).start(t.file("cluster"))
        t.at_end(t.cluster.kill_all)
        self.t, self.clip = t, clips.tiny(1)
        self.tags = flv.read(self.clip)
        self.viewer = t.view(stream)
        wait_for(lambda: stream in t.cluster.watched(), "the viewer to wait")
        self.node = t.cluster.role("ingest")[0]
        self.peer = Rtmp(self.node.addresses["rtmp"], 20 * SLOWER)
        t.at_end(self.peer.close)
        self.peer.publish(stream, **more)
        # Who comes to the home behind another key frame begins there.
        self.send(0, FIRST_MS)
        self.viewer.wait_media()
        self.send(FIRST_MS, BEFORE_MS)
        self.wait_all_played(BEFORE_MS)
        t.cluster.api(f"/api/ctrl/drain?node={self.node.id}", {})

    def send(self, from_ms, to_ms):
        for tag in self.tags:
            if from_ms <= tag.ms < to_ms or (not from_ms and not tag.ms):
                self.peer.send_tag(tag)

    def sent(self, until_ms):
        return [tag for tag in self.tags if tag.ms < until_ms]

    def wait_all_played(self, until_ms):
        """The viewer has all that was sent, up to the last tag."""
        want = flv.as_streamed(self.sent(until_ms))
        self.viewer.wait_media(len(want))
        flv.assert_same(self.sent(until_ms), self.viewer.tags, f"up to {until_ms} ms")

    def wait_gone(self):
        wait_for(lambda: not is_alive(self.node.pid), f"{self.node.id} to end", 15)
        self.t.cluster.nodes.remove(self.node)


@case
def who_can_connect_anew_is_asked_to_and_finishes_what_it_is_at(t):
    d = Drained(t, "live/able", capsEx=RECONNECT)
    assert d.peer.connected.get("capsEx") == RECONNECT, d.peer.connected
    d.peer.wait_status("NetConnection.Connect.ReconnectRequest")
    d.send(BEFORE_MS, AFTER_MS)
    d.peer.command("FCUnpublish", None, "able")
    d.peer.wait_status("NetStream.Unpublish.Success")
    d.peer.close()
    d.wait_all_played(AFTER_MS)
    d.wait_gone()
    assert all(level == "status" for level, _, _ in d.peer.status), d.peer.status
    assert not d.viewer.is_over.is_set(), "its viewer was closed"


@case
def who_is_asked_and_does_not_go_is_told_in_the_old_words(t):
    d = Drained(t, "live/slow", capsEx=RECONNECT)
    d.peer.wait_status("NetConnection.Connect.ReconnectRequest")
    refused = refusal(d.peer)
    assert refused[0] == "NetStream.Publish.Failed", refused
    d.send(BEFORE_MS, AFTER_MS)
    d.peer.close()
    d.wait_all_played(AFTER_MS)
    d.wait_gone()


def refusal(peer):
    try:
        peer.wait_status("never")
    except Refused as e:
        return e.args
    raise AssertionError("unreachable")


def hears_why_and_is_played_to_the_end(t, settings=None):
    d = Drained(t, "live/plain", settings)
    assert "capsEx" not in d.peer.connected, d.peer.connected
    assert refusal(d.peer) == ("NetStream.Publish.Failed", "this node is shutting down")
    d.send(BEFORE_MS, AFTER_MS)
    d.peer.close()
    d.wait_all_played(AFTER_MS)
    d.wait_gone()
    ends = [line for line in t.cluster.log(d.node.id).splitlines() if "publish.end" in line]
    assert len(ends) == 1 and "reason=draining" in ends[0], ends


@case
def others_hear_why_and_what_they_send_until_they_go_is_played(t):
    hears_why_and_is_played_to_the_end(t)


@case
def so_is_all_that_waits_in_writes_that_are_put_off(t):
    hears_why_and_is_played_to_the_end(
        t, {"bus.flush_ms": 50, "bus.flush_busy_percent": 0})


@case
def who_does_not_listen_is_closed_and_what_had_come_is_played(t):
    d = Drained(t, "live/deaf")
    d.send(BEFORE_MS, AFTER_MS)
    d.wait_all_played(AFTER_MS)
    d.wait_gone()
    assert is_closed_by_peer(d.peer.sock, 5 * SLOWER), "its connection still stands"


@case
def an_origin_waits_for_who_is_away_and_tells_viewers_when_it_was_in_vain(t):
    grace_ms = 2000
    t.cluster = Cluster(origin=2, packager=0, settings={
        "cluster.publish_grace_ms": grace_ms}).start(t.file("cluster"))
    t.at_end(t.cluster.kill_all)
    viewers = [t.view("live/away"), t.view_rtmp("live/away")]
    push = t.push(clips.tiny(1), "live/away")
    for v in viewers:
        v.wait_after(1000)
    push.stop()
    wait_for(lambda: not t.cluster.streams()["live/away"]["live"], "its publisher to be away")
    home = t.cluster.node(t.cluster.streams()["live/away"]["home"])
    t.cluster.api(f"/api/ctrl/drain?node={home.id}", {})
    for v in viewers:
        v.wait_over()
        assert v.error is None, v.error
    waited_ms = (viewers[0].over_at - viewers[0].tags[-1].at) * 1000
    assert waited_ms > grace_ms - 200, f"closed after {waited_ms:.0f} ms"
    assert viewers[1].status[-1][1] == "NetStream.Play.UnpublishNotify", viewers[1].status
    wait_for(lambda: not is_alive(home.pid), f"{home.id} to end", 5)
    t.cluster.nodes.remove(home)
    t.note(f"{waited_ms:.0f} ms")


if __name__ == "__main__":
    main(at_once=2)
