#!/usr/bin/env python3
"""Limits hold over the whole cluster: it does not matter to which edge or ingest
somebody comes, nor which dispatch dies."""

import json
import os
import signal
import time

from lib import clips
from lib.process import is_alive
from lib.weirtest import Cluster, case, main, wait_for


def cluster(**limits):
    return Cluster(ingest=2, edge=2, dispatch=2, packager=0,
                   settings={f"limits.{name}": value for name, value in limits.items()})


def metric(t, node, name):
    return t.cluster.metrics(node.id).sum(name)


def wait_told(t, role):
    """Every dispatch knows all that is counted."""
    dispatches = len(t.cluster.role("dispatch"))
    wait_for(lambda: all(metric(t, n, "weir_limits_dispatches") == dispatches
                         for n in t.cluster.role(role)), "dispatches to know the counts")


def wait_full(t, role, count=1):
    """Each node knows of so many streams and addresses that others help to fill."""
    wait_for(lambda: all(metric(t, n, "weir_limits_full_names") == count
                         for n in t.cluster.role(role)), "all to know what is full")


def view(t, stream, edge):
    return t.view(stream, edge).wait_media()


def assert_refused(t, stream, edge, whose="viewers of this stream"):
    v = t.view(stream, edge).wait_head()
    v.wait_over()
    assert v.status == 503, f"edge {edge}: {v.status}"
    answer = json.loads(v.body)
    assert answer["error"] == "too_many" and whose in answer["message"], answer


def wait_room(t, stream, edge):
    """Who keeps asking is let in."""
    since = time.monotonic()

    def try_it():
        v = t.view(stream, edge).wait_head()
        return v if v.status == 200 else v.close()
    v = wait_for(try_it, f"room at edge {edge}")
    t.note(f"room at edge {edge} after {time.monotonic() - since:.2f} s")
    return v.wait_media()


@case
def a_stream_has_so_many_viewers_over_all_edges_whichever_dispatch_dies(t):
    with cluster(viewers_per_stream=3) as t.cluster:
        t.push(clips.reference(), "live/a", "--loop")
        wait_told(t, "edge")
        viewers = [view(t, "live/a", 0), view(t, "live/a", 0), view(t, "live/a", 1)]
        wait_full(t, "edge")
        for edge in (0, 1):
            assert_refused(t, "live/a", edge)
        assert t.cluster.total("edge", "weir_limits_refused_total") == 2
        viewers.pop(0).close()
        viewers.append(wait_room(t, "live/a", 1))
        wait_full(t, "edge")
        for killed in (0, 1):  # the second time there is one left
            for edge in (0, 1):
                assert_refused(t, "live/a", edge)
            viewers.pop(0).close()
            viewers.append(wait_room(t, "live/a", killed))
            wait_full(t, "edge")
            if not killed:
                t.cluster.kill(t.cluster.role("dispatch")[0].id)
                wait_told(t, "edge")
        wait_for(lambda: t.cluster.total("edge", "weir_edge_viewers") == 3, "three viewers")
        assert not any(v.is_over.is_set() for v in viewers), "one was ended"
        # Without any dispatch each edge counts its own, after a while.
        t.cluster.kill(t.cluster.role("dispatch")[0].id)
        for edge in (0, 1):
            assert_refused(t, "live/a", edge)
        wait_room(t, "live/a", 0)
        wait_full(t, "edge", 0)


@case
def an_edge_that_dies_takes_its_viewers_along(t):
    with cluster(viewers_per_stream=3) as t.cluster:
        t.push(clips.reference(), "live/a", "--loop")
        wait_told(t, "edge")
        for edge in (0, 0, 1):
            view(t, "live/a", edge)
        wait_full(t, "edge")
        assert_refused(t, "live/a", 1)
        t.cluster.kill(t.cluster.role("edge")[0].id)
        for _ in range(2):
            wait_room(t, "live/a", 0)  # the one that is left
        assert_refused(t, "live/a", 0)
        dispatch = t.cluster.role("dispatch")
        wait_for(lambda: all(metric(t, n, "weir_dispatch_counting_nodes") == 3
                             for n in dispatch), "the dead one to be forgotten")


