"""mix - faults at random, one after the other and sometimes two at once, in a
cluster that restarts what dies. Everything follows from the seed but the times."""

import os
import random
import signal
import time

from lib.process import is_alive
from lib.waiting import wait_for

EACH_S = 10
PAIRS_PERCENT = 25
SPARE = "edge-3"  # nobody watches there


class Mix:
    """A fault is a generator: what it does, `yield`, how it ends. Nodes of `spared`
    are frozen and cut off as others are, but do not die."""

    def __init__(self, stage, seed, say, spared=()):
        self.s, self.say, self.spared = stage, say, spared
        self.random = random.Random(seed)
        self.begin = time.monotonic()

    # ---- faults

    def one_of(self, role):
        return self.random.choice(self.s.cluster.role(role)).id

    def mortal(self, id_):
        """It, or another one of its role that may die."""
        if id_ not in self.spared:
            return id_
        role = self.s.cluster.node(id_).role
        return next(n.id for n in self.s.cluster.role(role) if n.id not in self.spared)

    def hurt(self, id_, number):
        os.kill(self.s.cluster.node(id_).pid, number)

    def killed(self, id_):
        if id_.startswith("ingest"):
            self.s.hurt_ingest(id_)
        else:
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
            self.s.is_publisher_cut = True  # who cannot be handed over has to return
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
        dispatch = self.mortal(self.one_of("dispatch"))
        packager = self.mortal(self.one_of("packager"))
        dying = self.mortal(origin)
        return self.random.choice([
            ("media", f"{dying} is killed", self.killed(dying)),
            ("media", f"{dying} is killed", self.killed(dying)),
            ("media", f"{origin} freezes", self.frozen(origin, 3, 8)),
            ("media", f"{origin} dozes", self.frozen(origin, 0.3, 1.9)),
            ("media", f"{dying} drains", self.drained(dying)),
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

    def run(self, until_s):
        """Until so long after the beginning."""
        while time.monotonic() - self.begin < until_s:
            begin = time.monotonic()
            self.round()
            self.s.wait_s(max(0, EACH_S - (time.monotonic() - begin)))
