#!/usr/bin/env python3
"""Viewers of HLS as sessions (hls.session): an address of its own for each, which
every edge knows; counted, listed, kicked, and gone when they ask no more."""

import json
import os
import shutil
import subprocess
import time
import urllib.parse

from lib import clips, flv, hls, ts
from lib.cluster import Cluster
from lib.env import BIN, SLOWER
from lib.weirtest import case, main, wait_for

SETTINGS = {"cluster.fragment_duration_ms": 1000, "cluster.publish_grace_ms": 3000,
            "hls.session": "true", "hls.sub_session_timeout_ms": 4000,
            "limits.viewers_per_stream": 3}
CLUSTER = Cluster(ingest=1, origin=1, edge=2, packager=2, settings=SETTINGS)


def edge(t, number=0):
    return t.cluster.role("edge")[number].addresses["http"]


class Viewer:
    """One address of its own, asked by hand."""

    def __init__(self, t, stream, number=0, query=""):
        self.t, self.number, self.stream = t, number, stream
        answer = hls.ask(edge(t, number), f"/{stream}.m3u8{query}")
        assert answer.status == 302, answer
        assert answer.headers["cache-control"] == "no-store", answer
        self.path = answer.headers["location"]
        assert self.path.startswith("/-/-/"), self.path
        self.id = "HLSSUB" + self.path.split("/")[3].split("-")[0]

    def playlist(self, number=None, **headers):
        return hls.ask(edge(self.t, self.number if number is None else number),
                       self.path, **headers)

    def segment_path(self, number=None):
        """Of the newest one."""
        answer = self.playlist(number)
        assert answer.status == 200, answer
        return urllib.parse.urljoin(self.path,
                                    hls.Playlist(answer.body.decode()).segments[-1].uri)

    def segment(self, path, number=None):
        return hls.ask(edge(self.t, self.number if number is None else number), path)


def begin(t, stream):
    t.push(clips.reference(), stream, "--loop")
    t.cluster.wait_live(stream)


def sessions(t, stream):
    return [s for s in t.cluster.api("/api/v1/sessions")["sessions"]
            if s["stream"] == stream and s["protocol"] == "HLS"]


def wait_ids(t, stream, ids, timeout_s=20):
    wait_for(lambda: {s["session_id"] for s in sessions(t, stream)} == set(ids),
             f"sessions {ids}", timeout_s)


def reason(answer, status):
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json", answer
    return json.loads(answer.body)["error"]


@case
def a_viewer_has_an_address_of_its_own_and_is_a_session(t):
    """As lal shows it: HLSSUB…, HLS, SUB, with the bytes that it got."""
    begin(t, "live/one")
    v = Viewer(t, "live/one", query="?token=1&name=x")
    assert v.path.endswith("/live/one/playlist.m3u8?token=1&name=x"), v.path
    answer = v.playlist()
    assert answer.status == 200, answer
    assert answer.headers["cache-control"] == "private, max-age=1", answer
    assert b"/-/" not in answer.body, answer.body
    zipped = v.playlist(Accept_Encoding="gzip")
    assert zipped.headers["content-encoding"] == "gzip", zipped
    got = len(answer.body) + len(zipped.body)
    path = v.segment_path()
    segment = v.segment(path)
    assert segment.status == 200, segment
    assert segment.headers["cache-control"] == "private, max-age=3600, immutable"
    ts.Parser().feed(segment.body)
    common = hls.ask(edge(t), "/-/live/one/" + path.rpartition("/")[2])
    assert common.body == segment.body and "public" in common.headers["cache-control"]
    wait_ids(t, "live/one", [v.id])
    s = sessions(t, "live/one")[0]
    assert (s["protocol"], s["base_type"], s["skipped"]) == ("HLS", "SUB", 0), s
    assert got + len(segment.body) <= s["wrote_bytes"], (s, got, len(segment.body))
    assert s["remote_addr"].startswith("127.0.0.1:"), s
    sub = t.cluster.group("live/one")["subs"]
    assert [x["session_id"] for x in sub] == [v.id] and sub[0]["protocol"] == "HLS", sub
    assert t.cluster.streams()["live/one"]["viewers"] == 1


