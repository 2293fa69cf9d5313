#!/usr/bin/env python3
"""Live HLS: exact, the same from every packager, whole over returns and deaths;
and what the edges' cache makes of many who ask."""

import signal

from lib import clips, flv, hls, hls_story, ts
from lib.cluster import Cluster
from lib.crowd import Crowd, raise_file_limit
from lib.weirtest import case, main, wait_for

SETTINGS = {"cluster.fragment_duration_ms": 1000, "cluster.publish_grace_ms": 3000}
CLUSTER = Cluster(ingest=2, origin=2, edge=2, packager=2, settings=SETTINGS)


def path_of(stream):
    return f"/{stream}.m3u8"


def edge(t, number=0):
    return t.cluster.role("edge")[number].addresses["http"]


def packager(t, number=0):
    return t.cluster.role("packager")[number].addresses["http"]


def play(t, address, stream):
    player = hls.Player(address, path_of(stream))
    t.at_end(player.halt)
    return player


def wait_playlist(t, address, stream):
    """The playlist, once there is one."""
    def ready():
        answer = hls.ask(address, path_of(stream))
        return answer.status == 200 and answer
    return wait_for(ready, f"a playlist of {stream}")


def metric(t, role, name):
    return t.cluster.total(role, name)


# ---- what is in it


@case
def a_pushed_file_is_exact_in_segments(t):
    """Access units, order and times; from an edge and from a packager; and ENDLIST
    only when the grace is over."""
    clip = clips.reference()
    push = t.push(clip, "live/exact")
    t.cluster.wait_live("live/exact")
    players = [play(t, edge(t), "live/exact"), play(t, packager(t), "live/exact"),
               play(t, packager(t, 1), "live/exact")]
    push.finish()
    for p in players:
        p.wait_over()
        ts.assert_same(flv.read(clip), p.transport_stream().pes)
        p.assert_durations()
        assert len(p.playlists) > 6
    assert players[0].assert_same(players[1]) >= 11
    assert players[1].assert_same(players[2]) >= 11
    assert players[0].playlists[-1].text == players[1].playlists[-1].text


@case
def ffmpeg_publishes_and_plays(t):
    push = t.ffmpeg_push(clips.reference(), "live/ffmpeg")
    t.cluster.wait_live("live/ffmpeg")
    wait_playlist(t, edge(t), "live/ffmpeg")
    out = t.file("played.ts")
    play_ = t.ffmpeg("-i", f"http://{edge(t)}/hls/ffmpeg.m3u8", "-t", 4, "-c", "copy",
                     out, name="ffmpeg-play")
    play_.finish()
    kinds = [p.kind for p in ts.read(out).pes]
    assert kinds.count(flv.VIDEO) >= 100 and flv.AUDIO in kinds
    push.kill()


@case
def sound_alone_is_cut_too(t):
    clip = clips.audio_only()
    push = t.push(clip, "live/sound")
    t.cluster.wait_live("live/sound")
    player = play(t, edge(t), "live/sound")
    push.finish()
    player.wait_over()
    ts.assert_same(flv.read(clip), player.transport_stream().pes)
    assert len(player.bodies) >= 5


@case
def h265_is_exact_too(t):
    clip = clips.hevc()
    push = t.push(clip, "live/hevc")
    t.cluster.wait_live("live/hevc")
    player = play(t, edge(t, 1), "live/hevc")
    push.finish()
    player.wait_over()
    ts.assert_same(flv.read(clip), player.transport_stream().pes)


