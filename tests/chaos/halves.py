"""halves - rows in which the cluster is in two halves, with a publisher of one
stream in each; and what has to be true when they meet again."""

import re
import time

from lib.env import SLOWER
from lib.waiting import wait_for
from rows import assert_one_home, row, writer_of
from stage import judge
from stage.hosts import Networks
from stage.load import AUDIO, END, VIDEO, WRONG, read_trace
from stage.stage import Stream

NOT_AGAIN_MS = 120000  # publishers stay away, so that their last words can be read
OPTIONS = {"stage": Networks, "streams": 1, "dispatch": 1, "frames_of": 0,
           "retry_ms": NOT_AGAIN_MS, "settings": {"cluster.publish_grace_ms": 20000}}


class Halves:
    """What runs with the first publisher's ingest and home, and the rest."""

    def __init__(self, s):
        self.s, self.stream = s, s.streams[0]
        self.first, self.of = None, {}  # who is in the first half; {publisher: half}
        s.is_judged, s.is_publisher_cut = False, True
        self.here = {writer_of(s), s.home_of(), "edge-1", "dispatch-1", "packager-1"}
        self.there = set(s.cluster.hosts) - self.here

    def cut(self):
        """From each other, and from the registry."""
        self.s.fault()
        for id_ in self.s.cluster.hosts:
            self.s.cut(id_, "redis")
        for a in self.here:
            for b in self.there:
                self.s.cut(a, b)

    def publish(self, half, number):
        """Another publisher of the stream, in one half; when it was let in."""
        s = self.s
        ingest = next(n for n in s.cluster.role("ingest") if n.id in half)
        stream = Stream(number)
        stream.key = self.stream.key
        p = s.load.publish(stream, [s.publish_url(ingest, stream)], retry_ms=NOT_AGAIN_MS)
        wait_for(lambda: s.load.say()[0][p.number]["ready"],
                 f"publisher {number} to be let in", 30)
        return p

    def wait_heard(self, here, there):
        wait_for(lambda: heard(self.s) == {"edge-1": {here}, "edge-2": {there}},
                 f"publisher {here} at edge-1 and {there} at edge-2", 30)

    def node_of(self, publisher, role):
        return next(n.id for n in self.s.cluster.role(role) if n.id in self.of[publisher])

    def home_of(self, publisher):
        return self.node_of(publisher, "origin")

    def counters(self):
        """Of the epoch that each of the two has opened, by its ingest's log."""
        def counter(publisher):
            log = self.s.cluster.log(self.node_of(publisher, "ingest"))
            return int(re.findall(r'event=epoch reason=none detail="(\d+),', log)[-1])
        return {p: counter(p) for p in self.of}


def now_us():
    return time.monotonic_ns() // 1000


def heard(s):
    """Whose frames each edge's viewers have got in the last half second."""
    s.load.say()
    since_us = now_us() - 500000
    found = {}
    for v in s.load.viewers:
        found.setdefault(v.edge, set()).update(
            e.stream for e in read_trace(v.trace)
            if e.at_us > since_us and e.kind in (VIDEO, AUDIO, WRONG))
    return found


# ---- what is judged


def runs(events, kind):
    """Whose frames came, one after the other."""
    order = []
    for e in events:
        if e.kind == kind and (not order or order[-1] != e.stream):
            order.append(e.stream)
    return order


def judge_change(verdict, viewer, publishers, order, until_us):
    """It got `order`: each of these publishers once, from a key frame on, without a
    hole, the last one to the end; and its time never went back."""
    events = [e for e in read_trace(viewer.trace) if e.at_us < until_us + 5e6]
    who = str(viewer)
    if [e for e in events if e.kind in (END, WRONG)]:
        verdict.count("cut", f"{who}: it ended, or got what nobody sent")
    for kind in judge.KINDS:
        if runs(events, kind) != order:
            verdict.count("order", f"{who}: {judge.KINDS[kind]} of {runs(events, kind)}, "
                                   f"not of {order}")
        times = [e.ms for e in events if e.kind == kind]
        if any(b < a for a, b in zip(times, times[1:])):
            verdict.count("order", f"{who}: time of {judge.KINDS[kind]} goes back")
    for number in order:
        mine = [e for e in events if e.stream == number]
        of = publishers[number]
        for kind in judge.KINDS:
            end_us = until_us if number == order[-1] else last_sent_us(of, mine, kind)
            judge.judge_kind(verdict, f"{who} of {number}", of, mine, kind, end_us,
                             lambda _: False)


