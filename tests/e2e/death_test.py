#!/usr/bin/env python3
"""A process is killed in the middle of everything, and viewers do not notice: no
packet is lost, none comes twice, no connection ends."""

import signal

from lib import clips, flv
from lib.weirtest import Cluster, case, main, wait_for

STREAMS = 6
SECONDS = 12
SETTINGS = {"cluster.publish_grace_ms": 1000}
PUT_OFF = {"bus.flush_ms": 3, "bus.flush_busy_percent": 0}


def clip_of(i):
    return clips.reference(SECONDS) if i < 2 else clips.tiny(i, SECONDS)


def stream_of(i):
    return f"live/death{i}"


class Load:
    """Streams with two viewers each, at both edges and in both forms."""

    def __init__(self, t):
        self.t = t
        self.viewers = []
        for i in range(STREAMS):
            self.view(i, t.view, edge=0)
            self.view(i, t.view_rtmp, edge=1)
        self.pushes = [t.push(clip_of(i), stream_of(i), ingest=i % 2)
                       for i in range(STREAMS)]
        for _, v in self.viewers:
            v.wait_media()

    def view(self, i, how, **options):
        viewer = how(stream_of(i), **options)
        self.viewers.append((i, viewer))
        return viewer

    def wait_after(self, ms):
        for _, v in self.viewers:
            v.wait_after(ms)

    def assert_exact_to_the_end(self):
        for push in self.pushes:
            push.finish()
        for i, v in self.viewers:
            v.wait_over()
            assert v.error is None, f"{stream_of(i)}: {v.error}"
            flv.assert_same(flv.read(clip_of(i)), v.tags, f"{stream_of(i)}")

    def longest_pause_ms(self):
        """Between two packets of the first stream, which are 23 ms apart at most."""
        pauses = [b.at - a.at for i, v in self.viewers if i == 0
                  for a, b in zip(v.media, v.media[1:])]
        return max(pauses) * 1000


def homes(t):
    return {key: s["home"] for key, s in t.cluster.streams().items()}


def home_dies(t, **settings):
    with Cluster(ingest=2, origin=2, edge=2, settings={**SETTINGS, **settings}) as t.cluster:
        load = Load(t)
        load.wait_after(3000)
        before = homes(t)
        victim = before[stream_of(0)]
        moved = [key for key, home in before.items() if home == victim]
        t.cluster.kill(victim)
        wait_for(lambda: all(home != victim for home in homes(t).values()),
                 "all streams to have another home")
        load.assert_exact_to_the_end()
        t.note(f"{len(moved)} of {len(before)} streams moved; longest pause "
               f"{load.longest_pause_ms():.0f} ms")
        events = t.cluster.event_names(moved[0])
        assert "home.lost" in events, events
        t.cluster.stop()


@case
def the_home_of_streams_dies_under_load(t):
    home_dies(t)


@case
def the_home_dies_where_writes_are_put_off(t):
    home_dies(t, **PUT_OFF)


@case
def one_origin_after_the_other_dies(t):
    """Twice in one stream's life, the second time at the home that it got then."""
    with Cluster(ingest=2, origin=3, edge=2, packager=0,
                 settings=SETTINGS) as t.cluster:
        load = Load(t)
        for ms in (2500, 6500):
            load.wait_after(ms)
            t.cluster.kill(homes(t)[stream_of(0)])
        load.assert_exact_to_the_end()
        t.note(f"longest pause {load.longest_pause_ms():.0f} ms")
        t.cluster.stop()


@case
def dispatch_and_the_registry_die(t):
    """Running streams go on; who comes then is served all the same."""
    with Cluster(ingest=2, origin=2, edge=3, settings=SETTINGS) as t.cluster:
        load = Load(t)
        load.wait_after(2000)
        t.cluster.kill("dispatch-1")
        load.wait_after(3500)
        t.cluster.kill_redis()
        load.wait_after(5500)
        load.view(0, t.view, edge=0).wait_media()  # the edge has the stream
        load.view(0, t.view, edge=2).wait_media()  # the edge never had it
        load.view(3, t.view_rtmp, edge=2).wait_media()
        load.assert_exact_to_the_end()
        t.note(f"longest pause {load.longest_pause_ms():.0f} ms")
        t.cluster.assert_all_alive()


@case
def the_registry_dies_and_another_publisher_comes(t):
    """Claims are made with the home then."""
    with Cluster(origin=2, packager=0, settings=SETTINGS) as t.cluster:
        first = t.view("live/before")
        push = t.push(clips.tiny(1), "live/before")
        first.wait_after(1000)
        t.cluster.kill_redis()
        viewer = t.view("live/behind")
        t.push(clips.tiny(2), "live/behind").finish()
        push.finish()
        for number, v in ((1, first), (2, viewer)):
            v.wait_over()
            flv.assert_same(flv.read(clips.tiny(number)), v.tags)


@case
def a_home_that_is_frozen_is_left_and_does_no_harm_when_it_wakes(t):
    with Cluster(origin=2, edge=2, packager=0, settings=SETTINGS) as t.cluster:
        stream, clip = "live/asleep", clips.reference(SECONDS)
        viewers = [t.view(stream, edge=0), t.view_rtmp(stream, edge=1)]
        push = t.push(clip, stream)
        for v in viewers:
            v.wait_after(2500)
        victim = homes(t)[stream]
        t.cluster.kill(victim, signal.SIGSTOP)
        wait_for(lambda: homes(t)[stream] != victim, "another home")
        for v in viewers:
            v.wait_after(6000)
        t.cluster.kill(victim, signal.SIGCONT)
        push.finish()
        for v in viewers:
            v.wait_over()
            flv.assert_same(flv.read(clip), v.tags)
        pause = max(b.at - a.at for v in viewers for a, b in zip(v.media, v.media[1:]))
        t.note(f"longest pause {pause * 1000:.0f} ms")
        t.cluster.stop()


@case
def without_any_dispatch_streams_are_placed_and_found(t):
    with Cluster(origin=2, edge=2, dispatch=0, packager=0,
                 settings=SETTINGS) as t.cluster:
        watched = [(i, t.view(f"live/placed{i}", edge=i % 2)) for i in range(1, 5)]
        for i, _ in watched:
            t.push(clips.tiny(i), f"live/placed{i}")
        for i, v in watched:
            v.wait_over()
            flv.assert_same(flv.read(clips.tiny(i)), v.tags)
        t.cluster.stop()


@case
def an_edge_that_is_frozen_catches_up(t):
    """It was away for 3 s: its viewers go on, at worst at a newer key frame, and
    never backwards."""
    with Cluster(edge=2, packager=0, settings=SETTINGS) as t.cluster:
        stream, clip = "live/frozen", clips.reference(SECONDS)
        frozen, healthy = t.view(stream, edge=0), t.view(stream, edge=1)
        t.push(clip, stream)
        healthy.wait_after(3000)
        t.cluster.kill("edge-1", signal.SIGSTOP)
        healthy.wait_after(6000)
        t.cluster.kill("edge-1", signal.SIGCONT)
        for v in (frozen, healthy):
            v.wait_over()
            flv.assert_time_never_goes_back(v.tags)
        flv.assert_same(flv.read(clip), healthy.tags, "at the other edge")
        want = flv.as_streamed(flv.read(clip))
        assert flv.is_same(frozen.media[-1], want[-1]), "its viewer did not go on"
        lost = len(want) - len(frozen.media)
        t.note(f"{lost} packets skipped")


if __name__ == "__main__":
    main(at_once=4)
