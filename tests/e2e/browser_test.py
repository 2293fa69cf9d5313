#!/usr/bin/env python3
"""Chromium plays, by the players that people build pages with."""

# serial: dropped frames are counted

import json
import time
import urllib.request

from lib import clips
from lib.browser import Browser, serve_players
from lib.env import SLOWER
from lib.weirtest import Cluster, case, main, wait_for

CLUSTER = Cluster(settings={"cluster.publish_grace_ms": 5000,
                            "cluster.fragment_duration_ms": 2000})
CLIP_S = 130  # 12 bits of numbers last for 163 s
WATCH_S, GROWN_S, TRIES = 30, 28, 3
AWAY_S, AWAY_GROWN_S = 20, 18
DELAY_S = 3
DROPPED = 0.01 * SLOWER  # decoded by the same processors
# Chromium draws this page 30 times a second (requestAnimationFrame). Of 30 pictures
# a second those of one player come just when it draws, for tens of seconds until its
# clock has moved on, and each third is dropped; of 25 none is, however they come.
FPS = 25
SEGMENTS = 4  # Chromium itself needs three to begin, shaka to keep its distance


class Publisher:
    """Publishes pictures with numbers, and knows which of them is new."""

    def __init__(self, t, stream):
        self.t, self.stream = t, stream
        self.start()

    def start(self):
        self.push = self.t.push(clips.counted(CLIP_S, FPS), self.stream)
        self.start_ms = time.time() * 1000

    def delay_s(self, look):
        """How old the picture is that is shown."""
        return (look["at_ms"] - self.start_ms) / 1000 - look["number"] / FPS


def grown_s(seen, name):
    return seen[-1][name]["time_s"] - seen[0][name]["time_s"]


def assert_no_errors(seen):
    wrong = {name: look["errors"] for name, look in seen[-1].items() if look["errors"]}
    assert not wrong, wrong


def figures(publisher, seen, name):
    """What 30 s of a player were like, and what was wrong with them."""
    first, last, grown = seen[0][name], seen[-1][name], grown_s(seen, name)
    frames = last["frames"] - first["frames"]
    dropped = (last["dropped"] - first["dropped"]) / max(frames, 1)
    delay = max((publisher.delay_s(s[name]) for s in seen
                 if s[name]["number"] is not None), default=None)
    told = (f"{name}: {grown:.1f} s, {dropped:.2%} of {frames} dropped, "
            f"delay {'unknown' if delay is None else f'{delay:.1f} s'}")
    is_right = (grown >= GROWN_S and frames > WATCH_S * FPS * 0.9 and dropped < DROPPED
                and ("flv" not in name or delay < DELAY_S))
    return told, is_right


def watch_well(t, page, publisher):
    """Watch all players for WATCH_S; again when the figures are not right, for what
    else runs on the machine costs frames, too."""
    for left in reversed(range(TRIES)):
        seen = page.call("watch(GIVEN)", WATCH_S)["seen"]
        with open(f"{t.logs}/seen-{left}.json", "w", encoding="utf-8") as f:
            json.dump(seen, f)
        assert_no_errors(seen)
        told = [figures(publisher, seen, name) for name in seen[0]]
        if all(is_right for _, is_right in told):
            break
        t.note("not at once")
    for text, _ in told:
        t.note(text)
    wrong = [text for text, is_right in told if not is_right]
    assert not wrong, wrong


def assert_played_on(t, seen):
    """For AWAY_S, in which the publisher was away for a second."""
    assert_no_errors(seen)
    for name, last in seen[-1].items():
        grown = grown_s(seen, name)
        t.note(f"{name} over an absence: {grown:.1f} s")
        assert grown >= AWAY_GROWN_S, f"{name} grew by {grown:.1f} s over an absence"
        assert len(last["ranges"]) == 1, (name, last["ranges"])


def players(page, http, stream):
    """(name, kind, address) of what plays side by side."""
    ws = http.replace("http", "ws", 1)
    native = [("native HLS", "native", f"{http}/{stream}.m3u8")]
    return (native if page.call("canPlayHls()") else []) + [
        ("flv", "flv", f"{http}/{stream}.flv"),
        ("ws-flv", "flv", f"{ws}/{stream}.flv"),
        ("ts", "mpegts", f"{http}/{stream}.ts"),
        ("ws-ts", "mpegts", f"{ws}/{stream}.ts"),
        ("hls.js", "hls", f"{http}/{stream}.m3u8"),
        ("shaka", "shaka", f"{http}/{stream}.m3u8"),
    ]


def wait_segments(url):
    def are_there():
        with urllib.request.urlopen(url, timeout=20) as r:
            return r.read().count(b"#EXTINF") >= SEGMENTS
    wait_for(are_there, f"{SEGMENTS} segments")


def wait_begun(page):
    try:
        page.wait("allPlay()", 40)
    except AssertionError as e:
        raise AssertionError(f"not all play: {page.call('lookAtAll()')}") from e


@case
def every_player_plays_and_stays_through_an_absence(t):
    stream = "live/browser"
    page = Browser(t).open(serve_players(t))
    publisher = Publisher(t, stream)
    http = f"http://{t.cluster.told['public']['http']}"
    wait_segments(f"{http}/{stream}.m3u8")
    for name, kind, url in players(page, http, stream):
        page.call("add(...GIVEN)", [name, kind, url])
    wait_begun(page)
    watch_well(t, page, publisher)
    page.picture(t.logs + "/players.png")

    publisher.push.kill()
    gone = time.monotonic()
    page.call("void (globalThis.watched = watch(GIVEN))", AWAY_S)
    wait_for(lambda: time.monotonic() - gone >= 1, "a second")
    publisher.start()
    seen = page.call("watched")["seen"]
    with open(t.logs + "/absence.json", "w", encoding="utf-8") as f:
        json.dump(seen, f)
    assert_played_on(t, seen)
    assert not page.wrong(), page.wrong()


if __name__ == "__main__":
    main(CLUSTER)
