"""rows - the faults: one function each, played on a Stage.

A row starts with everything playing. It does its harm, waits for the events
that show that it was done, and returns; then everything that was published must
have arrived, exactly (stage/judge.py).
"""

import signal
import socket
import threading
import time

from lib.waiting import wait_for
from stage.hosts import Networks
from stage.load import AUDIO, END, VIDEO, read_trace
from stage.redis import Redis, Sentinels, Slow
from stage.stage import Stage

FROZEN_S = 10
DRAIN_RATE = 10
ROWS = {}


class Row:
    def __init__(self, name, run, is_short, stage, options):
        self.name, self.run, self.is_short = name, run, is_short
        self.stage, self.options = stage, options
        self.sentence = (run.__doc__ or "").split("\n")[0]


def row(name, short=False, stage=Stage, **options):
    """`short`: a part of `make test` too; `options` are the stage's."""
    def keep(run):
        ROWS[name] = Row(name, run, short, stage, options)
        return run
    return keep


# ---- origin


@row("origin-kill", short=True)
def origin_is_killed(s):
    """The home of streams is killed; who joins right then is served at once."""
    victim = s.home_of()
    s.kill(victim)
    s.join()
    s.wait_home_is_not(victim)
    s.wait_playing(s.joiners)


@row("origin-kill-50", streams=50, protos_each=1)
def origin_of_fifty_is_killed(s):
    """The home of fifty streams is killed."""
    origin_is_killed(s)


@row("origin-kill-audio", short=True, kinds="a")
def origin_of_sound_is_killed(s):
    """The home of streams without pictures is killed."""
    origin_is_killed(s)


@row("origin-kill-gop10", gop_ms=10000)
def origin_of_long_groups_is_killed(s):
    """The home of streams with a key frame each 10 s is killed, in a group's
    middle."""
    s.wait_s(7)
    origin_is_killed(s)


@row("origin-freeze", short=True)
def origin_freezes(s):
    """The home stops for ever."""
    victim = s.home_of()
    s.kill(victim, signal.SIGSTOP)
    s.join()
    s.wait_home_is_not(victim)
    s.wait_playing(s.joiners)


@row("origin-freeze-full", streams=8, protos_each=1, settings={"ingest.retain_ms": 5000})
def origin_freezes_when_logs_are_full(s):
    """The home stops for ever when writers keep as much as they may: their oldest
    frames leave while the rest is sent to the next home."""
    s.wait_s(6)
    origin_freezes(s)


@row("origin-freeze-50", streams=50, protos_each=1)
def origin_of_fifty_freezes(s):
    """The home of fifty streams stops for ever."""
    origin_freezes(s)


@row("origin-sleep", short=True)
def origin_sleeps(s):
    """The home stops for 10 s, and goes on as if nothing had been."""
    victim = s.home_of()
    s.kill(victim, signal.SIGSTOP)
    s.wait_home_is_not(victim)
    s.wait_s(FROZEN_S - (time.monotonic() - s.fault_us / 1e6))
    s.wake(victim)
    s.wait_s(3)
    homes = s.homes()
    assert victim not in homes.values(), f"the sleeper is home again: {homes}"


STATE_FRAMES = 30  # of one stream that may come again: EPOCH, TRACKS, CONFIG, …


@row("replicas-origin-kill", short=True, settings={"ingest.replicas": 2})
def origin_of_two_is_killed(s):
    """With replicas: 2 the home is killed; the next one has all of it, and nothing
    is sent again."""
    wait_for(lambda: all("replica.open" in s.cluster.event_names(x.key)
                         for x in s.streams), "a copy of each stream")
    s.wait_s(3)
    victim = s.home_of()
    heir = next(n.id for n in s.cluster.role("origin") if n.id != victim)
    came = s.cluster.metrics(heir).sum("weir_origin_frames_total")
    since_us = time.monotonic_ns() // 1000
    origin_is_killed(s)
    came = s.cluster.metrics(heir).sum("weir_origin_frames_total") - came
    s.load.say()
    sent = sum(1 for p in s.load.publishers for e in read_trace(p.trace)
               if e.at_us >= since_us and e.kind in (VIDEO, AUDIO))
    s.note(f"the heir got {came:.0f} frames while {sent} were published")
    assert came <= sent + STATE_FRAMES * len(s.streams), (came, sent)