@case
def who_is_not_in_any_more_is_gone_after_the_timeout(t):
    begin(t, "live/gone")
    v, once = Viewer(t, "live/gone"), Viewer(t, "live/gone", 1)
    path = v.segment_path()
    assert once.playlist().status == 200
    wait_ids(t, "live/gone", [v.id, once.id])

    def is_alone():
        assert v.segment(path).status == 200  # which is kept long enough for that
        return [s["session_id"] for s in sessions(t, "live/gone")] == [v.id]

    wait_for(is_alone, "who asks for nothing to be gone, and who asks to stay")
    wait_ids(t, "live/gone", [], 20 * SLOWER)
    assert v.playlist().status == 200  # it had only paused
    wait_ids(t, "live/gone", [v.id])


@case
def past_the_limit_the_next_one_is_told_so(t):
    begin(t, "live/full")
    viewers = [Viewer(t, "live/full") for _ in range(3)]
    for v in viewers:
        v.segment(v.segment_path())
    answer = hls.ask(edge(t), "/live/full.m3u8")
    assert reason(answer, 503) == "too_many", answer
    assert b"viewers of this stream" in answer.body, answer
    for _ in range(10):  # who is in stays, and is one
        for v in viewers:
            assert v.playlist().status == 200
    wait_ids(t, "live/full", [v.id for v in viewers])
    out = subprocess.run(["curl", "-sSL", "-w", "\n%{http_code}",
                          f"http://{edge(t)}/live/full.m3u8"],
                         capture_output=True, text=True, check=False).stdout
    assert '"too_many"' in out and out.endswith("503"), out
    t.cluster.api("/api/v1/kick", {"session": viewers[0].id})
    assert Viewer(t, "live/full").playlist().status == 200


@case
def a_kick_ends_a_viewer_at_both_edges(t):
    """By session, address, stream: its next requests are refused within a second,
    also by the edge that did not know it; who comes anew is let in, unless it is
    kept out."""
    begin(t, "live/kick")
    for who in ({"session": None}, {"stream": "live/kick"}, {"stream": "live/kick", "ip": "127.0.0.1"}):
        v = Viewer(t, "live/kick")
        path = v.segment_path()
        assert v.segment(path).status == 200
        who = {k: x or v.id for k, x in who.items()}
        kicked = t.cluster.api("/api/v1/kick", who)["kicked"]
        assert kicked >= 1, kicked
        for number in (0, 1):
            assert reason(v.playlist(number), 403) == "kicked"
            assert reason(v.segment(path, number), 403) == "kicked"
        assert v.id not in [s["session_id"] for s in sessions(t, "live/kick")]
    v = Viewer(t, "live/kick")
    path = v.segment_path(1)
    since = time.monotonic()
    t.cluster.api("/api/v1/kick", {"session": v.id, "ban_ms": 600000})

    def is_out():
        return all(a.status == 403 for a in (v.playlist(0), v.playlist(1),
                                             v.segment(path, 0), v.segment(path, 1)))
    wait_for(is_out, "it to be out")
    assert time.monotonic() - since < 1 * SLOWER, time.monotonic() - since
    lal = Viewer(t, "live/kick")
    assert lal.playlist().status == 200
    said = t.cluster.api("/api/ctrl/kick_session",
                         {"stream_name": "kick", "session_id": lal.id})
    assert said["error_code"] == 0, said
    assert reason(lal.playlist(), 403) == "kicked"


@case
def what_is_no_session_of_ours_is_not_found(t):
    begin(t, "live/forged")
    v = Viewer(t, "live/forged")
    assert v.playlist().status == 200
    token = v.path.split("/")[3]
    for bad in ("x", "", "1-2-0123456789abcdef01234567", token[:-10] + "0" * 10,
                token + "0", "%2e%2e"):
        path = f"/-/-/{bad}/live/forged/playlist.m3u8"
        assert hls.ask(edge(t), path).status == 404, path
        assert hls.ask(edge(t), f"/-/-/{bad}/live/forged/1-00000002-3.ts").status == 404
    other = v.path.replace("live/forged", "live/other")
    assert hls.ask(edge(t), other).status == 404
    assert len(sessions(t, "live/forged")) == 1
    assert hls.ask(edge(t), "/live/nobody.m3u8").status == 404


@case
def who_asks_for_what_is_not_there_is_no_session(t):
    """Players that wait for a stream ask again and again."""
    for _ in range(20):
        assert hls.ask(edge(t), "/live/absent.m3u8").status == 404
    wait_ids(t, "live/absent", [], 2)  # sooner than who asked once