@case
def neither_a_frozen_dispatch_nor_a_dead_registry_changes_that(t):
    with cluster(viewers_per_stream=2) as t.cluster:
        t.push(clips.reference(), "live/a", "--loop")
        wait_told(t, "edge")
        viewers = [view(t, "live/a", 0), view(t, "live/a", 1)]
        wait_full(t, "edge")
        t.cluster.kill(t.cluster.role("dispatch")[0].id, signal.SIGSTOP)
        t.cluster.kill_redis()
        viewers.pop().close()
        viewers.append(wait_room(t, "live/a", 0))
        for n in t.cluster.role("edge"):
            wait_for(lambda n=n: metric(t, n, "weir_limits_dispatches") == 1,
                     "the frozen one to be missed")
        other = t.cluster.role("edge")[1]
        wait_for(lambda: metric(t, other, "weir_limits_full_names") == 1,
                 "the other edge to know that both are at one")
        for edge in (0, 1):
            assert_refused(t, "live/a", edge)
        os.kill(t.cluster.role("dispatch")[0].pid, signal.SIGCONT)
        wait_told(t, "edge")
        for edge in (0, 1):
            assert_refused(t, "live/a", edge)
        viewers.pop(0).close()
        wait_room(t, "live/a", 1)


@case
def an_address_has_so_many_viewers_over_all_edges(t):
    with cluster(viewers_per_ip=2) as t.cluster:
        for stream in ("live/a", "live/b"):
            t.push(clips.reference(), stream, "--loop")
        wait_told(t, "edge")
        viewers = [view(t, "live/a", 0), view(t, "live/b", 1)]
        wait_full(t, "edge")
        for edge in (0, 1):
            assert_refused(t, "live/b", edge, "viewers from this address")
        p = t.run("curl", "-sS", "-o", t.file("b.flv"), "--interface", "127.0.0.2",
                  t.cluster.flv_url("live/b", 0))
        wait_for(lambda: os.path.exists(t.file("b.flv"))
                 and os.path.getsize(t.file("b.flv")) > 10000, "media elsewhere")
        p.kill()
        viewers[0].close()
        wait_room(t, "live/b", 1)


@case
def an_address_has_so_many_publishers_over_all_ingests(t):
    with cluster(publishers_per_ip=2) as t.cluster:
        wait_told(t, "ingest")
        first = t.push(clips.reference(), "live/a", "--loop", ingest=0)
        t.push(clips.reference(), "live/b", "--loop", ingest=1)
        wait_full(t, "ingest")
        for ingest in (0, 1):
            third = t.try_push(clips.reference(), "live/c", ingest=ingest)
            assert third.wait(20) != 0, third.text()
            assert "publishers from this address" in third.text(), third.text()
        first.kill()

        def try_it():
            p = t.try_push(clips.reference(), "live/c", "--loop", ingest=1)
            wait_for(lambda: "push.start" in p.text() or p.has_ended(), "a word")
            return not p.has_ended()
        wait_for(try_it, "room for a publisher")


@case
def who_is_handed_to_another_ingest_counts_there(t):
    with cluster(publishers_per_ip=1) as t.cluster:
        wait_told(t, "ingest")
        push = t.push(clips.reference(), "live/a", "--loop")
        t.view("live/a").wait_media()
        sessions = t.cluster.api("/api/v1/sessions?stream=live/a")["sessions"]
        old = t.cluster.node(next(s["node"] for s in sessions if s["base_type"] == "PUB"))
        assert t.cluster.ask(f"/api/v1/nodes/{old.id}/drain", {})[0] == 200
        wait_for(lambda: not is_alive(old.pid), "the ingest to end")
        t.cluster.nodes.remove(old)
        second = t.try_push(clips.reference(), "live/b", ingest=0)
        assert second.wait(20) != 0, second.text()
        assert "publishers from this address" in second.text(), second.text()
        assert not push.has_ended(), push.text()


if __name__ == "__main__":
    main(at_once=2)
