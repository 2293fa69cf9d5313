#!/usr/bin/env python3
"""Every packet of every track arrives as it was sent: by whichever client it is
published, in whichever form it is played, whenever a viewer joins."""

from lib import clips, flv, framehash
from lib.cluster import Cluster
from lib.weirtest import case, main, wait_for

CLUSTER = Cluster(settings={"cluster.publish_grace_ms": 1000})


def assert_file_is_exact(t, reference, pull):
    pull.finish()
    received = flv.read(pull.file)
    flv.assert_time_never_goes_back(received)
    flv.assert_same(reference, received, pull.argv[-2])
    assert flv.read_flags(pull.file) == 5, "audio and video are not both announced"


def first_key(pull):
    return pull.text().partition("first_key_ms=")[2].split()[0]


@case
def a_pushed_file_arrives_exactly(t):
    """Viewers of both forms: waiting already, and joining in the middle."""
    clip = clips.reference()
    reference = flv.read(clip)
    url = [t.cluster.rtmp_url("live/exact"), t.cluster.flv_url("live/exact")]
    early = [t.pull(u) for u in url]
    wait_for(lambda: t.cluster.total("edge", "weir_edge_waiting") >= 2, "two to wait")
    push = t.push(clip, "live/exact")
    watch = t.view("live/exact")
    late = []
    for ms in (2300, 4650):
        watch.wait_after(ms)
        late += [t.pull(u) for u in url]
    push.finish()
    for pull in early + late:
        assert_file_is_exact(t, reference, pull)
    watch.wait_over()
    flv.assert_same(reference, watch.tags, "a viewer from the start")
    t.note(f"first_key_ms of late joiners {', '.join(first_key(p) for p in late)}")


@case
def what_ffmpeg_publishes_arrives_exactly(t):
    clip = clips.reference()
    reference = flv.read(clip)
    wire = t.view_rtmp("live/encoder")
    push = t.ffmpeg_push(clip, "live/encoder")
    t.cluster.wait_live("live/encoder")
    pulls = [t.pull(t.cluster.rtmp_url("live/encoder")),
             t.pull(t.cluster.flv_url("live/encoder"))]
    push.finish()
    for pull in pulls:
        assert_file_is_exact(t, reference, pull)
    wire.wait_over()
    flv.assert_same(reference, wire.tags, "a viewer by RTMP")


@case
def what_ffmpeg_plays_is_exact(t):
    clip = clips.reference()
    t.push(clip, "live/player")
    t.cluster.wait_live("live/player")
    want = framehash.of_flv(flv.read(clip))
    players = [framehash.play(t, t.cluster.rtmp_url("live/player")),
               framehash.play(t, t.cluster.flv_url("live/player"))]
    for player in players:
        player.finish()
        framehash.assert_same(want, framehash.read(player.file))


@case
def the_publishers_clock_may_cross_every_boundary(t):
    """Of 24 bits, where RTMP's extended time begins; of 31 and of 32 bits."""
    reference = flv.read(clips.tiny(1))
    watched = []
    for bits in (24, 31, 32):
        clip, stream = t.file(f"{bits}.flv"), f"live/bits{bits}"
        flv.write(clip, [x.moved((1 << bits) - 3000) for x in reference])
        watched.append((bits, t.view(stream), t.view_rtmp(stream)))
        t.push(clip, stream)
    for bits, *viewers in watched:
        for v in viewers:
            v.wait_over()
            flv.assert_same(reference, v.tags, f"across {bits} bits")


@case
def rtmpdump_gets_it_too(t):
    clip = clips.reference()
    t.push(clip, "live/dump")
    t.cluster.wait_live("live/dump")
    out = t.file("dumped.flv")
    dump = t.run("timeout", "60", "rtmpdump", "--quiet", "--live", "-r",
                 t.cluster.rtmp_url("live/dump"), "-o", out)
    dump.wait()
    received = [g for g in flv.read(out) if g.is_media]
    # It writes what RTMP carries in aggregates of its own: payloads are compared.
    want = [w.digest for w in flv.as_streamed(flv.read(clip))]
    got = [g.digest for g in received]
    assert got, dump.text()
    begin = want.index(got[0])
    assert got == want[begin:], f"{len(got)} packets of {len(want) - begin}"


@case
def a_real_decoder_finds_no_fault(t):
    t.push(clips.reference(), "live/decoded")
    t.cluster.wait_live("live/decoded")
    for url in (t.cluster.rtmp_url("live/decoded"), t.cluster.flv_url("live/decoded")):
        player = t.ffmpeg("-xerror", "-err_detect", "explode", "-i", url, "-t", "3",
                          "-f", "null", "-")
        player.finish()
        assert "rror" not in player.text(), player.text()


@case
def it_is_exact_too_where_writes_between_nodes_are_put_off(t):
    settings = {**CLUSTER.settings, "bus.flush_ms": 3, "bus.flush_busy_percent": 0}
    with Cluster(settings=settings) as t.cluster:
        a_pushed_file_arrives_exactly(t)
        waited = t.cluster.total("origin", "weir_bus_put_off_total")
        assert waited, f"{waited} writes have waited"
        t.cluster.stop()


if __name__ == "__main__":
    main(CLUSTER, at_once=6)
