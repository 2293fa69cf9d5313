#!/usr/bin/env python3
"""Relay pull, what happens to it: orders from everywhere at once, a dead ingest, rules
that come and go, two hundred beginnings and ends."""

import json
import os
import subprocess
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

from lib import clips
from lib.client import HttpViewer
from lib.document import block, commands
from lib.env import IS_MEMORY_TRUE
from lib.nginx_rtmp import NginxRtmp, free_ports, missing
from lib.process import open_files, rss_kb, wait_gone
from lib.weirtest import Cluster, Skip, case, main, wait_for

CYCLES = 200
SHOWN = free_ports(2)  # where the server of docs/relay.md stands
HOSTS = {name: f"127.0.0.1:{SHOWN[0]}" for name in ("origin1", "origin2", "cam")}
RULES = json.loads(block("docs/relay.md", "json", '"pull"', HOSTS))["cluster"]["rules"]

CLUSTER = Cluster(edge=1, dispatch=2, ingest=5, settings={
    "cluster.rules": json.dumps(RULES),
    "cluster.publish_grace_ms": 2000, "cluster.resume_window_ms": 0,
    "edge.wait_publish_ms": 15000})


def origin(t, name, ports=None):
    """An nginx that somebody publishes `name` to."""
    if missing():
        raise Skip(missing())
    nginx = NginxRtmp(t, *(ports or free_ports(2))).start()
    nginx.push = t.push(clips.reference(4), f"live/{name}", "--loop",
                        url=nginx.url(f"live/{name}"))
    return nginx


def put_rule(t, id_, **rule):
    def is_put():
        status, answer = call(t, "PUT", f"/api/v1/rules/pull/{id_}", rule)
        assert status in (200, 201, 503), (status, answer)
        return status != 503
    wait_for(is_put, "the registry to be read")


def call(t, method, path, body=None):
    return t.cluster.ask(path, body, method=method)


def events(t, stream, event):
    return [e for e in t.cluster.events(stream) if e["event"] == event]


def wait_players(nginx, name, count, timeout_s=20):
    wait_for(lambda: nginx.players(name) == count,
             f"{count} to play {name}, not {nginx.players(name)}", timeout_s)


def pull_of(t, stream):
    listed = t.cluster.api("/api/v1/pulls?stream=" + urllib.parse.quote(stream))
    return next((p for p in listed["pulls"] if p["stream"] == stream), None)


def start_at_once(t, nginx, stream, count):
    """What so many askers are told, and how many dispatches they found."""
    ask = {"url": nginx.url("live/cam"), "stream_name": stream,
           "auto_stop_pull_after_no_out_ms": -1}
    before = calls_by_dispatch(t)
    with ThreadPoolExecutor(count) as pool:
        said = list(pool.map(
            lambda _: t.cluster.api("/api/ctrl/start_relay_pull", ask), range(count)))
    after = calls_by_dispatch(t)
    return said, sum(a > b for a, b in zip(after, before))


def calls_by_dispatch(t):
    return [t.cluster.log(n.id).count("start_relay_pull")
            for n in t.cluster.role("dispatch")]


@case
def both_dispatches_are_asked_at_once_and_one_pull_is_dialed(t):
    nginx = origin(t, "cam")
    for n in range(1, 21):
        stream, accepted = f"once/cam{n}", nginx.accepted()
        said, dispatches = start_at_once(t, nginx, stream, 8)
        assert sorted(a["error_code"] for a in said) == [0] + [2001] * 7, said
        wait_players(nginx, "cam", 1)
        assert len(events(t, stream, "pull.start")) == 1
        t.view(stream).wait_media(5)
        assert nginx.accepted() == accepted + 1, "two were dialed"
        answer = t.cluster.api(f"/api/ctrl/stop_relay_pull?stream_name={stream}")
        good = next(a for a in said if not a["error_code"])
        assert answer["data"]["session_id"] == good["data"]["session_id"], answer
        wait_players(nginx, "cam", 0)
        if dispatches == 2:
            t.note(f"both took calls in round {n}")
            return
    raise AssertionError("one dispatch took all calls, each time")


@case
def a_pull_goes_on_elsewhere_when_its_ingest_dies(t):
    nginx = origin(t, "moves")
    put_rule(t, "moves", streams="moves/*", urls=[nginx.url("live/$name")])
    viewer = t.view("moves/moves")
    viewer.wait_media(20)
    node = pull_of(t, "moves/moves")["node"]
    seen = len(viewer.media)
    t.cluster.kill(node)
    viewer.wait_media(seen + 100)
    other = pull_of(t, "moves/moves")
    assert other and other["node"] != node, other
    assert nginx.players("moves") == 1, nginx.players("moves")