def last_sent_us(published, events, kind):
    """When the newest of these frames was sent."""
    return max((published.frames[kind][published.place[kind][e.session, e.counter]].at_us
                for e in events if e.kind == kind), default=0)


def gaps(s, edge):
    return s.cluster.metrics(edge).sum("weir_edge_gaps_total")


def settle(s, halves, winner, loser, orders):
    """Healed: the rule decides, the loser's publisher is told, its viewers meet the
    winner's next key frame with one counted discontinuity, the winner's notice
    nothing."""
    edges = {True: "edge-1", False: "edge-2"}
    of_winner = edges[winner is halves.first]
    of_loser = edges[winner is not halves.first]
    before = {edge: gaps(s, edge) for edge in edges.values()}
    s.heal()
    wait_for(lambda: not s.load.say()[0][loser.number]["ready"], "the loser to be closed", 30)
    number = winner.stream.number
    halves.wait_heard(number, number)
    said = s.load.say()[0]
    words = said[loser.number]["words"]
    assert "NetStream.Publish.BadName" in words and (
        "another publisher won the stream after a split" in words
        or "a newer publisher took the stream over" in words), words
    assert said[winner.number]["ready"] and said[winner.number]["session"] == 1, said
    s.wait_linked()
    wait_for(lambda: s.homes()[halves.stream.key] == halves.home_of(winner),
             "dispatch to know the winner's home", 30)
    assert_one_home(s)
    finish(s, halves, winner, orders)
    grown = {edge: gaps(s, edge) - before[edge] for edge in before}
    assert grown == {of_loser: 1, of_winner: 0}, f"discontinuities that were counted: {grown}"
    s.note(f"{len(s.homes_of_terms())} terms, the loser was told: {words}")


def finish(s, halves, winner, orders):
    """Everything that the winner has sent until now must be everywhere."""
    s.wait_s(1.5)
    until_us = now_us()
    goal = s.load.say()[0][winner.number]
    wait_for(lambda: all(v[kind] >= goal[kind] for v in s.load.say()[1]
                         for kind in ("video", "audio")),
             "all viewers to have what the winner sent", 20 * SLOWER)
    s.load.say()
    publishers = {p.stream.number: judge.Published(p) for p in s.load.publishers}
    verdict = judge.Verdict()
    for viewer in s.load.viewers:
        judge_change(verdict, viewer, publishers, orders[viewer.edge], until_us)
    s.verdict.add(verdict)


# ---- the rows


@row("split-brain", **OPTIONS)
def the_later_claim_is_the_higher_one(s):
    """Two halves without the registry; a second publisher begins in the other one.
    Healed: its claim has the higher counter and stays."""
    halves = Halves(s)
    first = s.load.publishers[0]
    halves.cut()
    second = halves.publish(halves.there, 2)
    halves.first, halves.of = first, {first: halves.here, second: halves.there}
    halves.wait_heard(1, 2)
    counters = halves.counters()
    assert counters[second] > counters[first], counters
    settle(s, halves, second, first, {"edge-1": [1, 2], "edge-2": [1, 2]})


def left_alone(s):
    """The publisher has left, and the halves are cut."""
    halves = Halves(s)
    s.load.leave(s.load.publishers[0])
    wait_for(lambda: not s.cluster.streams()[halves.stream.key]["live"],
             "the stream to have lost its publisher")
    halves.cut()
    return halves


def wait_equal(halves, first, second, heard):
    """Each half has its publisher, with one counter."""
    halves.first, halves.of = first, {first: halves.here, second: halves.there}
    halves.wait_heard(*heard)
    counters = halves.counters()
    assert counters[second] == counters[first], counters


@row("split-brain-equal", short=True, **OPTIONS)
def the_earlier_of_two_equal_claims_stays(s):
    """The publisher has left; in each of two halves without the registry another one
    begins. Healed: of equal counters the earlier start stays."""
    halves = left_alone(s)
    first = halves.publish(halves.here, 2)
    second = halves.publish(halves.there, 3)
    wait_equal(halves, first, second, (2, 3))
    settle(s, halves, first, second, {"edge-1": [1, 2], "edge-2": [1, 3, 2]})


@row("split-brain-equal-late", **OPTIONS)
def the_earlier_of_two_equal_claims_stays_where_the_stream_was_not(s):
    """The same; the one that stays began in the half that did not know the stream."""
    halves = left_alone(s)
    second = halves.publish(halves.there, 2)
    first = halves.publish(halves.here, 3)
    wait_equal(halves, first, second, (3, 2))
    settle(s, halves, second, first, {"edge-1": [1, 3, 2], "edge-2": [1, 2]})
