"""stage - a cluster with publishers and recording viewers, and a fault in it."""

import json
import os
import re
import signal
import tempfile
import time

from lib.cluster import Cluster, Node
from lib.env import LOGS
from lib.process import is_alive, wait_gone
from lib.waiting import wait_for
from stage import judge
from stage.deaths import Death, Deaths, Leave
from stage.load import Load
from stage.redis import Redis
from stage.segments import Watcher, compare

GRACE_MS = 8000
SETTLE_S = 1.5  # of media behind what a row has done
BOUND = re.compile(r'stream=(\S+) event=home\.bound .*detail="[^,"]+, term (\d+ [0-9a-f]+)"')
PROTOS = ("rtmp", "flv", "ts", "wsflv", "wsts")


class Stream:
    def __init__(self, number):
        self.number, self.key = number, f"live/chaos{number}"


class Pinned(Cluster):
    """All of it on one processor, so that recorders have another one."""

    def __init__(self, cpu=None, restarts=False, **options):
        super().__init__(**options)
        self.cpu, self.restarts = cpu, restarts

    def command(self, folder):
        pin = ["taskset", "-c", str(self.cpu)] if self.cpu is not None else []
        words = super().command(folder)
        if self.restarts:
            words.remove("--no-restart")
        return pin + words

    def read_nodes(self):
        """What runs now, after restarts."""
        with open(os.path.join(self.dir, "up.json"), encoding="utf-8") as f:
            self.nodes = [Node(n) for n in json.load(f)["nodes"]]


