#!/usr/bin/env python3
"""Thirty publishers on two ingests, two origins and two edges, three viewers of
each: everything arrives, the work is spread, and nothing flows that nobody
watches."""

import signal
from concurrent.futures import ThreadPoolExecutor

from lib import clips, flv
from lib.weirtest import Cluster, case, main, wait_for

PUBLISHERS = 30
VIEWERS_EACH = 3
CLUSTER = Cluster(ingest=2, origin=2, edge=2, settings={
    "cluster.publish_grace_ms": 1000, "edge.idle_keep_ms": 500})


def clip_of(i):
    return clips.tiny(i % 6, 16)


def stream_of(i):
    return f"live/many{i:02}"


def media_bytes_to_edges(cluster):
    return cluster.total("edge", "weir_bus_in_frames_total")


def publish_all(t):
    pushes = [t.try_push(clip_of(i), stream_of(i))
              for i in range(PUBLISHERS)]
    for push in pushes:
        wait_for(lambda p=push: "push.start" in p.text() or p.has_ended(), "a publish")
        assert "push.start" in push.text(), push.text()
    return pushes


@case
def everything_arrives_and_the_work_is_spread(t):
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(clip_of, range(6)))
    pushes = publish_all(t)
    c = t.cluster

    # Without viewers no media goes to an edge.
    wait_for(lambda: c.total("origin", "weir_origin_live_streams") == PUBLISHERS,
             "all streams to be at home")
    assert media_bytes_to_edges(c) == 0, "media flows to edges that nobody watches"

    # Both ingests have their share, and both origins.
    shares = [c.metrics(n.id).sum("weir_ingest_publishers") for n in c.role("ingest")]
    assert min(shares) >= PUBLISHERS / 3, f"publishers are spread {shares}"
    t.note(f"publishers by ingest {shares}")
    shares = [c.metrics(n.id).sum("weir_origin_live_streams") for n in c.role("origin")]
    assert min(shares) >= PUBLISHERS / 3, f"streams are spread {shares}"
    t.note(f"streams by origin {shares}")

    viewers = [(i, t.view(stream_of(i), edge=(i + k) % 2) if k else
                t.view_rtmp(stream_of(i), edge=i % 2))
               for i in range(PUBLISHERS) for k in range(VIEWERS_EACH)]
    for _, v in viewers:
        v.wait_media()
    t.note(f"first_key_ms most {max(v.first_key_ms for _, v in viewers):.0f}")
    c.wait_viewers(len(viewers))

    # One subscription for each pair of an edge and a stream.
    subscriptions = c.total("origin", "weir_origin_wanting_consumers")
    assert subscriptions == PUBLISHERS * 2, f"{subscriptions} subscriptions"
    assert c.total("edge", "weir_edge_streams") == PUBLISHERS * 2

    for push in pushes:
        push.finish()
    for _, v in viewers:
        v.wait_over()
    for i, v in viewers:
        flv.assert_same(flv.read(clip_of(i)), v.tags, stream_of(i))
    packets = sum(len(v.media) for _, v in viewers)
    t.note(f"{packets} packets at {len(viewers)} viewers")
    assert c.total("edge", "weir_edge_skipped_frames_total") == 0

    # They leave, and so do the subscriptions.
    wait_for(lambda: c.total("origin", "weir_origin_wanting_consumers") == 0,
             "the edges to leave")


@case
def an_edge_leaves_a_stream_that_nobody_watches_any_more(t):
    c = t.cluster
    t.push(clip_of(0), "live/left")
    viewer = t.view("live/left", edge=0).wait_media()
    assert c.total("origin", "weir_origin_wanting_consumers") == 1
    viewer.close()
    wait_for(lambda: c.total("origin", "weir_origin_wanting_consumers") == 0,
             "the edge to want it no more")
    wait_for(lambda: c.total("edge", "weir_edge_streams") == 0, "the edge to leave")
    before = media_bytes_to_edges(c)
    frames = c.total("origin", "weir_origin_frames_total")
    wait_for(lambda: c.total("origin", "weir_origin_frames_total") > frames + 20,
             "the publisher to go on")
    assert media_bytes_to_edges(c) == before, "media still flows to the edge"


@case
def workers_share_the_public_ports_and_a_frozen_one_swallows_nobody(t):
    clip, stream = clips.tiny(1), "live/shared"
    with Cluster(workers=2, packager=0, settings={
            "cluster.publish_grace_ms": 1000}) as t.cluster:
        c = t.cluster
        assert [n.id for n in c.role("edge")] == ["edge-1.0", "edge-1.1"], c.told
        push = t.push(clip, stream)
        viewers = [t.view(stream) for _ in range(12)]
        viewers += [t.view(stream, edge=k) for k in (0, 1)]
        for v in viewers:
            v.wait_media()
        assert c.total("origin", "weir_origin_wanting_consumers") == 2, (
            "each worker should have one subscription")
        own = [c.metrics(n.id).sum("weir_edge_viewers") for n in c.role("edge")]
        t.note(f"viewers by worker {own}")
        c.kill("edge-1.0", signal.SIGSTOP)
        late = [t.view(stream) for _ in range(6)] + [t.view_rtmp(stream) for _ in range(6)]
        for v in late:
            v.wait_media()
        c.kill("edge-1.0", signal.SIGCONT)
        push.finish()
        for v in viewers + late:
            v.wait_over()
        for v in late:
            flv.assert_same(flv.read(clip), v.tags, "who came meanwhile")


if __name__ == "__main__":
    main(CLUSTER)