@case
def players_are_one_session_each(t):
    begin(t, "live/players")
    url = f"http://{edge(t)}/live/players.m3u8"
    out = t.file("played.ts")
    play = t.ffmpeg("-re", "-i", url, "-t", 8, "-c", "copy", out, name="ffmpeg-play")
    wait_for(lambda: os.path.exists(out) and os.path.getsize(out) > 100000, "media")
    assert len(sessions(t, "live/players")) == 1, sessions(t, "live/players")
    play.finish()
    assert len(sessions(t, "live/players")) <= 1
    kinds = [p.kind for p in ts.read(out).pes]
    assert len(kinds) > 200, len(kinds)


@case
def a_player_that_looks_first_needs_no_second_place(t):
    """mpv asks for the playlist, and then opens it anew."""
    if not shutil.which("mpv"):
        t.note("mpv is not installed")
        return
    settings = dict(SETTINGS, **{"limits.viewers_per_stream": 1})
    with Cluster(settings=settings) as t.cluster:
        begin(t, "live/looks")
        hls_url = f"http://{edge(t)}/live/looks.m3u8"
        p = t.run("mpv", "--no-config", "--vo=null", "--ao=null", "--length=3",
                  "--msg-level=all=v", hls_url, name="mpv")
        assert p.wait(40) == 0, p.text()[-2000:]
        assert "End of file" in p.text() or "Exiting" in p.text(), p.text()[-2000:]
        starts = t.cluster.log(t.cluster.role("edge")[0].id).count("play.start")
        assert starts == 2, starts
        assert len(sessions(t, "live/looks")) <= 1


@case
def what_is_published_is_exact_by_addresses_of_ones_own(t):
    clip = clips.tiny(1)
    push = t.push(clip, "live/exact")
    t.cluster.wait_live("live/exact")
    players = [hls.Player(edge(t, n), "/live/exact.m3u8") for n in (0, 1)]
    push.finish()
    for p in players:
        t.at_end(p.halt)
        p.wait_over()
        ts.assert_same(flv.read(clip), p.transport_stream().pes)
        p.assert_durations()
    assert players[0].assert_same(players[1]) >= 6


@case
def it_starts_a_pull_and_holds_it(t):
    """As those without a session do; when it is kicked, the pull ends in time."""
    with Cluster(packager=0, settings={"cluster.id": "outside"}) as outside:
        source = t.run(f"{BIN}/weir", "push", "--loop", clips.reference(),
                       outside.publish_url("live/far"), name="source")
        t.at_end(source.kill)
        with Cluster(edge=2, settings=SETTINGS) as t.cluster:
            t.cluster.ask("/api/v1/rules/pull/far", {
                "streams": "live/far", "urls": [outside.rtmp_url("live/far")],
                "auto_stop_ms": 0}, method="PUT")
            player = hls.Player(edge(t), "/live/far.m3u8")
            t.at_end(player.halt)
            player.wait_segments(2)
            assert len(sessions(t, "live/far")) == 1
            assert outside.group("live/far")["subs"], "nobody pulls"
            for count in range(3, 9):  # longer than a session without requests
                player.wait_segments(count)
                assert outside.group("live/far")["subs"], "the pull has ended"
            t.cluster.api("/api/v1/kick", {"stream": "live/far"})
            wait_for(lambda: not outside.group("live/far")["subs"], "the pull to end", 20)


@case
def the_validator_is_content(t):
    begin(t, "live/valid")
    p = t.weir("check-hls", "--for", 7, *[f"http://{edge(t, n)}/live/valid.m3u8"
                                           for n in (0, 1)], name="check-hls")
    assert p.wait(60) == 0, p.text()


@case
def a_viewer_goes_on_at_another_edge(t):
    """Its edge dies: the other one takes it in by its address, and counts it."""
    with Cluster(edge=2, settings=SETTINGS) as t.cluster:
        begin(t, "live/moves")
        v = Viewer(t, "live/moves")
        path = v.segment_path()
        wait_ids(t, "live/moves", [v.id])
        first, second = t.cluster.role("edge")
        other = second.addresses["http"]
        t.cluster.kill(first.id)
        answer = hls.ask(other, v.path)
        assert answer.status == 200, answer
        assert hls.ask(other, path).status == 200
        wait_ids(t, "live/moves", [v.id])
        assert sessions(t, "live/moves")[0]["node"] == second.id


