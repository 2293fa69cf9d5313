#!/usr/bin/env python3
"""Relay push: what is published here is published to other servers, too, by the
home of the stream, whatever becomes of it and of them."""

import base64
import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import time

from lib import clips, flv, node_media, tls
from lib.client import RtmpViewer
from lib.document import block, commands
from lib.env import SLOWER
from lib.nginx_rtmp import NginxRtmp, free_ports, missing
from lib.node_media import NodeMedia
from lib.rtmp_server import Server
from lib.sockets import is_listening
from lib.weirtest import Cluster, Skip, case, main, wait_for

APPS = ("far", "near", "frozen", "silent", "exact", "two", "gone", "death", "node", "absent", "query", "password", "tls")
SERVERS = (*APPS, "second", "shop", "archive")
FREE = free_ports(2 * len(SERVERS))
PORTS = {name: (FREE[2 * i], FREE[2 * i + 1]) for i, name in enumerate(SERVERS)}


def url(name, stream="live/$name"):
    return f"rtmp://127.0.0.1:{PORTS[name][0]}/{stream}"


def documented(kind, mark):
    hosts = {"cdn1": "shop", "cdn2": "second", "archive": "archive"}
    return block("docs/relay.md", kind, mark, {
        host: f"127.0.0.1:{PORTS[name][0]}" for host, name in hosts.items()})


def rule(app, urls, **more):
    return {"kind": "push", "id": app, "streams": f"{app}/*", "urls": urls, **more}


def free_base():
    """A port from which on `weir up` finds its own."""
    while True:
        base = random.randrange(20000, 30000, 200)
        if not any(is_listening(base + k) for k in (*range(12), *range(101, 130))):
            return base


HERE, THERE = free_base(), free_base()
RULES = [rule(app, [url(app)]) for app in ("exact", "gone", "node", "absent")]
RULES.append(rule("query", [url("query") + "?b=2"], forward_query=True))
RULES.append(rule("password", [url("password").replace("//", "//bob:s3cret@")]))
RULES.append(rule("two", [url("two"), url("second")]))
RULES.append(rule("round", [f"rtmp://127.0.0.1:{THERE}/$key"]))

RULES.append(rule("tls", [f"rtmps://localhost:{PORTS['tls'][0]}/live/$name"]))
RULES += json.loads(documented("json", '"push"'))["cluster"]["rules"]
IDENTITY = tls.make_identity()
CLUSTER = Cluster(packager=0, options=["--base-port", HERE], settings={
    "cluster.rules": json.dumps(RULES), "cluster.publish_grace_ms": 4000,
    "cluster.ca_file": IDENTITY[0]})


def server(t, name, more=""):
    """An nginx that a rule names."""
    if missing():
        raise Skip(missing())
    return NginxRtmp(t, *PORTS[name], more).start()


def play(t, nginx, name):
    viewer = RtmpViewer(nginx.rtmp, f"live/{name}")
    t.at_end(viewer.close)
    return viewer


def push_names(t, stream):
    return [e["event"] for e in t.cluster.events(stream)
            if e["event"].startswith("push.")]


def wait_event(t, stream, event, count=1, timeout_s=20):
    wait_for(lambda: push_names(t, stream).count(event) >= count,
             f"{event} of {stream}", timeout_s)


def wait_published(nginx, name, timeout_s=20):
    wait_for(lambda: nginx.is_published(name), f"{name} at nginx", timeout_s)


@case
def every_packet_arrives_with_metadata(t):
    nginx = server(t, "exact")
    viewer = play(t, nginx, "cam")
    clip = clips.reference(4)
    push = t.push(clip, "exact/cam")
    viewer.wait_media(50)
    push.finish()
    want = flv.read(clip)
    wait_for(lambda: len(viewer.media) >= len(flv.media(want)), "the whole clip")
    flv.assert_same(want, viewer.tags)
    meta = next(filter(None, map(flv.metadata, viewer.tags)))
    assert meta["width"], meta
    wait_event(t, "exact/cam", "push.start")