@row("replicas-both-kill", origin=3, settings={"ingest.replicas": 2})
def home_and_ingest_are_killed_and_a_copy_is_there(s):
    """With replicas: 2 home and ingest die in one moment: the copy goes on with the
    publisher's return, as if only the ingest had died."""
    wait_for(lambda: all("replica.open" in s.cluster.event_names(x.key)
                         for x in s.streams), "a copy of each stream")
    victim, ingest = s.home_of(), writer_of(s)
    s.kill_ingest(ingest, [victim])
    wait_for(lambda: any(p["session"] > 1 for p in s.load.say()[0]),
             "a publisher to return", 30)
    publishers_return(s, ingest)
    s.wait_home_is_not(victim)


@row("origin-kill-twice", origin=3)
def one_origin_after_another(s):
    """The home is killed, then the next one."""
    for _ in range(2):
        victim = s.home_of()
        s.kill(victim)
        s.wait_home_is_not(victim)
        s.wait_s(1.5)


# ---- ingest


def publishers_return(s, victim):
    wait_for(lambda: all(p["ready"] for p in s.load.say()[0]),
             f"the publishers of {victim} to be back", 30)


@row("ingest-kill", short=True)
def ingest_is_killed(s):
    """An ingest is killed: its publishers go elsewhere, viewers stay."""
    s.kill_ingest("ingest-1")
    wait_for(lambda: any(p["session"] > 1 for p in s.load.say()[0]),
             "a publisher to return", 30)
    publishers_return(s, "ingest-1")


@row("ingest-kill-busy", short=True)
def ingest_is_killed_while_origins_have_no_time(s):
    """Origins have no processor for 0.3 s, and an ingest is killed meanwhile: what it
    had sent to them is still read."""
    origins = [n.id for n in s.cluster.role("origin")]
    for id_ in origins:
        s.cluster.kill(id_, signal.SIGSTOP)
    s.wait_s(0.2)
    s.kill_ingest("ingest-1")
    for id_ in origins:
        s.wake(id_)
    wait_for(lambda: any(p["session"] > 1 for p in s.load.say()[0]),
             "a publisher to return", 30)
    publishers_return(s, "ingest-1")


@row("ingest-sleep")
def ingest_sleeps(s):
    """An ingest stops for 10 s; its publishers go elsewhere meanwhile. When it
    wakes, it is fenced, and tells its old publishers why."""
    mine = writers_at(s, "ingest-1")
    s.hurt_ingest("ingest-1", signal.SIGSTOP)
    s.wait_s(1)
    for p in mine:
        s.load.abandon(p)
    publishers_return(s, "ingest-1")
    s.wait_s(FROZEN_S - (time.monotonic() - s.fault_us / 1e6))
    s.wake("ingest-1")
    said = wait_for(lambda: [x["left"] for x in (s.load.say()[0][p.number] for p in mine)
                             if x["left"]] or None, "the old publishers to be closed")
    s.note(f"the sleeper said: {said[0]}")
    s.wait_s(3)


def writers_at(s, ingest):
    streams = s.cluster.streams()
    mine = [p for p in s.load.publishers if streams[p.stream.key]["writer"] == ingest]
    assert mine, f"nobody publishes at {ingest}"
    return mine


@row("origin-and-ingest-kill", short=True, ingest=2, origin=3)
def origin_and_ingest_are_killed(s):
    """Home and ingest of a stream die in one moment; its publisher returns."""
    victim, ingest = s.home_of(), writer_of(s)
    s.excuse_all()
    s.kill(victim)
    s.cluster.kill(ingest)
    wait_for(lambda: any(p["session"] > 1 for p in s.load.say()[0]),
             "a publisher to return", 30)
    publishers_return(s, ingest)
    s.wait_home_is_not(victim)


def writer_of(s, index=0):
    return s.cluster.streams()[s.streams[index].key]["writer"]