@case
def a_publisher_returns(t):
    """One playlist goes on, with a discontinuity; everything is there, and dates and
    durations fit."""
    players = [play(t, edge(t), "live/return"), play(t, packager(t), "live/return"),
               play(t, packager(t, 1), "live/return")]
    for p in players:  # they came too early
        wait_for(lambda p=p: p.fault, "a refusal")
        assert "404" in str(p.fault), p.fault
    first = t.push(clips.tiny(1), "live/return")
    t.cluster.wait_live("live/return")
    players = [play(t, edge(t), "live/return"), play(t, packager(t), "live/return"),
               play(t, packager(t, 1), "live/return")]
    first.finish()
    t.push(clips.tiny(2), "live/return", ingest=1).finish()
    for p in players:
        p.wait_over()
        numbers = sorted({s.discontinuity for s in p.segments.values()})
        assert len(numbers) == 2 and numbers[1] == numbers[0] + 1, numbers
        assert p.numbers == list(range(p.numbers[0], p.numbers[-1] + 1)), p.numbers
        p.assert_durations()
        for clip, discontinuity in ((clips.tiny(1), numbers[0]), (clips.tiny(2), numbers[1])):
            parser = ts.Parser()
            for n in p.numbers:
                if p.segments[n].discontinuity == discontinuity:
                    parser.feed(p.bodies[n])
            ts.assert_same(flv.read(clip), parser.end().pes)
        assert any("#EXT-X-DISCONTINUITY\n" in q.text for q in p.playlists)
    assert players[0].assert_same(players[1]) > 10
    assert players[1].assert_same(players[2]) > 10


# ---- by HTTP


@case
def requests_are_answered_as_they_should_be(t):
    t.push(clips.reference(), "live/asked")
    for address in (edge(t), packager(t)):
        t.cluster.wait_live("live/asked")
        check_playlist(wait_playlist(t, address, "live/asked"), address)
        check_segment(address, hls.Playlist(
            wait_playlist(t, address, "live/asked").body.decode()).segments[-1].uri)
        check_refusals(address)
        for alias in ("/hls/asked.m3u8", "/hls/asked/playlist.m3u8", "/asked.m3u8"):
            assert hls.ask(address, alias).status == 200, alias


def check_playlist(answer, address):
    assert answer.headers["content-type"] == hls.TYPE, answer
    assert answer.headers["cache-control"] == "max-age=1", answer
    small = hls.ask(address, "/live/asked.m3u8", Accept_Encoding="br, gzip;q=0.5")
    assert small.headers["content-encoding"] == "gzip", small
    assert hls.unzip(small).startswith(b"#EXTM3U\n")
    head = hls.ask(address, "/live/asked.m3u8", "HEAD")
    assert head.status == 200 and not head.body and int(head.headers["content-length"])
    page = hls.ask(address, "/live/asked.m3u8", Origin="http://page.example")
    assert page.headers["access-control-allow-origin"] == "http://page.example", page


def check_segment(address, uri):
    whole = hls.ask(address, uri)
    assert whole.status == 200 and whole.headers["content-type"] == "video/mp2t", whole
    assert whole.headers["cache-control"] == "public, max-age=3600, immutable", whole
    size = len(whole.body)
    head = hls.ask(address, uri, "HEAD")
    assert head.status == 200 and head.headers["content-length"] == str(size), head
    for asked, first, last in (("bytes=0-0", 0, 0), ("bytes=188-375", 188, 375),
                               ("bytes=-100", size - 100, size - 1),
                               (f"bytes=10-{size * 2}", 10, size - 1)):
        part = hls.ask(address, uri, Range=asked)
        assert part.status == 206, (asked, part)
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}", part
        assert part.body == whole.body[first:last + 1], asked
    beyond = hls.ask(address, uri, Range=f"bytes={size}-")
    assert beyond.status == 416 and beyond.headers["content-range"] == f"bytes */{size}"
    for odd in ("bytes=5-2", "bytes=0-1,4-5", "lines=1-2", "bytes=x-"):
        assert hls.ask(address, uri, Range=odd).body == whole.body, odd
    again = hls.ask(address, uri, If_None_Match=whole.headers["etag"])
    assert again.status == 304 and not again.body, again