@case
def a_stream_goes_to_several_servers_and_each_stands_alone(t):
    first, second = server(t, "two"), server(t, "second")
    t.push(clips.reference(4), "two/cam", "--loop")
    viewer = play(t, first, "cam")
    viewer.wait_media(10)
    wait_published(second, "cam")
    second.stop()
    wait_event(t, "two/cam", "push.end")
    seen = len(viewer.media)
    viewer.wait_media(seen + 50)
    assert push_names(t, "two/cam").count("push.start") == 2, push_names(t, "two/cam")


@case
def a_server_that_was_killed_is_pushed_to_again(t):
    nginx = server(t, "gone")
    t.push(clips.reference(4), "gone/cam", "--loop")
    wait_published(nginx, "cam")
    nginx.stop()
    wait_event(t, "gone/cam", "push.failed")
    begin = time.monotonic()
    nginx.start()
    wait_published(nginx, "cam")
    took_s = time.monotonic() - begin
    t.note(f"{took_s * 1000:.0f} ms after its start")
    assert took_s < 4 * SLOWER, took_s
    play(t, nginx, "cam").wait_media(20)


@case
def node_media_server_is_pushed_to_killed_and_pushed_to_again(t):
    if node_media.missing():
        raise Skip(node_media.missing())
    node = NodeMedia(t, *PORTS["node"]).start()
    t.push(clips.reference(4), "node/cam", "--loop")
    for turn in range(1, 3):
        wait_event(t, "node/cam", "push.start", turn)
        viewer = RtmpViewer(node.rtmp, "live/cam")
        t.at_end(viewer.close)
        viewer.wait_media(50)
        flv.assert_time_never_goes_back(viewer.tags, "node-media-server")
        node.stop()
        wait_event(t, "node/cam", "push.end", turn)
        node.start()


@case
def a_publisher_that_leaves_and_returns_is_one_push(t):
    nginx = server(t, "absent")
    t.push(clips.tiny(1), "absent/cam").finish()
    viewer = play(t, nginx, "cam")
    t.push(clips.tiny(2), "absent/cam").finish()
    viewer.wait_media(20)
    flv.assert_time_never_goes_back(viewer.tags, "nginx")
    wait_event(t, "absent/cam", "push.end")  # the grace is over
    assert push_names(t, "absent/cam").count("push.start") == 1
    wait_for(lambda: not nginx.is_published("cam"), "nginx to be told")


def logs(t):
    return "".join(t.cluster.log(node.id) for node in t.cluster.nodes)


@case
def the_publishers_query_goes_along_without_its_secrets(t):
    server_ = Server(t, PORTS["query"][0])
    t.push(clips.reference(4), "query/cam?a=1&lal_secret=hidden", "--loop")
    guest = server_.accept()
    assert guest.let_publish() == "cam?b=2&a=1"
    assert guest.connect["weirVia"] == "weir", guest.connect
    assert "hidden" not in logs(t)


@case
def a_server_that_wants_a_password_gets_it_proven(t):
    reject = "[ AccessManager.Reject ] : [ "
    server_ = Server(t, PORTS["password"][0])
    t.push(clips.reference(4), "password/cam", "--loop")
    server_.accept().reject(f"{reject}code=403 need auth; authmod=adobe ] : ")
    guest = server_.accept()
    assert guest.connect["app"] == "live?authmod=adobe&user=bob", guest.connect
    guest.reject(f"{reject}authmod=adobe ] : ?reason=needauth&user=bob&salt=SALT"
                 "&challenge=CHALLENGE&opaque=OPAQUE")
    guest = server_.accept()
    app, _, query = guest.connect["app"].partition("?")
    told = dict(part.split("=", 1) for part in query.split("&"))
    want = md5(md5("bobSALTs3cret") + "OPAQUE" + told["challenge"])
    assert app == "live" and told["response"] == want, guest.connect
    assert guest.let_publish() == "cam"
    wait_event(t, "password/cam", "push.start")
    assert "s3cret" not in logs(t)


def md5(text):
    return base64.b64encode(hashlib.md5(text.encode()).digest()).decode()


