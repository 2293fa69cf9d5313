#!/usr/bin/env python3
"""A dispatch dies, freezes or takes leave while it asks the webhook: the other one is
asked, and whoever waits is answered once and in time; with none of them, by
auth.webhook.on_timeout."""

import itertools
import signal
import socket
import threading
import time

from lib import clips
from lib.env import SLOWER
from lib.rtmp import Refused, Rtmp
from lib.webhook import Webhook
from lib.weirtest import Cluster, case, main, wait_for

TIMEOUT_MS = 3000 * SLOWER
LIVE = "live/all"


# ---- visitors: each asks in a thread of its own, and notes every answer


class Visitor(threading.Thread):
    """`answers` grows: True, or in which words it was refused."""

    numbers = itertools.count()

    def __init__(self, t):
        super().__init__(daemon=True)
        self.number = next(self.numbers)
        self.answers, self.took = [], None
        self.since = time.monotonic()
        self.open(t)
        self.start()

    def name(self, stream):
        """With what the webhook tells it by."""
        return f"{stream}?v={self.number}"

    def note(self, answer):
        self.took = self.took or time.monotonic() - self.since
        self.answers.append(answer)

    def run(self):
        try:
            self.visit()
        except (OSError, EOFError) as e:
            if not self.answers:
                self.answers.append(e)

    def wait_answer(self):
        wait_for(lambda: self.answers, f"{self} to be answered", 30)
        return self.answers[0]

    def __str__(self):
        return f"{type(self).__name__} {self.number}"

    def open(self, t):
        raise NotImplementedError

    def visit(self):
        raise NotImplementedError


class Publisher(Visitor):
    def open(self, t):
        self.rtmp = Rtmp(t.cluster.told["public"]["rtmp"], timeout_s=60)
        t.at_end(self.rtmp.close)

    def visit(self):
        try:
            self.ask()
            while True:
                self.rtmp.read()  # what else it is told
        except Refused as e:
            self.note(e.args)

    def ask(self):
        self.rtmp.publish(self.name(f"live/p{self.number}"))
        self.note(True)


class RtmpPlayer(Publisher):
    def ask(self):
        self.rtmp.ask_to_play(self.name(LIVE))
        self.rtmp.wait_status("NetStream.Play.Start")
        self.note(True)


class HttpPlayer(Visitor):
    """By FLV."""
    form = ".flv"

    def open(self, t):
        host, port = t.cluster.http_address(0).split(":")
        self.sock = socket.create_connection((host, int(port)), 60)
        t.at_end(self.sock.close)

    def visit(self):
        path = self.name(f"/{LIVE}{self.form}")
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while True:
            more = self.sock.recv(65536)
            if not more:
                return
            data = data[-8:] + more
            at = data.find(b"HTTP/1.1 ")
            if at >= 0:
                status = int(data[at + 9:at + 12])
                self.note(status == 200 or (status, data[at:].decode("latin-1")))
                data = data[at + 9:]


class HlsPlayer(HttpPlayer):
    form = ".m3u8"


KINDS = (Publisher, RtmpPlayer, HttpPlayer, HlsPlayer)


# ---- a webhook that is slow


class Slow:
    """What the dispatches in `holds` ask waits for release(), and has `last` for an answer
    then; what others ask is granted at once."""

    def __init__(self, t, **settings):
        self.t, self.hook = t, Webhook()
        self.holds, self.last = set(), (200, None)
        self._released = threading.Event()
        self.hook.answer = self._answer
        t.at_end(self.hook.close)
        t.at_end(self.release)
        self.settings = {
            "auth.webhook.on_play_auth": self.hook.url,
            "auth.webhook.on_publish_auth": self.hook.url,
            "auth.webhook.timeout_ms": TIMEOUT_MS, "auth.webhook.cache_ms": 0,
            **{f"auth.webhook.{k}": v for k, v in settings.items()}}

    def _answer(self, _, question):
        if question["server_id"] not in self.holds:
            return 200, None
        self._released.wait(60)
        return self.last

    def release(self, last=(200, None)):
        self.last = last
        self._released.set()

    def askers(self, visitor):
        """Which dispatches have asked about it."""
        return [q["server_id"] for _, q in self.hook.asked
                if q["url_param"] == f"v={visitor.number}"]

    def held(self, kind, dispatch):
        """A visitor whose question that one has, and does not get answered."""
        self.holds.add(dispatch)
        for _ in range(40):
            visitor = kind(self.t)
            wait_for(lambda v=visitor: self.askers(v), f"a question about {visitor}")
            if self.askers(visitor) == [dispatch]:
                return visitor
        raise AssertionError(f"{dispatch} is not asked")


def cluster_of(slow):
    """Links of frozen nodes stand for longer than any visitor waits."""
    return Cluster(dispatch=2, settings={**slow.settings, "bus.peer_dead_ms": 10000 * SLOWER})


def go_live(t):
    t.push(clips.reference(), LIVE, "--loop")
    wait_for(lambda: HlsPlayer(t).wait_answer() is True, "a playlist", 30)


def assert_answered_once(slow, visitors, what):
    for v in visitors:
        v.wait_answer()
    slow.t.note(f"{what}: {max(v.took or 0 for v in visitors) * 1000:.0f} ms")
    for v in visitors:
        assert v.answers == [True], f"{v}: {v.answers}"
        assert v.took * 1000 < TIMEOUT_MS, f"{v} waited for {v.took:.2f} s"