@case
def a_pull_of_the_api_goes_on_elsewhere_when_its_ingest_dies(t):
    nginx = origin(t, "ordered")
    ask = {"url": nginx.url("live/ordered"), "stream_name": "ordered/cam",
           "auto_stop_pull_after_no_out_ms": -1, "pull_retry_num": -1}
    assert t.cluster.api("/api/ctrl/start_relay_pull", ask)["error_code"] == 0
    wait_players(nginx, "ordered", 1)
    node = pull_of(t, "ordered/cam")["node"]
    t.cluster.kill(node)
    wait_for(lambda: (pull_of(t, "ordered/cam") or {"node": node})["node"] != node,
             "another ingest to pull")
    wait_players(nginx, "ordered", 1)
    t.cluster.api("/api/ctrl/stop_relay_pull?stream_name=ordered/cam")
    wait_players(nginx, "ordered", 0)


@case
def a_pull_goes_on_elsewhere_when_its_ingest_takes_leave(t):
    nginx = origin(t, "leaves")
    put_rule(t, "leaves", streams="leaves/*", urls=[nginx.url("live/$name")])
    viewer = t.view("leaves/leaves")
    viewer.wait_media(20)
    node = t.cluster.node(pull_of(t, "leaves/leaves")["node"])
    seen = len(viewer.media)
    status, _ = call(t, "POST", f"/api/v1/nodes/{node.id}/drain")
    assert status == 200, status
    wait_gone(node.pid)
    t.cluster.nodes.remove(node)
    viewer.wait_media(seen + 100)
    assert pull_of(t, "leaves/leaves")["node"] != node.id
    assert nginx.players("leaves") == 1, nginx.players("leaves")


@case
def a_rule_that_is_kept_on_pulls_for_nobody_and_ends_with_the_rule(t):
    nginx = origin(t, "kept")
    put_rule(t, "kept", streams="kept/kept", urls=[nginx.url("live/$name")],
             on_demand=False)
    wait_players(nginx, "kept", 1, 5)
    nginx.stop()
    wait_for(lambda: events(t, "kept/kept", "pull.fail"), "the pull to fail")
    nginx.start()
    t.push(clips.reference(4), "live/kept", "--loop", url=nginx.url("live/kept"))
    wait_players(nginx, "kept", 1, 15)
    status, _ = call(t, "DELETE", "/api/v1/rules/pull/kept")
    assert status in (200, 204), status
    wait_players(nginx, "kept", 0, 5)


@case
def an_api_pull_without_viewers_that_stops_at_once_does_not_begin(t):
    answer = t.cluster.api("/api/ctrl/start_relay_pull", {
        "url": "rtmp://127.0.0.1:1/live/x", "stream_name": "live/unwatched",
        "auto_stop_pull_after_no_out_ms": 0})
    assert answer["error_code"] == 2001, answer
    assert answer["desp"] == "should auto stop pull", answer


@case
def what_the_document_shows_pulls(t):
    nginx = origin(t, "lobby", SHOWN)
    feed = t.push(clips.reference(4), "live/news", "--loop", url=nginx.url("live/news"))
    t.view("tv/news").wait_media(20)
    put, look, delete = commands(block("docs/relay.md", "sh", "pull/lobby", HOSTS))
    run(t, put)
    wait_players(nginx, "lobby", 1)
    told = json.loads(run(t, look))["pulls"]
    assert [p["rule"] for p in told] == ["lobby"], told
    run(t, delete)
    wait_players(nginx, "lobby", 0, 5)
    assert not feed.has_ended()


def run(t, command):
    env = {**os.environ, "API": t.cluster.told["api"], "TOKEN": t.cluster.told["token"]}
    return subprocess.run(["sh", "-c", command], env=env, check=True, text=True,
                          capture_output=True).stdout


def measure(t):
    """{node: (descriptors, RSS in kB)}"""
    return {n.id: (open_files(n.pid), rss_kb(n.pid)) for n in t.cluster.nodes
            if n.role in ("ingest", "origin", "edge")}


@case
def two_hundred_times_begun_and_stopped_leaves_nothing(t):
    nginx = origin(t, "cycle")
    put_rule(t, "cycle", streams="cycle/*", urls=[nginx.url("live/$name")],
             auto_stop_ms=0)

    def cycle():
        viewer = HttpViewer(t.cluster.flv_url("cycle/cycle"))
        viewer.wait_media(1)
        viewer.close()
        wait_players(nginx, "cycle", 0)
    for _ in range(20):
        cycle()
    before = measure(t)
    for _ in range(CYCLES):
        cycle()
    # Each life of the stream is over when its grace is.
    wait_for(lambda: "cycle/cycle" not in t.cluster.streams(), "the stream to end")
    after = measure(t)
    for node, (files, kb) in after.items():
        assert files <= before[node][0] + 3, (node, before[node], after[node])
        assert not IS_MEMORY_TRUE or kb <= before[node][1] + 4096, (
            node, before[node], after[node])
    t.note(f"{os.linesep.join(f'{n} {before[n]} {after[n]}' for n in after)}"
           .replace(os.linesep, ", "))


if __name__ == "__main__":
    main(CLUSTER, at_once=1)
