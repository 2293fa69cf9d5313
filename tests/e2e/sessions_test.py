#!/usr/bin/env python3
"""The list of sessions: in pages that go from node to node, while sessions come and go,
and without a node that does not answer."""

import random
import signal
import socket
import urllib.parse

from lib import clips
from lib.weirtest import Cluster, case, main, wait_for

CLUSTER = Cluster(ingest=2, edge=3, dispatch=2, packager=0,
                  settings={"dispatch.ask_ms": 500, "edge.wait_publish_ms": 600000})


def page(t, **fields):
    status, answer = t.cluster.ask("/api/v1/sessions?" + urllib.parse.urlencode(fields))
    assert status == 200, f"{fields}: {status} {answer}"
    assert len(answer["sessions"]) <= fields.get("limit", 100), answer
    return answer


def walk(t, between=lambda: None, **fields):
    """All sessions, page by page."""
    got, after = [], {}
    while True:
        answer = page(t, **fields, **after)
        got += answer["sessions"]
        if "next" not in answer:
            return got
        after = {"after": answer["next"]}
        between()


def wait_at(t, stream, edge):
    """A viewer that waits for a publisher, and its edge."""
    host, port = t.cluster.http_address(edge).split(":")
    s = socket.create_connection((host, int(port)), 20)
    s.sendall(f"GET /{stream}.flv HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return s, edge


def names(viewers):
    """Where each viewer is and who it is: two edges may be called from one port."""
    return {("edge-%d" % (edge + 1), "%s:%d" % s.getsockname()) for s, edge in viewers}


def listed(sessions):
    return {(s["node"], s["remote_addr"]) for s in sessions if s["base_type"] == "SUB"}


@case
def every_session_is_on_one_page_and_nodes_come_one_after_the_other(t):
    stream = "live/paged"
    t.push(clips.tiny(60), stream)
    viewers = [wait_at(t, stream, n % 3) for n in range(20)]
    wait_for(lambda: len(walk(t, stream=stream)) == 21, "all to be listed")
    for limit in (1, 7, 21, 1000):
        got = walk(t, stream=stream, limit=limit)
        order = [(s["node"], s["session_id"]) for s in got]
        assert order == sorted(set(order)) and len(got) == 21, (limit, order)
        assert listed(got) == names(viewers), (listed(got), names(viewers))
    assert "next" not in page(t, stream=stream, limit=22)
    only = walk(t, stream=stream, node="edge-2", limit=3)
    assert len(only) == 7 and {s["node"] for s in only} == {"edge-2"}, only
    assert [s["node"][:6] for s in walk(t, stream=stream, base_type="PUB")] == ["ingest"]
    assert not walk(t, stream=stream, protocol="HLS") and not walk(t, stream="live/no")
    for s, _ in viewers:
        s.close()


@case
def who_stays_is_listed_once_while_others_come_and_go(t):
    stream = "live/restless"
    dice = random.Random(5)
    stay = [wait_at(t, stream, n % 3) for n in range(12)]
    restless = [wait_at(t, stream, n % 3) for n in range(12)]
    wait_for(lambda: len(walk(t, stream=stream)) == 24, "all to be listed")

    def stir():
        for _ in range(3):
            restless.pop(dice.randrange(len(restless)))[0].close()
            restless.append(wait_at(t, stream, dice.randrange(3)))
    for _ in range(5):
        got = walk(t, stir, stream=stream, limit=4)
        ids = [s["session_id"] for s in got]
        assert len(ids) == len(set(ids)), got
        assert names(stay) <= listed(got), (names(stay), got)
        assert len([s for s in got if (s["node"], s["remote_addr"]) in names(stay)]) == 12, got
    for s, _ in stay + restless:
        s.close()


@case
def what_was_no_next_is_refused(t):
    for after in ("FLVPUBSUB1", ".", "x" * 60 + ".edge-1"):
        status, answer = t.cluster.ask("/api/v1/sessions?after=" + after)
        assert status == 400 and answer["field"] == "after", (after, status, answer)
    assert page(t, after="x.no-such-node")["sessions"] == []


@case
def a_node_that_does_not_answer_is_left_out_and_counted(t):
    stream = "live/deaf"
    with Cluster(edge=3, packager=0, settings={"dispatch.ask_ms": 300}) as t.cluster:
        viewers = [wait_at(t, stream, n) for n in range(3)]
        wait_for(lambda: len(walk(t, stream=stream)) == 3, "all to be listed")
        t.cluster.kill("edge-2", signal.SIGSTOP)
        answer = page(t, stream=stream)
        t.cluster.kill("edge-2", signal.SIGCONT)
        assert answer["silent"] == 1 and "next" not in answer, answer
        assert [s["node"] for s in answer["sessions"]] == ["edge-1", "edge-3"], answer
        wait_for(lambda: len(walk(t, stream=stream)) == 3, "it to answer again")
        for s, _ in viewers:
            s.close()


if __name__ == "__main__":
    main(CLUSTER, at_once=3)
