#!/usr/bin/env python3
"""weir up: what it says, what it starts, and that nothing of it is left."""

import json
import os
import re
import signal
import socket

from lib import clips, flv
from lib.cluster import Cluster
from lib.process import is_alive, listener_pid, wait_gone
from lib.weirtest import case, main, wait_for

ADDRESS = re.compile(r"127\.0\.0\.1:\d+$")


def free_base():
    """A base port around which nobody listens just now."""
    for base in range(21000 + os.getpid() % 2000 * 10, 60000, 300):
        ports = [base, base + 1, base + 2, base + 10] + [base + 101 + i for i in range(5)]
        sockets = []
        try:
            for port in ports:
                s = socket.socket()
                sockets.append(s)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for s in sockets:
                s.close()
    raise AssertionError("no free ports")


def started(t, **options):
    options.setdefault("ingest_ports", False)
    cluster = Cluster(**options)
    t.at_end(cluster.kill_all)
    return cluster.start(t.logs)


def can_connect(address):
    host, port = address.rsplit(":", 1)
    with socket.socket() as s:
        s.settimeout(5)
        return s.connect_ex((host, int(port))) == 0


@case
def one_line_of_json_says_where_everything_is(t):
    cluster = started(t)
    told = cluster.told
    assert re.match(r"http://127\.0\.0\.1:\d+$", told["api"]), told
    assert len(told["token"]) >= 32, told
    assert ADDRESS.match(told["redis"]), told
    for address in told["public"].values():
        assert ADDRESS.match(address) and can_connect(address), told
    assert sorted(told["public"]) == ["http", "rtmp"], told
    roles = [n["role"] for n in told["nodes"]]
    assert sorted(roles) == ["dispatch", "edge", "ingest", "origin", "packager"], roles
    wanted = {"ingest": {"admin"}, "edge": {"rtmp", "http", "admin"},
              "origin": {"admin"}, "packager": {"admin"}, "dispatch": {"admin"}}
    for n in told["nodes"]:
        assert n["id"] == n["role"] + "-1" and is_alive(n["pid"]), n
        assert wanted[n["role"]] <= set(n["addresses"]), n
        for name in wanted[n["role"]]:
            assert can_connect(n["addresses"][name]), (n["id"], name)
    assert "rtmp" not in cluster.node("ingest-1").addresses, "a port that nobody asked for"
    edge = cluster.node("edge-1").addresses
    assert edge["rtmp"] != told["public"]["rtmp"], "the edge has no RTMP port of its own"
    assert edge["http"] != told["public"]["http"], "the edge has no HTTP port of its own"
    with open(cluster.dir + "/../up.line", encoding="utf-8") as f:
        assert f.read().count("\n") == 1, "more than one line"
    cluster.stop()


@case
def a_folder_that_it_made_goes_with_it(t):
    for number in (signal.SIGTERM, signal.SIGINT):
        folder = t.file(f"made-{number}")
        cluster = Cluster(packager=0)
        up = t.run(*cluster.command(folder), output=t.file("line"))
        wait_for(lambda: os.path.getsize(t.file("line")) or up.has_ended(), "the line", 40)
        assert os.path.exists(folder + "/up.json"), up.text()
        assert os.stat(folder + "/up.json").st_mode & 0o77 == 0, "others may read the token"
        with open(t.file("line"), encoding="utf-8") as f:
            pids = [n["pid"] for n in json.load(f)["nodes"]]
        assert up.stop(number) == 0, up.text()
        assert not any(is_alive(p) for p in pids), "a node outlived it"
        assert not os.path.exists(folder), os.listdir(folder)


@case
def ports_are_counted_from_the_base_and_a_busy_one_is_named(t):
    base = free_base()
    first = started(t, options=["--base-port", base], ingest_ports=True)
    assert first.told["public"]["rtmp"] == f"127.0.0.1:{base}", first.told
    assert first.told["public"]["http"] == f"127.0.0.1:{base + 1}", first.told
    assert first.told["api"] == f"http://127.0.0.1:{base + 2}", first.told
    assert first.node("ingest-1").addresses["rtmp"] == f"127.0.0.1:{base + 10}"
    admin = [n.addresses["admin"] for n in first.nodes]
    assert sorted(admin) == [f"127.0.0.1:{base + 101 + i}" for i in range(5)], admin

    second = t.run(*Cluster(options=["--base-port", base]).command(t.file("second")))
    assert second.wait() == 1, second.text()
    assert f"port {base} (RTMP) is used by" in second.text(), second.text()
    assert f"(pid {first.up.pid})" in second.text(), second.text()
    assert "--base-port" in second.text(), second.text()
    assert not os.path.exists(t.file("second")), "it left a folder"
    first.stop()


@case
def without_edges_the_ingests_have_the_public_port(t):
    t.cluster = cluster = started(t, ingest=2, edge=0, packager=0)
    for i in range(4):
        t.push(clips.tiny(1), f"live/direct{i}")
    both = [cluster.metrics(n.id).sum("weir_ingest_publishers") for n in cluster.role("ingest")]
    assert sum(both) == 4, both
    cluster.stop()


