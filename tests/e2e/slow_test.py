#!/usr/bin/env python3
"""Slow viewers of a 2.5 Mb/s stream: they are moved to a newer key frame, or
closed; they cost no memory, and nobody else notices.

One stream and one cluster for all of them, so that there is somebody else."""

import re

from lib import clips, flv, ts
from lib.env import IS_MEMORY_TRUE
from lib.weirtest import Cluster, case, main, wait_for

SECONDS = 17
GOP_MS = 1000
STALL_AT_MS = 7450  # in the middle of a group of pictures
STALL_MS = 6000  # longer than viewer_max_lag_ms, shorter than slow_viewer_timeout_ms
DELAY_MS = 400  # between the edge and the test, on a busy machine
GROWTH_KB = 1024
BUFFER_BYTES = 65536
CLUSTER = Cluster(edge=2, settings={"cluster.publish_grace_ms": 1000})


class Play:
    """The stream, its file, and a healthy viewer of it by which time is told."""

    def __init__(self, t):
        self.t = t
        self.clip = clips.heavy(SECONDS)
        self.reference = flv.as_streamed(flv.read(self.clip))
        self.stream = "live/heavy"
        self.watch = t.view(self.stream, edge=0)
        self.push = t.push(self.clip, self.stream)
        self.watch.wait_media()
        self.constant = self.watch.media[0].ms - self.reference[0].ms

    def wait_ms(self, ms):
        self.watch.wait_after(ms + self.constant)

    def newest_ms(self, at):
        """The stream's time at the edge at that moment."""
        return max(x.ms for x in self.watch.tags if x.at <= at)


def gap_of(play, viewer):
    """Where its packets are not dense: (index of the first one behind the gap,
    packets that are missing)."""
    want = play.reference
    got = viewer.media
    begin = flv.find(want, got[0])
    at, gaps = begin, []
    for i, g in enumerate(got):
        if not flv.is_same(want[at], g):
            to = at + flv.find(want[at:], g)
            gaps.append((i, to - at))
            at = to
        assert g.ms - want[at].ms == play.constant, f"{g} has another time"
        at += 1
    assert at == len(want), f"the last {len(want) - at} packets are missing"
    return gaps


def logged_skips(cluster, viewer):
    """What the edge says that this viewer did not get."""
    host, port = viewer.sock.getsockname()
    line = re.compile(rf"play\.end .*peer={host}:{port} .*skipped=(\d+)")
    found = wait_for(lambda: line.search(cluster.log("edge-1")), "its play.end")
    return int(found.group(1))


def assert_went_on_at_a_key_frame(play, viewer, name):
    gaps = gap_of(play, viewer)
    assert len(gaps) == 1, f"{name}: skipped {len(gaps)} times: {gaps}"
    at, missing = gaps[0]
    first_new = viewer.media[at]
    assert first_new.is_key, f"{name}: went on with {first_new}"
    age_ms = play.newest_ms(first_new.at) - first_new.ms
    assert age_ms < GOP_MS + DELAY_MS, f"{name}: went on {age_ms} ms behind"
    play.t.note(f"{name}: {missing} packets skipped, went on {age_ms} ms old")
    return missing


def assert_skipped_legally(play, viewer, name):
    """A transport stream with one hole, which it tells of."""
    assert not viewer.ts.faults, f"{name}: {viewer.ts.faults[:5]}"
    ts.assert_same(play.reference, viewer.pes, name, skips=1)
    missing = ts.missing(play.reference, viewer.pes, name)
    assert len(missing) == 1, f"{name}: skipped {missing}"
    first = [p for p in viewer.pes if p.is_discontinuity]
    begun = {p.pid for p in first[:2]}  # where it began, each PID has it too
    again = [p for p in first if p.offset > first[0].offset + 100 * ts.PACKET]
    assert {p.pid for p in again} == begun, f"{name}: {first}"
    went_on = next(p for p in again if p.kind == flv.VIDEO)
    assert went_on.is_random_access, f"{name}: went on with {went_on}"
    play.t.note(f"{name}: {missing[0]} access units skipped")
    return missing[0]


@case
def slow_viewers_skip_and_nobody_else_notices(t):
    c, play = t.cluster, Play(t)
    others = [t.view_rtmp(play.stream, edge=0), t.view(play.stream, edge=0)]
    slow = {"FLV": t.view(play.stream, edge=0, receive_bytes=BUFFER_BYTES),
            "RTMP": t.view_rtmp(play.stream, edge=0, receive_bytes=BUFFER_BYTES)}
    slow_ts = {"TS": t.view_ts(play.stream, edge=0, receive_bytes=BUFFER_BYTES),
               "WS-TS": t.view_ws_ts(play.stream, edge=0, receive_bytes=BUFFER_BYTES)}
    all_slow = {**slow, **slow_ts}
    # The logs of the edge have their full length by then.
    play.wait_ms(STALL_AT_MS)
    before_kb = most_kb = c.rss_kb("edge-1")
    for v in all_slow.values():
        v.pause()
    for ms in range(0, STALL_MS + 1, 200):
        play.wait_ms(STALL_AT_MS + ms)
        most_kb = max(most_kb, c.rss_kb("edge-1"))
    for v in all_slow.values():
        v.resume()
    play.push.finish()
    most_kb = max(most_kb, c.rss_kb("edge-1"))
    for v in [play.watch, *others, *all_slow.values()]:
        v.wait_over()

    for v in [play.watch, *others]:
        flv.assert_same(play.reference, v.tags, "another viewer")
    growth_kb = most_kb - before_kb
    t.note(f"the edge grew by {growth_kb} kB to {most_kb} kB")
    assert growth_kb < GROWTH_KB or not IS_MEMORY_TRUE, f"the edge grew by {growth_kb} kB"
    missing = {name: assert_went_on_at_a_key_frame(play, v, name)
               for name, v in slow.items()}
    for name, v in slow_ts.items():
        missing[name] = assert_skipped_legally(play, v, name)
    counted = c.metrics("edge-1").sum("weir_edge_skipped_frames_total", reason="lag")
    assert counted == sum(missing.values()), (
        f"{counted} packets are counted as skipped, {missing} were")
    for name, v in all_slow.items():
        logged = logged_skips(c, v)
        assert logged == missing[name], f"{name}: {logged} logged, not {missing[name]}"
    assert "skip" in c.event_names(play.stream), c.event_names(play.stream)


@case
def a_reader_of_one_byte_a_second_is_closed_in_time(t):
    c = t.cluster
    stream = "live/trickle"
    clip = clips.heavy(SECONDS)
    healthy = t.view(stream, edge=1)
    t.push(clip, stream)
    healthy.wait_media()
    constant = healthy.media[0].ms - flv.as_streamed(flv.read(clip))[0].ms
    trickle = t.view(stream, edge=1, receive_bytes=BUFFER_BYTES, bytes_per_read=1,
                     pace_s=1)

    def closed():
        return c.metrics("edge-2").sum("weir_edge_ended_total", reason="slow_viewer")
    wait_for(closed, "the edge to close it", 18)
    took_ms = healthy.tags[-1].ms - constant
    t.note(f"closed after {took_ms / 1000:.1f} s, {trickle.received_bytes} bytes read")
    healthy.wait_over()
    flv.assert_same(flv.read(clip), healthy.tags, "another viewer")
    assert closed() == 1, "a healthy viewer was closed, too"


if __name__ == "__main__":
    main(CLUSTER, at_once=2)