# ---- one of two


def one_goes(t, number):
    """Whoever waits for the first dispatch's question is let in by the second's; what the
    first hears, "no", is of no interest, even if it wakes up again."""
    slow = Slow(t)
    with cluster_of(slow) as t.cluster:
        go_live(t)
        visitors = [slow.held(kind, "dispatch-1") for kind in KINDS]
        since = time.monotonic()
        t.cluster.kill("dispatch-1", number)
        for v in visitors:
            v.since = since
        assert_answered_once(slow, visitors, f"after the {signal.Signals(number).name}")
        for v in visitors:
            assert slow.askers(v) == ["dispatch-1", "dispatch-2"], (v, slow.askers(v))
        slow.release((403, {"reason": "too late"}))
        slow.holds.clear()
        if number == signal.SIGSTOP:
            t.cluster.kill("dispatch-1", signal.SIGCONT)
        late = [kind(t) for kind in KINDS for _ in range(2)]
        assert_answered_once(slow, late, "later ones")
        for v in visitors:
            assert v.answers == [True], f"{v}: {v.answers}"
            assert v.is_alive() or isinstance(v, HlsPlayer), f"{v} was put out"


@case
def one_that_is_killed(t):
    one_goes(t, signal.SIGKILL)


@case
def one_that_freezes_and_wakes_up(t):
    one_goes(t, signal.SIGSTOP)


@case
def one_that_takes_leave(t):
    one_goes(t, signal.SIGTERM)


@case
def one_that_is_slow_and_lives_is_not_asked_twice(t):
    slow = Slow(t)
    with cluster_of(slow) as t.cluster:
        go_live(t)
        visitors = [slow.held(kind, "dispatch-1") for kind in KINDS]
        wait_for(lambda: time.monotonic() - visitors[-1].since > 0.6 * TIMEOUT_MS / 1000,
                 "most of the time to pass")
        slow.release()
        assert_answered_once(slow, visitors, "slow")
        for v in visitors:
            assert slow.askers(v) == ["dispatch-1"], (v, slow.askers(v))


@case
def a_crowd_with_questions_at_both(t):
    slow = Slow(t)
    with cluster_of(slow) as t.cluster:
        go_live(t)
        slow.held(HttpPlayer, "dispatch-2")
        slow.holds.add("dispatch-1")
        crowd = [HttpPlayer(t) for _ in range(60)]
        wait_for(lambda: all(slow.askers(v) for v in crowd), "sixty questions")
        t.cluster.kill("dispatch-1")
        wait_for(lambda: all(slow.askers(v)[-1] == "dispatch-2" for v in crowd),
                 "the second to be asked for all")
        slow.release()
        assert_answered_once(slow, crowd, "sixty")
        twice = [v for v in crowd if len(slow.askers(v)) == 2]
        assert 10 < len(twice) < 50, f"{len(twice)} were asked about twice"
        assert all(slow.askers(v)[0] == "dispatch-1" for v in twice)


# ---- both


def both_go(t, number, on_timeout):
    """The visitors' time runs out, and on_timeout answers."""
    slow = Slow(t, on_timeout=on_timeout)
    with cluster_of(slow) as t.cluster:
        go_live(t)
        visitors = [slow.held(kind, "dispatch-1") for kind in KINDS]
        slow.holds.add("dispatch-2")
        for dispatch in ("dispatch-1", "dispatch-2"):
            t.cluster.kill(dispatch, number)
        for v in visitors:
            v.wait_answer()
        slow.release((403, None) if on_timeout == "allow" else (200, None))
        if number == signal.SIGSTOP:
            for dispatch in ("dispatch-1", "dispatch-2"):
                t.cluster.kill(dispatch, signal.SIGCONT)
        t.note(f"{max(v.took for v in visitors) * 1000:.0f} ms")
        for v in visitors:
            assert len(v.answers) == 1, f"{v}: {v.answers}"
            is_in = v.answers[0] is True
            assert is_in == (on_timeout == "allow"), f"{v}: {v.answers}"
            assert is_in or "did not answer in time" in v.answers[0][1], v.answers
            took_ms = v.took * 1000
            assert 0.9 * TIMEOUT_MS < took_ms < TIMEOUT_MS + 1000 * SLOWER, (v, took_ms)
        if number == signal.SIGSTOP:
            slow.holds.clear()
            assert_answered_once(slow, [kind(t) for kind in KINDS], "later ones")


@case
def both_killed_is_no(t):
    both_go(t, signal.SIGKILL, "deny")


@case
def both_killed_is_yes_where_that_is_set(t):
    both_go(t, signal.SIGKILL, "allow")


@case
def both_frozen_is_no(t):
    both_go(t, signal.SIGSTOP, "deny")


@case
def both_frozen_and_one_wakes_up_in_time(t):
    slow = Slow(t)
    with cluster_of(slow) as t.cluster:
        go_live(t)
        visitors = [slow.held(kind, "dispatch-1") for kind in KINDS]
        for dispatch in ("dispatch-1", "dispatch-2"):
            t.cluster.kill(dispatch, signal.SIGSTOP)
        slow.release()
        t.cluster.kill("dispatch-1", signal.SIGCONT)
        assert_answered_once(slow, visitors, "woken")


if __name__ == "__main__":
    main(at_once=2)