# ---- dispatch


@row("dispatch-kill", short=True)
def dispatch_is_killed(s):
    """One of two is killed; another stream is published and found."""
    s.kill("dispatch-1")
    s.publish_more()


@row("dispatch-kill-all")
def all_of_dispatch_are_killed(s):
    """All are killed: known streams play on, new ones are published and found."""
    s.kill("dispatch-1")
    s.cluster.kill("dispatch-2")
    s.publish_more()
    s.join()
    s.wait_playing(s.joiners)


# ---- registry


@row("redis-kill", short=True)
def redis_is_killed(s):
    """The registry dies for ever: no pause; joiners, and new publishers, are let
    in."""
    s.fault()
    s.registry.kill()
    s.wait_s(2)
    s.join()
    s.publish_more()
    s.wait_playing(s.joiners)


@row("redis-empty", short=True)
def redis_is_emptied(s):
    """The registry dies and comes back with nothing in it; all is written anew."""
    before = s.homes()
    s.fault()
    s.registry.kill()
    s.wait_s(1)
    s.publish_more()
    s.registry.start()
    wait_for(lambda: entries(s) >= {x.key for x in s.streams},
             "the streams to be in the registry again", 30)
    after = s.homes()
    assert all(after[key] == home for key, home in before.items()), (before, after)


def entries(s):
    said = s.registry.ask("SMEMBERS", "weir:{weir}:streams")
    return set((said or "").split())


@row("redis-freeze")
def redis_freezes(s):
    """The registry stops for 10 s."""
    s.fault()
    s.registry.signal(signal.SIGSTOP)
    s.wait_s(1)
    s.publish_more()
    s.join()
    s.wait_playing(s.joiners)
    s.wait_s(FROZEN_S - (time.monotonic() - s.fault_us / 1e6))
    s.registry.signal(signal.SIGCONT)
    s.wait_s(3)


class SlowRedis:
    """A Redis with a brake in front."""

    def __init__(self, folder):
        self.redis = Redis(folder).start()
        self.brake = Slow(self.redis)
        self.address = self.brake.address
        self.ask = self.redis.ask

    def end(self):
        self.brake.end()
        self.redis.end()


@row("redis-slow", registry=SlowRedis)
def redis_is_slow(s):
    """Each answer of the registry takes 1 s."""
    s.fault()
    s.registry.brake.delay_s = 1.0
    s.wait_s(2)
    s.publish_more()
    s.join()
    s.wait_playing(s.joiners)
    s.wait_s(3)
    s.registry.brake.delay_s = 0
    s.wait_s(3)


@row("redis-slow-origin-kill", registry=SlowRedis)
def redis_is_slow_and_an_origin_dies(s):
    """The registry takes 1 s for an answer while a home is killed."""
    s.registry.brake.delay_s = 1.0
    s.wait_s(2)
    origin_is_killed(s)


@row("sentinel", registry=Sentinels)
def a_failover_that_loses_writes(s):
    """The master is cut from its replica, takes writes, dies: the Sentinels choose
    the replica, which does not have them."""
    r = s.registry
    r.replica.ask("REPLICAOF", "NO", "ONE")  # it hears no more of the master
    s.publish_more()
    key = s.streams[-1].key
    assert r.master.ask("SISMEMBER", "weir:{weir}:streams", key) == "1"
    assert r.replica.ask("SISMEMBER", "weir:{weir}:streams", key) == "0"
    r.master.kill()
    s.fault()
    r.wait_other_master()
    s.wait_s(4)
    s.publish_more()
    s.join()
    s.wait_playing(s.joiners)


# ---- edge


