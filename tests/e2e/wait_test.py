#!/usr/bin/env python3
"""Play before publish: a viewer is held, gets everything from the first key frame
on, or is told in its protocol's words that nobody came."""

from lib import clips, flv
from lib.weirtest import Cluster, case, main, wait_for

WAIT_MS = 2500
CLUSTER = Cluster(settings={"edge.wait_publish_ms": WAIT_MS,
                            "cluster.publish_grace_ms": 500})


@case
def viewers_who_were_first_get_the_first_key_frame(t):
    clip = clips.tiny(1)
    viewers = [t.view("live/held"), t.view_rtmp("live/held")]
    wait_for(lambda: t.cluster.total("edge", "weir_edge_waiting") >= 2, "two to wait")
    assert viewers[0].status is None, "a head was sent before there was a stream"
    t.push(clip, "live/held").finish()
    for v in viewers:
        v.wait_over()
        flv.assert_same(flv.read(clip), v.tags, type(v).__name__)
        assert flv.is_same(v.media[0], flv.as_streamed(flv.read(clip))[0]), (
            f"began at {v.media[0]}")


@case
def rtmp_ends_with_stream_not_found(t):
    viewer = t.view_rtmp("live/nobody").wait_over()
    assert viewer.refused, (viewer.status, viewer.error)
    assert viewer.refused[0] == "NetStream.Play.StreamNotFound", viewer.refused
    assert not viewer.tags, viewer.tags


@case
def http_ends_with_404(t):
    viewer = t.view("live/nobody-either").wait_over()
    assert viewer.status == 404, (viewer.status, viewer.headers)
    waited_ms = (viewer.head_at - viewer.asked_at) * 1000
    assert waited_ms >= WAIT_MS * 0.9, f"refused after {waited_ms:.0f} ms"
    t.note(f"after {waited_ms:.0f} ms")


@case
def weir_pull_is_refused_in_words(t):
    pull = t.pull(t.cluster.rtmp_url("live/none"))
    assert pull.wait() == 3, pull.text()
    assert "NetStream.Play.StreamNotFound" in pull.text(), pull.text()
    pull = t.pull(t.cluster.flv_url("live/none"))
    assert pull.wait() == 3, pull.text()
    assert "404" in pull.text(), pull.text()


@case
def the_http_head_comes_once_the_tracks_are_settled(t):
    """Audio is announced, but comes 300 ms after the video: the flags of the head
    name both."""
    tags = flv.read(clips.reference(4))
    script = [x for x in tags if x.type == flv.SCRIPT]
    video = [x for x in tags if x.type == flv.VIDEO]
    audio = [x for x in tags if x.type == flv.AUDIO]
    late = [x.moved(300) for x in audio]
    clip = t.file("late.flv")
    flv.write(clip, script + sorted(video + late, key=lambda x: x.ms))
    viewer = t.view("live/settle")
    wait_for(lambda: t.cluster.total("edge", "weir_edge_waiting") >= 1, "it to wait")
    t.push(clip, "live/settle")
    viewer.wait_media(20)
    assert viewer.flags == flv.HAS_AUDIO | flv.HAS_VIDEO, viewer.flags
    meta = flv.metadata(viewer.tags[0])
    assert meta["videocodecid"] == 7 and meta["audiocodecid"] == 10, meta
    flv.assert_same(flv.read(clip), viewer.tags, to_end=False)


@case
def a_held_viewer_costs_the_origins_nothing(t):
    viewer = t.view("live/costs-nothing")
    wait_for(lambda: t.cluster.total("edge", "weir_edge_waiting") >= 1, "it to wait")
    assert t.cluster.streams().get("live/costs-nothing") is None
    viewer.close()


if __name__ == "__main__":
    main(CLUSTER, at_once=6)
