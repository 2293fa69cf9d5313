#!/usr/bin/env python3
"""Relay pulls that the API has begun: they outlive the dispatch that was asked and the
ingest that pulls, and end once, by whatever ends them."""

import json
import os
import signal
import uuid

from lib import clips
from lib.nginx_rtmp import NginxRtmp, free_ports, missing
from lib.weirtest import Cluster, Skip, case, main, wait_for

SETTINGS = {"cluster.publish_grace_ms": 1000, "cluster.resume_window_ms": 0,
            "edge.wait_publish_ms": 15000}
CLUSTER = Cluster(edge=1, dispatch=2, ingest=3, packager=0, settings=SETTINGS)


def origin(t, name):
    """An nginx that somebody publishes `name` to."""
    if missing():
        raise Skip(missing())
    nginx = NginxRtmp(t, *free_ports(2)).start()
    t.push(clips.reference(4), f"live/{name}", "--loop", url=nginx.url(f"live/{name}"))
    return nginx


def ask_start(t, stream, url, request_id=None, **more):
    body = {"url": url, "stream_name": stream, "pull_retry_num": -1, **more}
    return t.cluster.ask("/api/ctrl/start_relay_pull", body, request_id=request_id)[1]


def start(t, stream, url, request_id=None, **more):
    """The session of a pull that has begun; a node that has just come to life may not
    reach all others yet."""
    def begun():
        answer = ask_start(t, stream, url, request_id, **more)
        assert answer["error_code"] == 0 or answer["desp"] in (
            "no ingest is reached", "the registry does not answer"), answer
        return answer["error_code"] == 0 and answer["data"]["session_id"]
    return wait_for(begun, "the pull to be accepted")


def stop(t, stream):
    return t.cluster.api(f"/api/ctrl/stop_relay_pull?stream_name={stream}")


def pulls(t, stream):
    """[(node, session)]"""
    listed = t.cluster.api(f"/api/v1/pulls?stream={stream}")["pulls"]
    return [(p["node"], p["session_id"]) for p in listed]


def is_a_rule(t, session):
    return t.cluster.ask(f"/api/v1/rules/pull/{session}")[0] == 200


def rules_of(t, stream):
    return [r for r in t.cluster.api("/api/v1/rules?kind=pull")["rules"] if r["streams"] == stream]


def wait_no_rule(t, session, timeout_s=20):
    wait_for(lambda: not is_a_rule(t, session), "the rule to go", timeout_s)


def wait_players(nginx, name, count, timeout_s=20):
    wait_for(lambda: nginx.players(name) == count,
             f"{count} to play {name}, not {nginx.players(name)}", timeout_s)


def asked_dispatch(t, text="call=start_relay_pull"):
    """The one that has answered such a call."""
    return next(n for n in t.cluster.role("dispatch") if text in t.cluster.log(n.id))


def event_count(t, stream, event):
    return t.cluster.event_names(stream).count(event)


@case
def a_pull_of_the_api_outlives_the_dispatch_that_was_asked_and_then_its_ingest(t):
    with Cluster(edge=1, dispatch=2, ingest=3, packager=0, settings=SETTINGS) as t.cluster:
        nginx = origin(t, "cam")
        session = start(t, "order/cam", nginx.url("live/cam"))
        viewer = t.view("order/cam")
        viewer.wait_media(20)
        t.cluster.kill(asked_dispatch(t).id)
        for _ in range(2):
            node = pulls(t, "order/cam")[0][0]
            seen = len(viewer.media)
            t.cluster.kill(node)
            viewer.wait_media(seen + 60)
            wait_for(lambda node=node: [s for n, s in pulls(t, "order/cam") if n != node]
                     == [session], "another ingest to pull, in the same session")
            assert nginx.players("cam") == 1, nginx.players("cam")
        assert stop(t, "order/cam")["data"] == {"session_id": session}
        wait_players(nginx, "cam", 0)
        wait_no_rule(t, session, 2)
        assert stop(t, "order/cam")["error_code"] in (1001, 1003)


@case
def dispatch_and_ingest_die_in_one_moment(t):
    with Cluster(edge=1, dispatch=2, ingest=2, packager=0, settings=SETTINGS) as t.cluster:
        nginx = origin(t, "both")
        request_id = uuid.uuid4().hex
        session = start(t, "order/both", nginx.url("live/both"), request_id)
        wait_players(nginx, "both", 1)
        victims = [asked_dispatch(t).id, pulls(t, "order/both")[0][0]]
        for victim in victims:
            t.cluster.kill(victim)
        wait_for(lambda: pulls(t, "order/both") and pulls(t, "order/both")[0][0] not in victims,
                 "another ingest to pull")
        wait_players(nginx, "both", 1)
        # Whoever had no answer asks again: it is the same pull.
        assert start(t, "order/both", nginx.url("live/both"), request_id) == session
        assert ask_start(t, "order/both", nginx.url("live/both"))["error_code"] == 2001
        assert pulls(t, "order/both")[0][1] == session


