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
from stage.redis import Redis, Sentinels, Slow

FROZEN_S = 10
ROWS = {}


class Row:
    def __init__(self, name, run, is_short, options):
        self.name, self.run, self.is_short, self.options = name, run, is_short, options
        self.sentence = (run.__doc__ or "").split("\n")[0]


def row(name, short=False, **options):
    """`short`: a part of `make test` too; `options` are Stage's."""
    def keep(run):
        ROWS[name] = Row(name, run, short, options)
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


@row("origin-kill-50", streams=50)
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


@row("origin-freeze-50", streams=50)
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
    s.is_publisher_cut = True
    s.excuse_us = time.monotonic_ns() // 1000
    s.kill("ingest-1")
    wait_for(lambda: any(p["session"] > 1 for p in s.load.say()[0]),
             "a publisher to return", 30)
    publishers_return(s, "ingest-1")


@row("ingest-sleep", publishers=1)
def ingest_sleeps(s):
    """An ingest stops for 10 s; its publishers have gone elsewhere meanwhile."""
    s.is_publisher_cut = True
    s.excuse_us = time.monotonic_ns() // 1000
    s.kill("ingest-1", signal.SIGSTOP)
    s.load.cut(stall_ms=1000)
    publishers_return(s, "ingest-1")
    s.wait_s(FROZEN_S - (time.monotonic() - s.fault_us / 1e6))
    s.wake("ingest-1")
    s.wait_s(3)


@row("origin-and-ingest-kill", short=True, ingest=2, origin=3)
def origin_and_ingest_are_killed(s):
    """Home and ingest of a stream die in one moment; its publisher returns."""
    s.is_publisher_cut = True
    victim, ingest = s.home_of(), writer_of(s)
    s.excuse_us = 0  # the newest log died with them
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
    r.replica.ask("DEBUG", "SLEEP", "0")
    s.publish_more()
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


@row("packager-kill", packager=2)
def packager_is_killed(s):
    """One packager dies; live viewers have nothing to do with it."""
    s.kill("packager-1")
    s.wait_s(2)


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