@case
def killed_it_takes_everything_along(t):
    folder = t.file("killed")
    cluster = Cluster()
    t.at_end(cluster.kill_all)
    key, _, value = cluster.mark.partition("=")
    os.environ[key] = value
    try:
        up = t.run(*cluster.command(folder), output=t.file("line"))
    finally:
        del os.environ[key]
    wait_for(lambda: os.path.getsize(t.file("line")) or up.has_ended(), "the line", 40)
    with open(t.file("line"), encoding="utf-8") as f:
        cluster.redis_pid = listener_pid("redis-server", json.load(f)["redis"])
    assert cluster.redis_pid and len(cluster.processes()) >= 8, cluster.processes()
    up.send_signal(signal.SIGKILL)
    wait_gone(up.pid)
    wait_for(lambda: not cluster.processes(), "all processes to end")
    wait_for(lambda: not os.path.exists(folder), "its folder to go")


@case
def what_dies_is_started_again_and_takes_part(t):
    cluster = Cluster(packager=0)
    words = [w for w in cluster.command(t.file("again")) if w != "--no-restart"]
    up = t.run(*words, output=t.file("line"))
    wait_for(lambda: os.path.getsize(t.file("line")) or up.has_ended(), "the line", 40)
    with open(t.file("line"), encoding="utf-8") as f:
        nodes = {n["id"]: n for n in json.load(f)["nodes"]}
    os.kill(nodes["edge-1"]["pid"], signal.SIGKILL)

    def is_back():
        with open(t.file("again") + "/up.json", encoding="utf-8") as f:
            new = {n["id"]: n for n in json.load(f)["nodes"]}["edge-1"]
        return new["pid"] not in (0, nodes["edge-1"]["pid"]) and new
    new = wait_for(is_back, "another edge-1")
    assert new["addresses"] == nodes["edge-1"]["addresses"], (new, nodes["edge-1"])
    assert can_connect(new["addresses"]["rtmp"])
    assert up.stop() == 0, up.text()


@case
def people_are_told_what_to_type_and_what_is_published(t):
    """What it says can be pasted."""
    words = [w for w in Cluster(packager=0).command(t.file("people")) if w != "--json"]
    up = t.run(*words, name="people")
    wait_for(lambda: "Stop      Ctrl-C" in up.text() or up.has_ended(), "its page", 40)
    page = up.text()
    server, name = re.search(r"OBS: Server (\S+)\s+Stream key (\S+)", page).groups()
    t.weir("push", clips.reference(8), f"{server}/{name}")
    line = wait_for(lambda: re.search(r"^live/test110 .*$", up.text(), re.M), "its line")
    told = line.group(0)
    assert re.match(r"live/test110 320x180 H.264 30 fps, AAC 44.1 kHz, key frame every "
                    r"1 s → play http://\S+$", told), told
    pull = t.pull(told.split()[-1], "--frames", 30).finish()
    assert flv.media(flv.read(pull.file)), pull.text()
    assert f"http://{told.split('/')[-3]}/live/test110.flv" in page, page
    assert "Play      http://" in page and f"          {server}/{name}\n" in page, page
    assert up.stop() == 0, up.text()


@case
def another_redis_can_be_used(t):
    port = free_base()
    redis = t.run("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
                  "--dir", t.folder)
    wait_for(lambda: can_connect(f"127.0.0.1:{port}"), "redis-server")
    t.cluster = cluster = started(t, options=["--redis", f"127.0.0.1:{port}"])
    assert cluster.told["redis"] == f"127.0.0.1:{port}", cluster.told
    viewer = t.view("live/other")
    t.push(clips.tiny(1), "live/other")
    viewer.wait_media()
    cluster.redis_pid = None  # it is not its own: it stays
    cluster.stop()
    assert not redis.has_ended(), "it ended a redis-server that is not its own"


@case
def many_may_start_at_once(t):
    """Each finds ports of its own, and a registry that nobody else uses."""
    clusters = [Cluster(packager=0) for _ in range(8)]
    try:
        for i, c in enumerate(clusters):
            c.launch(os.path.join(t.logs, str(i)))
        for c in clusters:
            c.wait_ready()
        assert len({c.told["redis"] for c in clusters}) == 8, "two share a registry"
        for c in clusters:
            nodes = wait_for(lambda c=c: c.api("/api/nodes")["nodes"], "its nodes")
            pids = {n["pid"] for n in nodes}
            assert pids == {n.pid for n in c.nodes}, (pids, c.told)
            c.stop()
    finally:
        for c in clusters:
            c.kill_all()


@case
def two_clusters_do_not_disturb_each_other(t):
    """The same names in both: each viewer gets its own cluster's stream."""
    settings = {"cluster.publish_grace_ms": 500}
    with Cluster(settings=settings) as a, Cluster(settings=settings) as b:
        taken = []
        for c, number in ((a, 1), (b, 2)):
            t.cluster = c
            taken.append((number, t.view("live/same"), t.view_rtmp("live/same")))
        pushes = []
        for c, number in ((a, 1), (b, 2)):
            t.cluster = c
            pushes.append(t.push(clips.tiny(number, 3), "live/same"))
        for push in pushes:
            push.finish()
        for number, *viewers in taken:
            for v in viewers:
                v.wait_over()
                flv.assert_same(flv.read(clips.tiny(number, 3)), v.tags)
        a.stop()
        assert b.api("/api/stat/lal_info")["error_code"] == 0
        b.stop()


if __name__ == "__main__":
    main(at_once=2)