def check_refusals(address):
    for path in ("/live/nobody.m3u8", "/hls/asked/record.m3u8", "/-/live/asked/x.ts",
                 "/-/live/asked/1-00000000-1.ts", "/-/live/nobody/1-00000000-1.ts",
                 "/live/../asked.m3u8", "/-/", "/hls/.m3u8"):
        answer = hls.ask(address, path)
        assert answer.status == 404, (path, answer)
        assert answer.headers["cache-control"] == "no-store", (path, answer)
        assert b'"desp"' in answer.body, (path, answer)


@case
def the_first_request_waits_for_the_first_segment(t):
    """hls.js does not ask again after a 404."""
    t.push(clips.reference(), "live/held")
    t.cluster.wait_live("live/held")
    held = [hls.ask(edge(t, 1), path_of("live/held")), hls.ask(packager(t), path_of("live/held"))]
    # A packager that has not heard of it yet says 503, of which players know.
    for answer in held:
        assert answer.status in (200, 503), answer
    assert held[0].status == 200, held[0]
    soon = hls.ask(packager(t), path_of("live/held") + "?wait=0")
    assert soon.status == 200, soon


@case
def a_thousand_ask_and_the_packagers_are_asked_once(t):
    raise_file_limit()
    with Cluster(packager=2, settings=SETTINGS) as t.cluster:
        push = t.push(clips.reference(20), "live/crowd")
        t.cluster.wait_live("live/crowd")
        text = wait_playlist(t, packager(t), "live/crowd").body.decode()
        uri = hls.Playlist(text).segments[0].uri
        before = metric(t, "packager", "weir_packager_segment_requests_total")
        crowd = Crowd()
        t.at_end(crowd.close)
        words = f"GET {uri} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        crowd.add("fetch", edge(t), 1000, words)
        assert not crowd.wait_closed(60)
        asked = metric(t, "packager", "weir_packager_segment_requests_total") - before
        assert asked == 1, f"{asked} requests reached the packagers"
        assert metric(t, "edge", "weir_edge_segment_requests_total") == 1000
        push.kill()


# ---- deaths


def restart_packager(t, id_):
    before = address_of(t, id_)
    hls_story.start_packager(t, id_, "127.0.0.1:0")
    return wait_for(lambda: address_of(t, id_) not in (None, before) and address_of(t, id_),
                    f"{id_} to be back")


def address_of(t, id_):
    for node in t.cluster.api("/api/nodes")["nodes"]:
        if node["id"] == id_:
            return node["addresses"].get("http")
    return None


@case
def a_packager_is_killed_in_mid_segment_and_comes_back(t):
    with Cluster(origin=2, packager=2, settings=SETTINGS) as t.cluster:
        clip = clips.reference(20)
        push = t.push(clip, "live/killed")
        t.cluster.wait_live("live/killed")
        addresses = [packager(t), packager(t, 1)]
        stays = play(t, addresses[0], "live/killed")
        viewer = play(t, edge(t), "live/killed")
        victim = play(t, addresses[1], "live/killed")
        for p in (stays, victim):
            p.wait_segments(5)
        t.cluster.kill("packager-2")
        victim.stop()
        back = play(t, restart_packager(t, "packager-2"), "live/killed")
        push.finish()
        for p in (stays, viewer, back):
            p.wait_over()
        assert back.playlists[0].sequence <= stays.playlists[-1].sequence
        for p in (stays, viewer):
            ts.assert_same(flv.read(clip), p.transport_stream().pes)
        assert stays.assert_same(victim) >= 4
        same = stays.assert_same(back)
        assert same >= 10, same
        t.note(f"the restarted one began with {len(back.playlists[0].segments)} segments")
        assert stays.playlists[-1].text == back.playlists[-1].text


@case
def the_home_dies_and_no_segment_lacks_anything(t):
    with Cluster(origin=2, packager=2, settings=SETTINGS) as t.cluster:
        clip = clips.reference(20)
        push = t.push(clip, "live/moved")
        t.cluster.wait_live("live/moved")
        players = [play(t, packager(t), "live/moved"), play(t, packager(t, 1), "live/moved"),
                   play(t, edge(t), "live/moved")]
        players[0].wait_segments(4)
        home = t.cluster.streams()["live/moved"]["home"]
        t.cluster.kill(home)
        push.finish()
        for p in players:
            p.wait_over()
            ts.assert_same(flv.read(clip), p.transport_stream().pes)
            p.assert_durations()
        assert players[0].assert_same(players[1]) >= 19
        assert players[0].assert_same(players[2]) >= 19