@case
def what_ends_a_pull_of_the_api_ends_it_for_all(t):
    nginx = origin(t, "ends")

    def begin(name, **more):
        return start(t, f"order/{name}", nginx.url("live/ends"), **more)

    stopped, kicked = begin("stopped"), begin("kicked")
    deleted, taken = begin("deleted"), begin("taken")
    viewer = t.view("order/left")
    wait_for(lambda: "order/left" in t.cluster.watched(), "the viewer")
    left = begin("left", auto_stop_pull_after_no_out_ms=500)
    wait_players(nginx, "ends", 5)
    assert all(is_a_rule(t, s) for s in (stopped, kicked, deleted, taken, left))

    assert stop(t, "order/stopped")["data"] == {"session_id": stopped}
    assert t.cluster.api("/api/ctrl/kick_session", {
        "stream_name": "order/kicked", "session_id": kicked})["error_code"] == 0
    assert t.cluster.ask(f"/api/v1/rules/pull/{deleted}", method="DELETE")[0] == 200
    t.push(clips.tiny(2), "order/taken")
    viewer.wait_media(10)
    viewer.close()
    wait_players(nginx, "ends", 0)
    for session in (stopped, kicked, deleted, taken, left):
        wait_no_rule(t, session)
    for name in ("stopped", "kicked", "deleted", "left"):
        assert event_count(t, f"order/{name}", "pull.start") == 1, name


@case
def attempts_that_are_spent_are_spent_for_the_whole_cluster(t):
    port = free_ports(1)[0]
    session = start(t, "order/spent", f"rtmp://127.0.0.1:{port}/live/x", pull_retry_num=1)
    assert is_a_rule(t, session) or event_count(t, "order/spent", "pull.end")
    wait_no_rule(t, session)
    assert event_count(t, "order/spent", "pull.fail") == 2
    assert event_count(t, "order/spent", "pull.start") == 1


@case
def an_ingest_that_takes_leave_does_not_end_a_pull_of_the_api(t):
    with Cluster(edge=1, dispatch=2, ingest=2, packager=0, settings=SETTINGS) as t.cluster:
        nginx = origin(t, "leaves")
        session = start(t, "order/leaves", nginx.url("live/leaves"))
        wait_players(nginx, "leaves", 1)
        node = pulls(t, "order/leaves")[0][0]
        assert t.cluster.ask(f"/api/v1/nodes/{node}/drain", method="POST")[0] == 200
        wait_for(lambda: [s for n, s in pulls(t, "order/leaves") if n != node] == [session],
                 "the other ingest to pull")
        wait_players(nginx, "leaves", 1)
        assert is_a_rule(t, session)
        t.cluster.nodes.remove(t.cluster.node(node))


@case
def an_ingest_that_was_frozen_ends_nothing_that_goes_on_elsewhere(t):
    settings = {**SETTINGS, "cluster.publish_grace_ms": 10000}
    with Cluster(edge=1, dispatch=2, ingest=2, packager=0, settings=settings) as t.cluster:
        nginx = origin(t, "frozen")
        session = start(t, "order/frozen", nginx.url("live/frozen"))
        viewer = t.view("order/frozen")
        viewer.wait_media(20)
        node = pulls(t, "order/frozen")[0][0]
        seen = len(viewer.media)
        t.cluster.kill(node, signal.SIGSTOP)
        try:
            viewer.wait_media(seen + 60)
        finally:
            t.cluster.kill(node, signal.SIGCONT)
        wait_players(nginx, "frozen", 1)
        wait_for(lambda: [s for n, s in pulls(t, "order/frozen")] == [session],
                 "one ingest alone to pull")
        assert pulls(t, "order/frozen")[0][0] != node
        viewer.wait_media(len(viewer.media) + 60)
        assert is_a_rule(t, session)


@case
def while_the_registry_is_away_relays_begin_by_rules_and_nothing_accepted_is_lost(t):
    nginx = origin(t, "away")
    rules = [{"kind": "pull", "id": "tv", "streams": "tv/*", "urls": [nginx.url("live/$name")]},
             {"kind": "push", "id": "shop", "streams": "shop/*",
              "urls": [nginx.url("live/$name")]}]
    settings = {**SETTINGS, "cluster.publish_grace_ms": 10000, "cluster.rules": json.dumps(rules)}
    with Cluster(edge=1, dispatch=2, ingest=3, packager=0, settings=settings) as t.cluster:
        session = start(t, "order/away", nginx.url("live/away"))
        viewer = t.view("order/away")
        viewer.wait_media(20)
        os.kill(t.cluster.redis_pid, signal.SIGSTOP)
        try:
            refused = ask_start(t, "order/late", nginx.url("live/away"))
            assert (refused["error_code"], refused["desp"]) == (
                2001, "the registry does not answer"), refused
            assert ask_start(t, "order/never", nginx.url("live/away"))["error_code"] == 2001
            t.view("tv/away").wait_media(20)
            t.push(clips.reference(4), "shop/cam", "--loop")
            wait_for(lambda: nginx.is_published("cam"), "the push to begin")
            node, seen = pulls(t, "order/away")[0][0], len(viewer.media)
            t.cluster.kill(node)
            viewer.wait_media(seen + 60)
        finally:
            os.kill(t.cluster.redis_pid, signal.SIGCONT)
        assert start(t, "order/late", nginx.url("live/away"))
        assert [s for _, s in pulls(t, "order/away")] == [session]
        assert is_a_rule(t, session)
        viewer.wait_media(len(viewer.media) + 60)
        assert nginx.is_published("cam") and nginx.players("away") == 3
        assert stop(t, "order/away")["data"] == {"session_id": session}
        wait_no_rule(t, session, 5)
        wait_players(nginx, "away", 2)
        wait_for(lambda: not rules_of(t, "order/never"), "what was refused to be no rule")
        assert not pulls(t, "order/never")


if __name__ == "__main__":
    main(CLUSTER, at_once=2)