@case
def a_limit_holds_over_both_edges_and_not_against_who_moves(t):
    settings = dict(SETTINGS, **{"limits.viewers_per_stream": 1})
    with Cluster(edge=2, settings=settings) as t.cluster:
        begin(t, "live/single")
        v = Viewer(t, "live/single")
        path = v.segment_path()

        def refused():
            return hls.ask(edge(t, 1), "/live/single.m3u8").status == 503
        wait_for(refused, "the other edge to know of the viewer", 5)
        assert v.playlist(1).status == 200  # a connection may come to any of them
        assert v.segment(path, 1).status == 200
        assert v.playlist(0).status == 200


@case
def a_player_whose_connections_come_to_both_edges_is_one(t):
    """One of the limit, of the counters, of lal's list with the bytes of both."""
    settings = dict(SETTINGS, **{"limits.viewers_per_stream": 2})
    with Cluster(edge=2, settings=settings) as t.cluster:
        begin(t, "live/both")
        v = Viewer(t, "live/both")
        got = 0

        def count():
            return sum(t.cluster.metrics(n.id).sum("weir_edge_viewers", protocol="HLS")
                       for n in t.cluster.role("edge"))

        def play():
            nonlocal got
            for number in (0, 1):
                got += len(v.playlist(number).body)
                got += len(v.segment(v.segment_path(number), number).body)
            return True
        play()
        wait_for(lambda: play() and count() == 1, "it to count once")
        paths = set()
        while len(paths) < 6:  # of a second each: longer than the timeout
            paths.add(v.segment_path())
            play()
            wait_for(lambda: count() == 1, "it to count once again", 2)
        wait_ids(t, "live/both", [v.id])
        assert sum(s["wrote_bytes"] for s in sessions(t, "live/both")) >= got
        subs = t.cluster.group("live/both")["subs"]
        assert [s["session_id"] for s in subs] == [v.id], subs
        assert subs[0]["wrote_bytes_sum"] >= got, (subs, got)
        assert t.cluster.streams()["live/both"]["viewers"] == 1
        other = Viewer(t, "live/both", 1)
        assert other.playlist().status == 200
        wait_ids(t, "live/both", [v.id, other.id])
        wait_ids(t, "live/both", [], 20 * SLOWER)
        for n in t.cluster.role("edge"):  # each says once that it came, and went
            said = [line.split()[2] for line in t.cluster.log(n.id).splitlines()
                    if f"session={v.id} " in line]
            assert said == ["play.start", "play.end"], (n.id, said)


@case
def at_its_limit_of_bytes_an_edge_keeps_who_is_in(t):
    settings = dict(SETTINGS, **{"limits.out_bps": 1000000,
                                 "limits.viewers_per_stream": 0})
    with Cluster(settings=settings) as t.cluster:
        begin(t, "live/heavy")
        v = Viewer(t, "live/heavy")
        path = v.segment_path()

        def is_full():
            for _ in range(20):
                assert v.segment(path).status == 200
            answer = hls.ask(edge(t), "/live/heavy.m3u8")
            return answer.status != 302 and answer
        assert reason(wait_for(is_full, "the edge to be full"), 503) == "overloaded"
        assert v.playlist().status == 200


@case
def flooded_with_viewers_that_never_come_again_memory_stays(t):
    settings = dict(SETTINGS, **{"limits.viewers_per_stream": 0, "edge.viewers_max": 200})
    with Cluster(packager=1, settings=settings) as t.cluster:
        begin(t, "live/flood")
        first = Viewer(t, "live/flood")
        assert first.playlist().status == 200
        statuses = [hls.ask(edge(t), "/live/flood.m3u8").status for _ in range(300)]
        assert statuses.count(302) == 199 and statuses.count(503) == 101, statuses
        for _ in range(3):
            assert first.playlist().status == 200
        wait_for(lambda: len(sessions(t, "live/flood")) <= 1, "them to be gone", 30)
        assert Viewer(t, "live/flood").playlist().status == 200


@case
def without_the_setting_addresses_are_those_of_all(t):
    with Cluster(edge=1, packager=1,
                 settings={"cluster.fragment_duration_ms": 1000}) as t.cluster:
        begin(t, "live/off")
        answer = wait_for(lambda: (a := hls.ask(edge(t), "/live/off.m3u8")).status == 200
                          and a, "a playlist")
        assert b"\n/-/live/off/" in answer.body, answer
        assert not sessions(t, "live/off")
        # An address of before a restart still leads to the stream.
        path = "/-/-/1-2-0123456789abcdef01234567/live/off/playlist.m3u8"
        assert hls.ask(edge(t), path).body.startswith(b"#EXTM3U"), path


if __name__ == "__main__":
    main(CLUSTER, at_once=4)