class Stage:
    """Counts of roles as Cluster has them; `streams` of them are published, and
    each is played in every protocol of `protos` at every edge."""

    def __init__(self, name, streams=4, protos=PROTOS, kinds="b", kbps=500,
                 gop_ms=2000, pin=False, settings=None, registry=None, retry_ms=200,
                 cluster=Pinned, restarts=False, watched=None, protos_each=None,
                 hls=0, frames_of=None, **counts):
        self.folder = tempfile.mkdtemp(prefix=f"chaos-{name}-", dir=LOGS)
        self.protos, self.kinds, self.kbps = protos, kinds, kbps
        self.gop_ms, self.retry_ms = gop_ms, retry_ms
        self.protos_each = protos_each or len(protos)  # of one stream, in turn
        self.hls_streams, self.watchers = hls, []  # so many are watched by HLS, too
        self.frames_of = frames_of  # what viewers take; 0: of any publisher
        self.watched = watched  # how many edges have viewers; None: all
        self.streams = [Stream(i + 1) for i in range(streams)]
        self.registry = registry(self.folder) if registry else Redis(self.folder).start()
        settings = {"cluster.publish_grace_ms": GRACE_MS, **(settings or {})}
        counts = {"ingest": 2, "origin": 2, "edge": 2, "packager": 1, "dispatch": 2,
                  **counts}
        self.cluster = cluster(settings=settings, cpu=0 if pin else None,
                               restarts=restarts,
                               options=["--redis", self.registry.address,
                                        "--host", "0.0.0.0"], **counts)
        self.load = Load(os.path.join(self.folder, "traces"), 1 if pin else None)
        self.fault_us = None
        self.cut_edges = set()  # whose viewers may be cut
        self.is_publisher_cut = False  # publishers may have to return
        self.deaths = Deaths()  # of ingests: what came right before may be lost
        self.is_judged = True  # else the row itself judges, into
        self.verdict = judge.Verdict()
        self.skips, self.notes = {}, []
        self.joiners, self.late = [], []  # viewers that came behind the fault

    # ---- life

    def __enter__(self):
        try:
            self.cluster.start(self.folder)
            self.cluster.redis_pid = None  # ours
            for stream in self.streams:
                self.publish(stream)
            self.wait_published()
            for stream in self.streams:
                self.watch(stream)
            self.wait_playing(self.load.viewers)
            self.watch_segments()
            self.skips = self.count_skips()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        for w in self.watchers:
            w.player.halt()
        self.load.end()
        self.cluster.kill_all()
        self.registry.end()

    def note(self, text):
        self.notes.append(text)

    # ---- publishers and viewers

    def publish_urls(self, stream):
        ingests = self.cluster.role("ingest")
        turn = stream.number % len(ingests)
        return [self.publish_url(n, stream) for n in ingests[turn:] + ingests[:turn]]

    def publish_url(self, node, stream):
        return f"rtmp://{self.reach(node, 'rtmp')}/{stream.key}"

    @staticmethod
    def reach(node, name):
        return node.addresses[name].replace("0.0.0.0:", "127.0.0.1:")

    def publish(self, stream, **options):
        options = {"kinds": self.kinds, "kbps": self.kbps, "gop_ms": self.gop_ms,
                   "retry_ms": self.retry_ms, **options}
        return self.load.publish(stream, self.publish_urls(stream), **options)

    def view(self, stream, proto, edge):
        address = self.reach(edge, "rtmp" if proto == "rtmp" else "http")
        suffix = {"rtmp": "", "flv": ".flv", "wsflv": ".flv", "ts": ".ts",
                  "wsts": ".ts"}[proto]
        scheme = "rtmp" if proto == "rtmp" else "http"
        return self.load.view(stream, proto, f"{scheme}://{address}/{stream.key}{suffix}",
                              edge.id, self.frames_of)

    def watch(self, stream, edges=None):
        return [self.view(stream, proto, edge)
                for edge in edges or self.cluster.role("edge")[:self.watched]
                for proto in self.protos_of(stream)]

    def protos_of(self, stream):
        turn = stream.number % len(self.protos)
        return (self.protos[turn:] + self.protos[:turn])[:self.protos_each]

    def watch_segments(self):
        """Of the first streams, at every edge and packager; once they have two."""
        nodes = self.cluster.role("edge")[:self.watched] + self.cluster.role("packager")
        self.watchers = [Watcher(self, stream, node.id) for node in nodes
                         for stream in self.streams[:self.hls_streams]]
        for w in self.watchers:
            w.player.wait_segments(2)

    def wait_segments(self, count):
        """Until who watches by HLS and lives has so many more."""
        goals = [(w, len(w.player.bodies) + count) for w in self.watchers
                 if any(n.id == w.id for n in self.cluster.nodes)]
        for w, goal in goals:
            w.player.wait_segments(goal)

    def join(self, within_s=0.1):
        """New viewers of every stream, now: they have to begin at once."""
        begin = time.monotonic()
        for stream in self.streams:
            self.joiners += self.watch(stream)
        took_s = time.monotonic() - begin
        if took_s > within_s:
            self.note(f"joined within {took_s * 1000:.0f} ms")
        return self.joiners

    def wait_published(self):
        wait_for(lambda: all(p["ready"] for p in self.load.say()[0]),
                 "all publishers to be let in", 30)

    def wait_playing(self, viewers, count=5):
        wanted = {v.number for v in viewers}

        def all_play():
            _, said = self.load.say()
            return all(s is None or s["count"] >= count
                       for i, s in enumerate(said) if i in wanted)
        wait_for(all_play, "all viewers to play", 30)

    # ---- the fault

    def fault(self):
        """It happens now."""
        self.fault_us = time.monotonic_ns() // 1000

    def kill(self, id_, number=signal.SIGKILL):
        self.fault()
        self.cluster.kill(id_, number)

    def wake(self, id_):
        self.cluster.kill(id_, signal.SIGCONT)

    def hurt_ingest(self, id_, number=signal.SIGKILL, others=()):
        """An ingest dies (or stops) now: its publishers have to return."""
        self.is_publisher_cut = True
        self.deaths.hurt(self.cluster.node(id_), number, others)
        self.fault_us = self.deaths.all[-1].at_us

    def kill_ingest(self, id_, others=()):
        """In one moment with others; returns when all are dead."""
        dead = [self.cluster.node(x) for x in (id_, *others)]
        self.hurt_ingest(id_, others=dead[1:])
        for node in dead:
            wait_gone(node.pid)
            self.cluster.nodes.remove(node)

    def excuse_all(self):
        """An ingest and the home of its streams die now, the newest log with them."""
        self.is_publisher_cut = True
        self.deaths.all.append(Death("", 0))

    def allow_return(self):
        """Publishers are closed, in order: what is on its way then is lost."""
        self.is_publisher_cut = True
        self.deaths.all.append(Leave())

    def kill_gently(self, id_):
        """SIGTERM: it drains."""
        self.fault()
        os.kill(self.cluster.node(id_).pid, signal.SIGTERM)

    def wait_gone(self, id_, timeout_s=30):
        node = self.cluster.node(id_)
        wait_for(lambda: not is_alive(node.pid), f"{id_} to end", timeout_s)
        self.cluster.nodes.remove(node)

    def wait_back(self, id_, before):
        """Until whoever started the cluster has started it again, and it serves."""
        def is_another():
            try:
                self.cluster.read_nodes()
                node = self.cluster.node(id_)
                return node.pid != before and self.cluster.admin(id_, "/readyz")[0] == 200
            except (OSError, ValueError, StopIteration):
                return False
        wait_for(is_another, f"{id_} to be back", 30)

    def restart(self, id_):
        """Drain it; whoever started the cluster starts it again; wait until it
        serves, and who had to go has come back."""
        before = self.cluster.node(id_).pid
        self.cluster.api(f"/api/ctrl/drain?node={id_}", {})

        self.wait_back(id_, before)
        self.wait_linked()
        self.wait_published()

    def wait_linked(self):
        """Every node that runs has a link to dispatch."""
        ids = {n.id for n in self.cluster.nodes}

        def is_linked():
            nodes = self.cluster.api("/api/nodes")["nodes"]
            return {n["id"] for n in nodes if n["linked"] and not n["draining"]} >= ids
        wait_for(is_linked, "all nodes to be linked", 30)

    def publish_more(self):
        """Another stream, and its viewers: they are part of the load from now on."""
        stream = Stream(len(self.streams) + 1)
        self.streams.append(stream)
        begin = time.monotonic()
        publisher = self.publish(stream)
        self.wait_published()
        self.note(f"{stream.key} let in after {(time.monotonic() - begin) * 1000:.0f} ms")
        viewers = self.watch(stream)
        self.wait_playing(viewers)
        self.late += viewers
        self.note(f"played after {(time.monotonic() - begin) * 1000:.0f} ms")
        return publisher

    def homes(self):
        """{key: home} of all streams, from any dispatch that answers."""
        streams = self.cluster.streams()
        return {s.key: streams.get(s.key, {}).get("home") for s in self.streams}

    def home_of(self, index=0):
        home = self.homes()[self.streams[index].key]
        assert home, f"{self.streams[index].key} has no home"
        return home

    def wait_home_is_not(self, victim, timeout_s=20):
        wait_for(lambda: all(h and h != victim for h in self.homes().values()),
                 f"all streams to leave {victim}", timeout_s)

    def wait_s(self, seconds):
        """Until the publishers have gone on for so long."""
        end_us = time.monotonic_ns() // 1000 + int(seconds * 1e6)
        wait_for(lambda: any(p and p["last_us"] >= end_us for p in self.load.say()[0])
                 or time.monotonic_ns() // 1000 > end_us + 20e6,
                 "the publishers to go on", 30 + seconds)

    # ---- the end

    def homes_of_terms(self):
        """{(stream, term): origins that were its home}, by the logs of all that ever
        ran; a term is its number and who raised it."""
        folder = os.path.join(self.cluster.dir, "log")
        found = {}
        for name in [n for n in os.listdir(folder) if n.startswith("origin")]:
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                text = f.read()
            for key, term in BOUND.findall(text):
                found.setdefault((key, term), set()).add(name.partition(".")[0])
        return found

    def judge_terms(self, verdict):
        found = self.homes_of_terms()
        if not found:
            verdict.count("wrong", "no origin was ever a home")
        for (key, term), ids in found.items():
            if len(ids) > 1:
                verdict.count("wrong", f"{key}: {sorted(ids)} are homes of term {term}")

    def count_skips(self):
        counts = {}
        for node in self.cluster.role("edge"):
            if is_alive(node.pid) and node.id not in self.cut_edges:
                counts[node.id] = self.cluster.metrics(node.id).sum("weir_edge_skips_total")
        return counts

    def finish(self, settle_s=SETTLE_S):
        """Everything that was published until now must arrive."""
        self.wait_published()
        self.wait_s(settle_s)
        until_us = time.monotonic_ns() // 1000
        goal = {p.stream.number: said for p, said
                in zip(self.load.publishers, self.load.say()[0])}
        try:
            wait_for(lambda: self._are_past(goal), "viewers to get what was published", 20)
        except AssertionError:  # they have lost frames, which the judge will say
            self.note("some viewers never came that far")
        return until_us

    def _are_past(self, goal):
        """Has everybody got what the publishers had sent, of each kind?"""
        return all(s is None or s["over"] or v.edge in self.cut_edges or all(
            s[kind] >= goal[v.stream.number][kind] for kind in ("video", "audio"))
            for v, s in zip(self.load.viewers, self.load.say()[1]))

    def result(self):
        """Compare; a Result."""
        until_us = self.finish() if self.is_judged else 0
        skips = self.count_skips() if self.is_judged else self.skips
        skipped = {e: n - self.skips.get(e, 0) for e, n in skips.items()
                   if n != self.skips.get(e, 0)}
        for w in self.watchers:
            w.player.halt()
        for w in self.watchers:
            w.player.join(30)
        read_us = time.monotonic_ns() // 1000
        self.load.say()  # traces are written out; they go on growing
        published = {p.stream.number: judge.Published(p) for p in self.load.publishers}
        return Result(self, published, until_us, read_us, skipped)


