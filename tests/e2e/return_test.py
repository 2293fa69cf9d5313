#!/usr/bin/env python3
"""A publisher leaves and comes back, another one wants its name: viewers stay, or
are told in order; time never goes back; `weir explain` knows why."""

import signal

from lib import clips, flv, framehash
from lib.weirtest import Cluster, case, main, wait_for

GRACE_MS = 3000
SETTINGS = {"cluster.publish_grace_ms": GRACE_MS}
CLUSTER = Cluster(ingest=2, settings=SETTINGS)
FIRST, SECOND = 1, 2  # numbers of tiny clips


def reference(number):
    return flv.as_streamed(flv.read(clips.tiny(number)))


def parts(viewer):
    """What it got of the first publisher, and of the one that came then."""
    begin = flv.find(viewer.media, reference(SECOND)[0])
    assert begin is not None, f"nothing came of the second one: {viewer.media[-3:]}"
    return viewer.media[:begin], viewer.media[begin:]


def assert_goes_on(viewer, name="", first=None):
    """Some of the first and all of the second, each exact, and time goes on."""
    old, new = parts(viewer)
    first = flv.read(first or clips.tiny(FIRST))
    flv.assert_same(first, old, f"{name} before", to_end=False)
    flv.assert_same(flv.read(clips.tiny(SECOND)), new, f"{name} behind")
    flv.assert_time_never_goes_back(viewer.tags, name)
    step_ms = new[0].ms - max(t.ms for t in old)
    assert 0 <= step_ms <= 200, f"{name}: the second begins {step_ms} ms later"


def epoch(t, stream):
    return t.cluster.streams()[stream]["epoch"]


def wait_lost(t, stream):
    wait_for(lambda: t.cluster.streams().get(stream, {}).get("live") is False,
             f"{stream} to have lost its publisher")


def viewers_of(t, stream):
    return {"FLV": t.view(stream), "RTMP": t.view_rtmp(stream)}


def go_away_and_come_back(t, stream, leave, ingests=(None, None)):
    """By the door of all, or to one ingest and back to another."""
    viewers = viewers_of(t, stream)
    player = framehash.play(t, t.cluster.flv_url(stream))
    push = t.push(clips.tiny(FIRST), stream, ingest=ingests[0])
    for v in viewers.values():
        v.wait_after(2500)
    before = epoch(t, stream)
    leave(push)
    wait_lost(t, stream)
    assert not any(v.is_over.is_set() for v in viewers.values()), "a viewer was closed"
    t.push(clips.tiny(SECOND), stream, ingest=ingests[1]).finish()
    assert epoch(t, stream) == before + 1, f"{before} became {epoch(t, stream)}"
    for name, v in viewers.items():
        v.wait_over()
        assert_goes_on(v, name=name)
    player.finish()
    assert "monoton" not in player.text(), player.text()
    digests = [d for _, _, d in framehash.read(player.file)[flv.VIDEO]]
    want = [r.digest for r in reference(SECOND) if r.type == flv.VIDEO]
    assert digests[-len(want):] == want, "the player did not go on"
    names = t.cluster.event_names(stream)
    assert names.count("claim.granted") == 2, names


@case
def it_leaves_in_order_and_comes_back(t):
    go_away_and_come_back(t, "live/leaves", lambda push: push.stop())


@case
def it_is_killed_and_comes_back_at_another_ingest(t):
    go_away_and_come_back(t, "live/killed", lambda push: push.kill(), (0, 1))


@case
def it_does_not_come_back_and_viewers_are_told(t):
    viewers = viewers_of(t, "live/gone")
    push = t.push(clips.tiny(FIRST), "live/gone")
    for v in viewers.values():
        v.wait_after(1500)
    push.stop()
    wait_lost(t, "live/gone")
    at = max(v.tags[-1].at for v in viewers.values())
    for v in viewers.values():
        v.wait_over()
        assert v.error is None, v.error
    waited_ms = (viewers["FLV"].over_at - at) * 1000
    assert waited_ms > GRACE_MS - 200, f"closed after {waited_ms:.0f} ms"
    codes = [s[1] for s in viewers["RTMP"].status]
    assert codes[-1] == "NetStream.Play.UnpublishNotify", codes
    assert "stream.ended" in t.cluster.event_names("live/gone")


@case
def a_second_live_publisher_is_refused_in_words(t):
    viewer = t.view("live/busy")
    clip = clips.tiny(FIRST)
    push = t.push(clip, "live/busy", ingest=0)
    viewer.wait_after(1000)
    second = t.try_push(clips.tiny(SECOND), "live/busy", ingest=1)
    assert second.wait() == 3, second.text()
    assert "NetStream.Publish.BadName" in second.text(), second.text()
    assert "another publisher is live" in second.text(), second.text()
    encoder = t.ffmpeg_push(clips.tiny(SECOND), "live/busy")
    assert encoder.wait() != 0, "ffmpeg was let in"
    explained = t.weir("explain", "--api", t.cluster.told["api"], "--token",
                       t.cluster.told["token"], "live/busy").finish().text()
    assert "claim.refused" in explained, explained
    assert "another publisher is live on this stream" in explained, explained
    push.finish()
    viewer.wait_over()
    flv.assert_same(flv.read(clip), viewer.tags, "a viewer of the first")


@case
def a_second_publisher_takes_over_when_so_set(t):
    with Cluster(ingest=2, packager=0, settings={
            **SETTINGS, "cluster.publish_conflict": "take_over"}) as t.cluster:
        viewers = viewers_of(t, "live/taken")
        push = t.push(clips.tiny(FIRST), "live/taken", ingest=0)
        for v in viewers.values():
            v.wait_after(2500)
        t.push(clips.tiny(SECOND), "live/taken", ingest=1).finish()
        assert push.wait() == 3, push.text()
        assert "a newer publisher took the stream over" in push.text(), push.text()
        for name, v in viewers.items():
            v.wait_over()
            assert_goes_on(v, name=name)
        reasons = [e["reason"] for e in t.cluster.events("live/taken")]
        assert "taken_over" in reasons, t.cluster.events("live/taken")
        t.cluster.stop()


@case
def its_ingest_dies_and_another_takes_it(t):
    with Cluster(ingest=2, packager=0, settings=SETTINGS) as t.cluster:
        viewers = viewers_of(t, "live/homeless")
        push = t.push(clips.tiny(FIRST), "live/homeless", ingest=0)
        for v in viewers.values():
            v.wait_after(2500)
        t.cluster.kill("ingest-1")
        assert push.wait() != 0, "it did not notice"
        t.push(clips.tiny(SECOND), "live/homeless").finish()
        for name, v in viewers.items():
            v.wait_over()
            assert_goes_on(v, name=name)
        assert "writer.lost" in t.cluster.event_names("live/homeless")
        t.cluster.stop()


@case
def a_frozen_publisher_may_be_displaced(t):
    """It is stopped, not dead: its connection stands and nothing comes."""
    viewer = t.view("live/frozen")
    long = clips.tiny(FIRST, 40)
    push = t.push(long, "live/frozen", ingest=0)
    viewer.wait_after(2500)
    push.send_signal(signal.SIGSTOP)
    wait_for(lambda: t.try_push(clips.tiny(SECOND), "live/frozen", ingest=1).wait() == 0,
             "another one to be let in", 30)
    push.send_signal(signal.SIGCONT)
    assert push.wait() != 0, push.text()
    t.note(f"it was told: {push.text().splitlines()[-2]}")
    viewer.wait_over()
    assert_goes_on(viewer, first=long)


if __name__ == "__main__":
    main(CLUSTER, at_once=7)