def assert_public_ports_serve(s, proto, count=200):
    """So many new connections, one after the other and at once."""
    told = s.cluster.told["public"]["rtmp" if proto == "rtmp" else "http"]
    address = told.replace("0.0.0.0:", "127.0.0.1:")
    host, _, port = address.rpartition(":")
    key = s.streams[0].key
    bad = []

    def one():
        try:
            with socket.create_connection((host, int(port)), 5) as c:
                c.settimeout(10)
                if proto == "rtmp":
                    c.sendall(b"\3" + b"\0" * 1536)
                    want = 1537
                else:
                    c.sendall(f"GET /{key}.flv HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                    want = 512
                got = 0
                while got < want:
                    data = c.recv(65536)
                    assert data, "closed"
                    got += len(data)
        except (OSError, AssertionError) as e:
            bad.append(repr(e))

    for _ in range(count // 20):
        threads = [threading.Thread(target=one) for _ in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert not bad, f"{len(bad)} of {count} were not served: {bad[0]}"


@row("edge-kill", short=True, edge=3)
def edge_is_killed(s):
    """An edge dies: its viewers go, others notice nothing, newcomers are served."""
    s.cut_edges.add("edge-1")
    s.kill("edge-1")
    assert_public_ports_serve(s, "flv")
    assert_public_ports_serve(s, "rtmp")


@row("edge-freeze", short=True, edge=3)
def edge_freezes(s):
    """An edge stops: newcomers are served by the others."""
    s.cut_edges.add("edge-1")
    s.kill("edge-1", signal.SIGSTOP)
    assert_public_ports_serve(s, "flv")
    assert_public_ports_serve(s, "rtmp")


# ---- packager


SEGMENTS = {"cluster.fragment_duration_ms": 1000}
WITH_HLS = {"hls": 2, "packager": 2, "gop_ms": 1000, "settings": SEGMENTS}


@row("packager-kill", short=True, **WITH_HLS)
def packager_is_killed(s):
    """One of two packagers dies: who plays segments at edges notices nothing, and
    has the same as at the other packager."""
    s.kill("packager-1")
    s.wait_segments(5)


@row("packager-restart", restarts=True, **WITH_HLS)
def packager_is_restarted(s):
    """A packager is killed and started again: it lists the same as its sibling,
    what it never saw included."""
    before = s.cluster.node("packager-1").pid
    s.kill("packager-1")
    s.wait_back("packager-1", before)
    s.wait_segments(5)


@row("packager-kill-both", restarts=True, **WITH_HLS)
def both_packagers_die(s):
    """Both are killed in one moment and started again. What is listed then is
    there, and nothing is listed twice or otherwise."""
    before = {id_: s.cluster.node(id_).pid for id_ in ("packager-1", "packager-2")}
    s.fault()
    for id_ in before:
        s.cluster.kill(id_)
    for id_, pid in before.items():
        s.wait_back(id_, pid)
    s.wait_segments(5)


@row("packager-freeze", **WITH_HLS)
def packager_freezes(s):
    """A packager stops for ever."""
    s.kill("packager-1", signal.SIGSTOP)
    s.watchers = [w for w in s.watchers if w.id != "packager-1"]
    s.wait_segments(5)


@row("hls-origin-kill", short=True, **WITH_HLS)
def origin_of_segments_is_killed(s):
    """The home dies: segments lack nothing, and are the same everywhere."""
    victim = s.home_of()
    s.kill(victim)
    s.wait_home_is_not(victim)
    s.wait_segments(5)


@row("hls-ingest-kill", **WITH_HLS)
def ingest_of_segments_is_killed(s):
    """An ingest dies: segments go on, the same everywhere."""
    ingest_is_killed(s)
    s.wait_segments(5)


# ---- drain, and one by one


@row("drain-origin", short=True)
def origin_is_drained(s):
    """SIGTERM to the home: streams move first, then it ends."""
    victim = s.home_of()
    s.kill_gently(victim)
    s.wait_home_is_not(victim)
    s.wait_gone(victim)


@row("drain-origin-api")
def origin_is_drained_by_the_api(s):
    """The same, asked of the API."""
    victim = s.home_of()
    s.fault()
    s.cluster.api(f"/api/ctrl/drain?node={victim}", {})
    s.wait_home_is_not(victim)
    s.wait_gone(victim)


@row("drain-origin-absent", short=True, retry_ms=2500, **WITH_HLS)
def origin_is_drained_while_publishers_are_away(s):
    """SIGTERM to the home while the publishers are away: it stays until they have
    come back, or would have had to. Viewers stay, time goes on, segments are
    numbered on."""
    victim = s.home_of()
    s.allow_return()
    for stream in s.streams:
        kick_publisher(s, stream)
    wait_for(lambda: not any(s.cluster.streams()[x.key]["live"] for x in s.streams),
             "all streams to have lost their publishers")
    s.kill_gently(victim)
    wait_for(lambda: s.cluster.admin(victim, "/readyz")[0] == 503, f"{victim} to drain")
    s.wait_published()
    s.wait_home_is_not(victim)
    s.wait_gone(victim)
    s.wait_segments(5)
    for stream in s.streams:
        assert_same_life(s, stream)


def kick_publisher(s, stream):
    name = stream.key.rpartition("/")[2]
    s.cluster.api("/api/ctrl/kick_session", {
        "stream_name": name, "session_id": s.cluster.group(name)["pub"]["session_id"]})


def assert_same_life(s, stream):
    """Its publisher came back to the stream that was: the epoch goes on from the one
    before, and segments are numbered on, one by one, under the same incarnation."""
    opened = [e["detail"] for e in s.cluster.events(stream.key) if e["event"] == "epoch"]
    assert len(opened) > 1 and "goes on from" in opened[-1], (stream.key, opened)
    for w in s.watchers:
        if w.stream is not stream:
            continue
        seen = w.player.numbers
        assert seen == list(range(seen[0], seen[-1] + 1)), (str(w), seen)
        lives = {w.player.segments[n].uri.rpartition("/")[2].partition("-")[0] for n in seen}
        assert len(lives) == 1, (str(w), lives)


@row("ingest-hand-over", short=True)
def ingest_hands_its_publishers_over(s):
    """SIGTERM to an ingest whose sibling takes its publishers, sockets and all:
    nobody is cut, nothing is lost. Then the sibling's home dies."""
    mine = writers_at(s, "ingest-1")
    s.kill_gently("ingest-1")
    s.wait_gone("ingest-1")
    s.note(f"{len(mine)} were handed over")
    s.wait_s(1)
    victim = s.home_of()
    s.cluster.kill(victim)
    s.wait_home_is_not(victim)


@row("replicas-hand-over", origin=3, settings={"ingest.replicas": 2})
def ingest_hands_copied_streams_over(s):
    """The same with streams on two origins."""
    ingest_hands_its_publishers_over(s)


@row("drain-ingest", short=True, settings={"cluster.run_dir": ""})
def ingest_is_drained(s):
    """SIGTERM to an ingest without a sibling that takes its publishers: they are
    asked to go, all that they send until then is brought out, and they go on
    elsewhere. Nothing is lost."""
    s.is_publisher_cut = True
    s.kill_gently("ingest-1")
    s.wait_gone("ingest-1")
    publishers_return(s, "ingest-1")


@row("drain-edge", edge=3, settings={"cluster.drain_rate": DRAIN_RATE})
def edge_is_drained_in_groups(s):
    """An edge closes its viewers at drain_rate; others notice nothing."""
    s.cut_edges.add("edge-1")
    mine = [v for v in s.load.viewers if v.edge == "edge-1"]
    s.fault()
    s.cluster.api("/api/ctrl/drain?node=edge-1", {})
    s.wait_gone("edge-1")
    s.load.say()
    ends = sorted(e.at_us for v in mine for e in read_trace(v.trace) if e.kind == END)
    assert len(ends) == len(mine), f"{len(ends)} of {len(mine)} were ended"
    took_s = (ends[-1] - ends[0]) / 1e6
    s.note(f"{len(ends)} viewers ended over {took_s:.2f} s")
    assert took_s > (len(ends) - 2) / DRAIN_RATE * 0.9, took_s
    assert_public_ports_serve(s, "flv", 20)


@row("drain-api-faults")
def drain_of_nobody_is_refused(s):
    """The API says what is wrong with a drain, and nothing happens."""
    s.fault()
    for query, want in (("", 400), ("?node=", 400), ("?node=nobody", 404)):
        status, said = s.cluster.ask(f"/api/ctrl/drain{query}", {})
        assert status == want, (query, status, said)
    status, said = s.cluster.ask("/api/ctrl/drain?node=origin-1", {}, token="")
    assert status in (401, 403), (status, said)
    s.cluster.assert_all_alive()


@row("rolling-restart", restarts=True, short=True, packager=2)
def rolling_restart(s):
    """Everything but the edges that are watched is restarted, one by one, in
    order: dispatch, packagers, origins, ingests. Publishers are handed over."""
    s.fault()
    for role in ("dispatch", "packager", "origin", "ingest"):
        for node in s.cluster.role(role):
            s.restart(node.id)


# ---- networks


@row("host-cut", short=True, stage=Networks)
def host_of_the_home_is_cut_off(s):
    """The home's host is cut off, both ways, for good."""
    victim = s.home_of()
    s.cut_off(victim)
    s.wait_home_is_not(victim)


@row("host-cut-out", stage=Networks)
def host_of_the_home_cannot_speak(s):
    """What the home's host sends is lost; it still hears."""
    victim = s.home_of()
    s.cut_off(victim, ("OUTPUT",))
    s.wait_home_is_not(victim)


@row("host-cut-in", stage=Networks)
def host_of_the_home_cannot_hear(s):
    """The home's host hears nothing; what it sends arrives."""
    victim = s.home_of()
    s.cut_off(victim, ("INPUT",))
    s.wait_home_is_not(victim)


@row("host-cut-healed", stage=Networks)
def host_of_the_home_is_cut_off_and_comes_back(s):
    """The same, for 10 s."""
    victim = s.home_of()
    s.cut_off(victim)
    s.wait_home_is_not(victim)
    s.wait_s(FROZEN_S - (time.monotonic() - s.fault_us / 1e6))
    s.heal()
    s.wait_linked()
    s.wait_s(3)
    assert_one_home(s)


def assert_one_home(s):
    """No two origins take themselves for the home of a stream."""
    for stream in s.streams:
        names = [e["detail"] for e in s.cluster.events(stream.key)
                 if e["event"] == "home.open"]
        assert names and names[-1] == s.homes()[stream.key], (stream.key, names)


SPLIT_S = 6
# What waited behind the cut comes at once when it is healed: viewers that have not
# taken it in the same moment are not to be moved to the newest key frame.
WITH_LAG = {"edge.viewer_max_lag_ms": 3000 * SPLIT_S}


def split(name, pairs, one_way=False, short=False):
    def run(s):
        s.fault()
        for a, b in pairs:
            s.cut(a, b, one_way)
        s.wait_s(SPLIT_S)
        s.heal()
        s.wait_linked()
        s.wait_s(3)
        assert_one_home(s)
    words = " and ".join(f"{a} from {b}" for a, b in pairs)
    run.__doc__ = f"Cut for {SPLIT_S} s{', one way' if one_way else ''}: {words}."
    row("split-" + name, short, Networks, settings=WITH_LAG)(run)


split("ingest-origin", [("ingest", "origin")])
split("ingest-1-origin-1", [("ingest-1", "origin-1")], short=True)
split("ingest-1-origin-1-one-way", [("ingest-1", "origin-1")], one_way=True)
split("origin-1-ingest-1-one-way", [("origin-1", "ingest-1")], one_way=True)
split("edge-origin", [("edge", "origin")])
split("edge-1-origin-1", [("edge-1", "origin-1")])
split("edge-1-origin-1-one-way", [("edge-1", "origin-1")], one_way=True)
split("origin-1-edge-1-one-way", [("origin-1", "edge-1")], one_way=True)
split("packager-origin", [("packager", "origin")])
split("dispatch-all", [("dispatch", role) for role in
                       ("ingest", "origin", "edge", "packager")])
split("origin-origin", [("origin", "origin")])
split("ingest-redis", [("ingest", "redis")])
split("origin-redis", [("origin", "redis")])
split("edge-redis", [("edge", "redis")])
split("dispatch-redis", [("dispatch", "redis")])
split("all-redis", [(role, "redis") for role in
                    ("ingest", "origin", "edge", "packager", "dispatch")])
