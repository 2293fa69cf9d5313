#!/usr/bin/env python3
"""A viewer begins at once: with the headers in force and the newest key frame,
nothing older and nothing unneeded before it."""

import statistics

from lib import clips, flv
from lib.weirtest import Cluster, case, main

CLUSTER = Cluster(settings={"cluster.publish_grace_ms": 1000})
GENEROUS_MS = 2000  # this machine may be busy with other tests


def kinds(tags):
    """What came up to the first packet, in words."""
    words = []
    for t in tags:
        if t.is_media:
            return words + [f"{t.kind} key" if t.is_key else t.kind]
        words.append("metadata" if flv.metadata(t) else f"{t.kind} config")
    return words


def position(reference, tag):
    """Its time in the reference."""
    at = flv.find(reference, tag)
    assert at is not None, f"{tag} was not published"
    return reference[at].ms


def assert_begins_well(t, reference, viewer, newest_ms):
    """`newest_ms`: the reference's time that another viewer was at when this one
    asked to play; its first key frame is the newest one there, or a newer one."""
    tags = list(viewer.tags)
    came = kinds(tags)
    assert sorted(came[:-1]) == ["audio config", "metadata", "video config"], came
    assert came[0] == "metadata" and came[-1] == "video key", came
    first = viewer.media[0]
    keys = [r.ms for r in reference if r.is_key and r.ms <= newest_ms]
    assert position(reference, first) >= keys[-1], (
        f"began at {position(reference, first)} ms, though {keys[-1]} ms was there")
    configs = [c for c in flv.read(t.clip) if c.is_config]
    for c in configs:
        got = [g for g in tags if g.is_config and g.type == c.type]
        assert got[0].payload == c.payload, f"another configuration: {got[0]}"
        assert got[0].ms == first.ms, f"its headers stand at {got[0].ms}, not {first.ms}"


def join_again_and_again(t, make_viewer, count=8):
    t.clip = clips.reference(14)
    reference = flv.as_streamed(flv.read(t.clip))
    stream = "live/" + t.name[:20]
    watch = t.view(stream)
    t.push(t.clip, stream)
    watch.wait_media()
    constant = watch.media[0].ms - position(reference, watch.media[0])
    taken = []
    for i in range(count):
        # Each time elsewhere in the group of pictures.
        watch.wait_after(constant + 1300 + i * 1130)
        newest_ms = watch.media[-1].ms - constant
        viewer = make_viewer(stream)
        viewer.wait_media(20)
        assert_begins_well(t, reference, viewer, newest_ms)
        flv.assert_same(flv.read(t.clip), viewer.tags, "a late joiner", to_end=False)
        taken.append(viewer.first_key_ms)
        viewer.close()
    t.note(f"first_key_ms median {statistics.median(taken):.1f} most {max(taken):.1f}")
    assert max(taken) < GENEROUS_MS, taken


@case
def by_http_flv(t):
    join_again_and_again(t, t.view)


@case
def by_rtmp(t):
    join_again_and_again(t, t.view_rtmp)


@case
def the_first_viewer_of_an_edge_begins_at_once_too(t):
    """Nobody has asked this edge for the stream yet: it has to fetch it."""
    clip = clips.reference()
    reference = flv.as_streamed(flv.read(clip))
    with Cluster(edge=4, packager=0) as cluster:
        t.cluster = cluster
        t.clip = clip
        t.push(clip, "live/first")
        watch = t.view("live/first", edge=0).wait_media()
        constant = watch.media[0].ms - position(reference, watch.media[0])
        taken = []
        for edge in (1, 2, 3):
            watch.wait_after(constant + 1000 + edge * 1450)
            newest_ms = watch.media[-1].ms - constant
            viewer = t.view("live/first", edge=edge).wait_media(20)
            assert_begins_well(t, reference, viewer, newest_ms)
            taken.append(viewer.first_key_ms)
        cluster.stop()
    t.note(f"first_key_ms {', '.join(f'{x:.1f}' for x in taken)}")
    assert max(taken) < GENEROUS_MS, taken


@case
def weir_pull_reports_how_long_it_took(t):
    t.push(clips.reference(), "live/report")
    t.view("live/report").wait_after(1500)
    for url in (t.cluster.rtmp_url("live/report"), t.cluster.flv_url("live/report")):
        pull = t.pull(url, "--frames", 30)
        pull.finish()
        first = int(pull.text().partition("first_key_ms=")[2].split()[0])
        assert first < GENEROUS_MS, pull.text()
        t.note(f"first_key_ms {first}")


if __name__ == "__main__":
    main(CLUSTER, at_once=4)