class Result:
    def __init__(self, stage, published, until_us, read_us, skipped):
        self.read_us = read_us  # what came later is not looked at
        self.skipped = skipped
        self.verdict = stage.verdict
        self.pauses, self.starts, self.excess = [], [], []
        self.by_proto = {}
        for viewer in stage.load.viewers if stage.is_judged else []:
            self.take(stage, viewer, published[viewer.stream.number], until_us)
        for watcher in stage.watchers:
            of = published[watcher.stream.number]
            self.verdict.add(watcher.judge(
                of, lambda frame, of=of: stage.deaths.excuses(of, frame)))
        compare(self.verdict, stage.watchers)
        stage.judge_terms(self.verdict)
        for p in stage.load.publishers:
            cuts = published[p.stream.number].cuts
            if cuts and not stage.is_publisher_cut:
                self.verdict.count("cut", f"publisher of {p.stream.key}: "
                                          f"{stage.load.say()[0][p.number]['words']}")
        self.segments = sum(len(w.player.bodies) for w in stage.watchers)
        self.notes = stage.notes + stage.deaths.words()

    def take(self, stage, viewer, published, until_us):
        may_end = viewer.edge in stage.cut_edges
        if may_end:
            return

        def is_excused(frame):
            return stage.deaths.excuses(published, frame)
        verdict, events = judge.judge_viewer(viewer, published, until_us, is_excused,
                                             may_end, self.read_us)
        self.verdict.add(verdict)
        if viewer in stage.joiners:
            start = judge.first_frame_ms(events)
            if start is not None:
                self.starts.append(start)
        elif stage.fault_us and viewer not in stage.late:
            pause = judge.longest_pause_ms(events, stage.fault_us, until_us)
            if pause is not None:
                self.pauses.append(pause)
                self.by_proto.setdefault(viewer.proto, []).append(pause)
        if stage.is_publisher_cut:
            self.take_returns(published, events)

    def take_returns(self, published, events):
        """How long after the first key frame of a new session was sent it came."""
        seen = set()
        for e in events:
            if e.kind not in judge.KINDS or e.session in seen:
                continue
            seen.add(e.session)
            first = published.first_of_session(e.session)
            if len(seen) > 1 and first:
                self.excess.append((e.at_us - first.at_us) / 1000)

    @property
    def is_void(self):
        return bool(self.skipped)

    @property
    def is_good(self):
        return not self.is_void and self.verdict.is_clean

    def line(self):
        words = [f"frames {self.verdict.frames}", str(self.verdict)]
        if self.pauses:
            words.append(f"pause p50 {judge.quantile(self.pauses, .5):.0f} "
                         f"max {max(self.pauses):.0f} ms")
        if self.segments:
            words.append(f"{self.segments} segments")
        if self.starts:
            words.append(f"joiners' start max {max(self.starts):.0f} ms")
        if self.excess:
            words.append(f"return max {max(self.excess):.0f} ms")
        words += self.notes
        return ", ".join(words)