@case
def a_server_by_rtmps_must_be_who_it_says(t):
    server_ = Server(t, PORTS["tls"][0], IDENTITY)
    t.push(clips.reference(4), "tls/cam", "--loop")
    assert server_.accept().let_publish() == "cam"
    wait_event(t, "tls/cam", "push.start")
    server_.identity = tls.make_identity()  # of somebody else
    for guest in server_.guests:
        guest.sock.close()
    with contextlib.suppress(OSError):
        server_.accept()
    wait_for(lambda: "certificate" in pushes(t, "tls/cam")[0]["detail"],
             "the refusal of the certificate")


def pushes(t, stream):
    return t.cluster.api(f"/api/v1/pushes?stream={stream}")["pushes"]


@case
def the_settings_of_the_document_push(t):
    nginx = server(t, "shop")
    t.push(clips.reference(4), "shop/cam?a=1&token=hidden", "--loop")
    play(t, nginx, "cam").wait_media(10)
    told = {p["url"]: p for p in pushes(t, "shop/cam")}
    first, second = (told[url] for url in sorted(told, key=len))
    assert first["state"] == "runs" and first["rule"] == "cdn", first
    assert first["frames"] > 0 and first["wrote_bytes"] > 0, first
    assert second["reason"] == "remote_lost" and "password" not in second["url"], second


@case
def the_calls_of_the_document_begin_and_end_a_push(t):
    nginx = server(t, "archive")
    t.push(clips.reference(4), "live/cam1", "--loop")
    put, look, delete = commands(documented("sh", "archive"))
    call(t, put)
    wait_published(nginx, "cam1")
    told = json.loads(call(t, look))["pushes"]
    assert [(p["rule"], p["state"]) for p in told] == [("archive", "runs")], told
    begin = time.monotonic()
    call(t, delete)
    wait_for(lambda: not nginx.is_published("cam1"), "the push to end")
    assert time.monotonic() - begin < 2 * SLOWER
    assert pushes(t, "live/cam1") == []


def call(t, command):
    env = {**os.environ, "API": t.cluster.told["api"], "TOKEN": t.cluster.told["token"]}
    return subprocess.run(["sh", "-c", command], env=env, check=True, text=True,
                          capture_output=True).stdout


@case
def two_clusters_that_push_to_each_other_do_not_loop(t):
    back = rule("round", [f"rtmp://127.0.0.1:{HERE}/$key"])
    there = Cluster(packager=0, options=["--base-port", THERE], settings={
        "cluster.id": "there", "cluster.rules": json.dumps([back]),
        "cluster.publish_grace_ms": 1000})
    t.at_end(there.kill_all)
    there.start(t.file("there"))
    push = t.push(clips.tiny(1), "round/cam")
    there.wait_live("round/cam")
    refused = "push.failed"
    wait_for(lambda: refused in there.event_names("round/cam"), "the loop's end")
    assert "push.start" not in there.event_names("round/cam")
    push.finish()
    t.push(clips.tiny(2), "round/cam").finish()  # nobody is in its way


def gap_s(viewer, since):
    """The longest time between two messages, from then on."""
    at = [tag.at for tag in viewer.media if tag.at >= since - 1]
    return max(b - a for a, b in zip(at, at[1:]))


@case
def a_push_follows_its_home_when_that_takes_leave_and_when_it_dies(t):
    nginx = server(t, "death")
    own = Cluster(origin=3, packager=0, settings={
        "cluster.rules": json.dumps([rule("death", [url("death")])])})
    t.at_end(own.kill_all)
    own.start(t.file("own"))
    t.push(clips.reference(4), "death/cam", "--loop", url=own.publish_url("death/cam"))
    viewer = play(t, nginx, "cam")
    viewer.wait_media(20)
    leaves = (lambda home: own.ask(f"/api/v1/nodes/{home}/drain", {}), own.kill)
    for name, leave in zip(("drain", "death"), leaves):
        begin, seen = time.monotonic(), len(viewer.media)
        home = own.streams()["death/cam"]["home"]
        leave(home)
        wait_for(lambda home=home: own.streams()["death/cam"]["home"] != home, "a new home")
        viewer.wait_media(seen + 100)
        gap = gap_s(viewer, begin)
        t.note(f"{name}: {gap * 1000:.0f} ms without media")
        assert gap < 1 * SLOWER, (name, gap)
    back_ms = max(a.ms - b.ms for a, b in zip(viewer.media, viewer.media[1:]))
    assert back_ms < 4000, back_ms  # to a key frame