@case
def a_window_that_the_home_no_longer_has_comes_from_the_sibling(t):
    settings = {**SETTINGS, "origin.retain_ms": 1500}
    with Cluster(packager=2, settings=settings) as t.cluster:
        push = t.push(clips.reference(30), "live/copied")
        t.cluster.wait_live("live/copied")
        addresses = [packager(t), packager(t, 1)]
        stays = play(t, addresses[0], "live/copied").wait_segments(8)
        t.cluster.kill("packager-2")
        back = play(t, restart_packager(t, "packager-2"), "live/copied").wait_segments(8)
        assert len(back.playlists[0].segments) >= 6, back.playlists[0].text
        removed = stays.segments[stays.playlists[-1].sequence - 1]
        again = hls.ask(back.address(), removed.uri)
        assert again.status == 200 and again.body == stays.bodies[removed.number], again
        node = next(n for n in t.cluster.api("/api/nodes")["nodes"] if n["id"] == "packager-2")
        text = hls.ask(node["addresses"]["admin"], "/metrics").body.decode()
        copied = [l for l in text.splitlines()
                  if l.startswith("weir_packager_segments_copied_total")]
        assert int(copied[0].split()[1]) >= 3, copied
        push.kill()
        stays.stop()
        back.stop()
        assert stays.assert_same(back) >= 6


@case
def a_packager_that_is_frozen_makes_nobody_wait(t):
    """The edge goes down its list; and never shows an older playlist when the frozen
    one wakes."""
    with Cluster(packager=2, edge=1, settings=SETTINGS) as t.cluster:
        clip = clips.reference(20)
        push = t.push(clip, "live/frozen")
        t.cluster.wait_live("live/frozen")
        viewer = play(t, edge(t), "live/frozen").wait_segments(3)
        for id_ in ("packager-1", "packager-2"):
            t.cluster.kill(id_, signal.SIGSTOP)
            viewer.wait_segments(len(viewer.bodies) + 3)
            t.cluster.kill(id_, signal.SIGCONT)
        push.finish()
        viewer.wait_over()
        ts.assert_same(flv.read(clip), viewer.transport_stream().pes)


@case
def the_validator_stays_quiet_over_returns_and_deaths(t):
    """The short form of `make soak-hls`."""
    hls_story.tell(t, 40, 12, SETTINGS)


# ---- on demand


@case
def on_demand_nothing_is_made_that_nobody_fetches(t):
    settings = {**SETTINGS, "hls.mode": "on_demand", "hls.sub_session_timeout_ms": 1000}
    with Cluster(packager=1, settings=settings) as t.cluster:
        push = t.push(clips.reference(30), "live/demand")
        t.cluster.wait_live("live/demand")
        viewer = t.view("live/demand")
        viewer.wait_after(2500)
        assert metric(t, "packager", "weir_packager_segments_total") == 0
        player = play(t, edge(t), "live/demand").wait_segments(4)
        assert metric(t, "packager", "weir_packager_segments_total") > 0
        player.stop()
        wait_for(lambda: metric(t, "packager", "weir_packager_segment_bytes") == 0
                 or nothing_is_made(t), "it to be made no more")
        again = play(t, edge(t), "live/demand").wait_segments(2)
        push.kill()
        again.stop()


def nothing_is_made(t):
    before = metric(t, "packager", "weir_packager_segments_total")
    frames = metric(t, "packager", "weir_packager_frames_total")
    wait_for(lambda: metric(t, "packager", "weir_packager_frames_total") > frames + 150,
             "frames to come")
    return metric(t, "packager", "weir_packager_segments_total") == before


if __name__ == "__main__":
    main(CLUSTER, at_once=2)
