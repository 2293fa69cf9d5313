"""mix - faults at random, one after the other and sometimes two at once, in a
cluster that restarts what dies. Everything follows from the seed but the times."""

import os
import random
import signal
import time

from lib.process import is_alive, open_files
from lib.waiting import wait_for

EACH_S = 10
PAIRS_PERCENT = 25
SPARE = "edge-3"  # nobody watches there


def pss_kb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


class Mix:
    """A fault is a generator: what it does, `yield`, how it ends."""

    def __init__(self, stage, seed, say):
        self.s, self.say = stage, say
        self.random = random.Random(seed)
        self.samples = []  # (seconds, PSS in kB, descriptors)
        self.begin = time.monotonic()

    # ---- faults

    def one_of(self, role):
        return self.random.choice(self.s.cluster.role(role)).id

    def hurt(self, id_, number):
        os.kill(self.s.cluster.node(id_).pid, number)

    def killed(self, id_):
        if id_.startswith("ingest"):
            self.s.excuse()
        self.hurt(id_, signal.SIGKILL)
        yield

    def frozen(self, id_, from_s, to_s):
        """It stands still, and goes on."""
        pid = self.s.cluster.node(id_).pid
        os.kill(pid, signal.SIGSTOP)
        end = time.monotonic() + self.random.uniform(from_s, to_s)
        yield
        self.s.wait_s(max(0, end - time.monotonic()))
        os.kill(pid, signal.SIGCONT)

    def drained(self, id_):
        if id_.startswith("ingest"):
            self.s.allow_return()
        self.hurt(id_, signal.SIGTERM)
        yield

    def emptied(self):
        self.s.registry.kill()
        end = time.monotonic() + self.random.uniform(0.1, 4)
        yield
        self.s.wait_s(max(0, end - time.monotonic()))
        self.s.registry.start()

    def stopped_registry(self):
        self.s.registry.signal(signal.SIGSTOP)
        end = time.monotonic() + self.random.uniform(1, 6)
        yield
        self.s.wait_s(max(0, end - time.monotonic()))
        self.s.registry.signal(signal.SIGCONT)

    def draw(self):
        """(what group it is of, its name, the generator)"""
        origin, ingest = self.one_of("origin"), self.one_of("ingest")
        dispatch, packager = self.one_of("dispatch"), self.one_of("packager")
        return self.random.choice([
            ("media", f"{origin} is killed", self.killed(origin)),
            ("media", f"{origin} is killed", self.killed(origin)),
            ("media", f"{origin} freezes", self.frozen(origin, 3, 8)),
            ("media", f"{origin} dozes", self.frozen(origin, 0.3, 1.9)),
            ("media", f"{origin} drains", self.drained(origin)),
            ("media", f"{ingest} is killed", self.killed(ingest)),
            ("media", f"{ingest} dozes", self.frozen(ingest, 0.3, 1.9)),
            ("media", f"{ingest} drains", self.drained(ingest)),
            ("dispatch", f"{dispatch} is killed", self.killed(dispatch)),
            ("packager", f"{packager} is killed", self.killed(packager)),
            ("edge", f"{SPARE} is killed", self.killed(SPARE)),
            ("edge", f"{SPARE} freezes", self.frozen(SPARE, 1, 6)),
            ("registry", "the registry is emptied", self.emptied()),
            ("registry", "the registry freezes", self.stopped_registry()),
        ])

    def round(self):
        faults = [self.draw()]
        if self.random.randrange(100) < PAIRS_PERCENT:
            other = self.draw()
            if other[0] != faults[0][0]:
                faults.append(other)
        what = " and ".join(name for _, name, _ in faults)
        self.say(f"{time.monotonic() - self.begin:6.0f} s  {what}")
        for _, _, fault in faults:
            next(fault)
        for _, _, fault in faults:
            next(fault, None)
        self.heal()

    def heal(self):
        """Until all is as it was."""
        def is_whole():
            try:
                self.s.cluster.read_nodes()
                # A new one may serve where the old one did before it is told of.
                return all(is_alive(n.pid)
                           and self.s.cluster.admin(n.id, "/readyz")[0] == 200
                           for n in self.s.cluster.nodes)
            except (OSError, ValueError):
                return False
        wait_for(is_whole, "all nodes to be ready", 40)
        self.s.wait_linked()
        self.s.wait_published()

    # ---- memory

    def sample(self):
        nodes = self.s.cluster.nodes
        try:
            each = {n.id: pss_kb(n.pid) for n in nodes}
            self.samples.append((time.monotonic() - self.begin, sum(each.values()),
                                 sum(open_files(n.pid) for n in nodes), each))
        except OSError:
            pass  # one has just died

    def of_node(self, id_, at_s, width_s=60):
        """The middle PSS of one node around a time."""
        near = sorted(x[3][id_] for x in self.samples
                      if abs(x[0] - at_s) <= width_s and id_ in x[3])
        return near[len(near) // 2] if near else 0

    def around(self, at_s, width_s=60):
        """The middle sample of a minute: (PSS, descriptors)."""
        near = [x for x in self.samples if abs(x[0] - at_s) <= width_s]
        assert near, f"nothing was measured around {at_s} s"
        return tuple(sorted(x[i] for x in near)[len(near) // 2] for i in (1, 2))

    def run(self, seconds):
        while time.monotonic() - self.begin < seconds:
            begin = time.monotonic()
            self.round()
            self.sample()
            self.s.wait_s(max(0, EACH_S - (time.monotonic() - begin)))
            self.sample()