def freeze_home(t, nginx, app):
    """A cluster of its own that pushes to that server; its home, which is frozen; the
    server's viewer."""
    own = Cluster(origin=2, packager=0, settings={
        "cluster.rules": json.dumps([rule(app, [url(app)])])})
    t.at_end(own.kill_all)
    own.start(t.file("own"))
    t.push(clips.reference(4), f"{app}/cam", "--loop", url=own.publish_url(f"{app}/cam"))
    viewer = play(t, nginx, "cam")
    viewer.wait_media(20)
    home = own.streams()[f"{app}/cam"]["home"]
    own.kill(home, signal.SIGSTOP)
    return own, home, viewer


@case
def a_push_by_a_pattern_does_not_hold_what_is_pulled_and_one_by_name_does(t):
    far, near = server(t, "far"), server(t, "near")
    for name in ("free", "held"):
        t.push(clips.reference(4), f"live/{name}", "--loop", url=far.url(f"live/{name}"))
    rules = [{"kind": "pull", "id": "in", "streams": "in/*", "urls": [url("far")]},
             {"kind": "push", "id": "all", "streams": "**", "urls": [url("near")]},
             {"kind": "push", "id": "one", "streams": "in/held", "urls": [url("near")]}]
    with Cluster(packager=0, settings={
            "cluster.id": "between", "cluster.rules": json.dumps(rules),
            "cluster.publish_grace_ms": 1000, "cluster.resume_window_ms": 500}) as t.cluster:
        for name in ("held", "free"):
            viewer = t.view(f"in/{name}")
            viewer.wait_media(10)
            wait_published(near, name)
            viewer.close()
        wait_for(lambda: far.players("free") == 0, "the pull to end")
        wait_for(lambda: not near.is_published("free"), "the push to end")
        assert far.players("held") == 1 and near.is_published("held")
        assert "pull.end" not in t.cluster.event_names("in/held")


@case
def a_server_that_drops_silent_publishers_gets_the_next_home_while_one_is_frozen(t):
    nginx = server(t, "silent", "drop_idle_publisher 1s;")
    own, home, viewer = freeze_home(t, nginx, "silent")
    begin = time.monotonic()
    wait_for(lambda: push_of(own, home).get("state") == "runs", "the next home to push")
    gap = time.monotonic() - begin
    t.note(f"{gap * 1000:.0f} ms after it froze")
    viewer.wait_media(len(viewer.media) + 50)
    own.kill(home, signal.SIGCONT)
    wait_for(lambda: len(own.api("/api/v1/pushes")["pushes"]) == 1, "one push alone")
    viewer.wait_media(len(viewer.media) + 50)
    assert gap < 5 * SLOWER, gap


@case
def a_server_that_holds_on_to_a_frozen_home_gets_the_next_one_when_it_lets_go(t):
    nginx = server(t, "frozen")
    own, home, viewer = freeze_home(t, nginx, "frozen")
    try:
        wait_for(lambda: own.streams()["frozen/cam"]["home"] != home, "a new home")
        # The server's connection to the old home is well, for all it can see.
        told = wait_for(lambda: pauses(push_of(own, home), 8), "eight attempts", 60)
    finally:
        begin = time.monotonic()
        own.kill(home, signal.SIGCONT)
    wait_for(lambda: push_of(own, home).get("state") == "runs", "the next home to push")
    gap = time.monotonic() - begin
    t.note(f"{told['detail']}; {gap * 1000:.0f} ms after it had woken up")
    assert gap < 1 * SLOWER, gap
    viewer.wait_media(len(viewer.media) + 50)


def pauses(push, attempts):
    """That one, if it was refused so often, and is not tried at this moment."""
    return push if (push.get("attempts", 0) >= attempts and push["state"] == "pauses") else None


def push_of(cluster, home):
    """The push of whoever is home now."""
    listed = cluster.api("/api/v1/pushes")["pushes"]
    return next((p for p in listed if p["node"] != home), {})


if __name__ == "__main__":
    main(CLUSTER, at_once=4)
