"""deaths - how ingests ended, and which frames may be missing for it."""

import os
import signal

from lib.env import SLOWER
from stage.processor import Waits, now_us

FLUSH_US = 20000  # what a dying ingest may lose: bus.flush_ms (0) and 20 ms
LEAVE_US = 20000 * SLOWER  # what is on its way when an ingest closes a publisher
WATCH_S = 0.12  # before a death


class Death:
    """`waits`: of its last moments; None: nobody looked."""

    def __init__(self, id_, at_us, waits=None):
        self.id, self.at_us, self.waits = id_, at_us, waits
        self.oldest_us = 0  # of what was missing: how long before the death
        self.used_us, self.used = 0, 0  # beyond FLUSH_US

    def starved_us(self, since_us):
        """How long it had no processor between then and its death; the moments
        after the last look are counted, too."""
        if not self.waits:
            return 0
        return self.waits.since_us(since_us) + self.at_us - self.waits.seen[-1][0]

    def excuses(self, frame, cut):
        """`cut`: the end of the frame's session."""
        if frame.at_us > self.at_us - FLUSH_US:
            self.oldest_us = max(self.oldest_us, self.at_us - frame.at_us)
            return True
        starved_us = self.starved_us(frame.at_us)
        if frame.at_us <= self.at_us - FLUSH_US - starved_us:
            return False
        self.used, self.used_us = self.used + 1, max(self.used_us, starved_us)
        self.oldest_us = max(self.oldest_us, self.at_us - frame.at_us)
        return True

    def words(self):
        if not self.id or not self.oldest_us:
            return ""
        words = (f"{self.id} died with what was sent to it in its last "
                 f"{self.oldest_us / 1000:.1f} ms")
        if self.used:
            words += (f", of which it had no processor for {self.used_us / 1000:.0f} ms: "
                      f"{self.used} frames more may be missing")
        return words


class Leave:
    """Publishers were closed, in order: what was on its way then is lost. When they
    were closed is seen from their side."""

    def __init__(self):
        self.at_us = now_us()

    @staticmethod
    def words():
        return ""

    @staticmethod
    def excuses(frame, cut):
        return frame.at_us > cut.at_us - LEAVE_US


class Deaths:
    def __init__(self):
        self.all = []

    def hurt(self, node, number, others=()):
        """Send a signal that ends it for its publishers, and kill others with it."""
        waits = Waits(node.pid).watch(WATCH_S)
        self.all.append(Death(node.id, now_us(), waits))
        for other in others:
            os.kill(other.pid, signal.SIGKILL)
        os.kill(node.pid, number)

    def excuses(self, published, frame):
        """A session was cut by what came last before its cut."""
        cut = published.cut_of(frame.session)
        before = [d for d in self.all if cut and d.at_us <= cut.at_us]
        return bool(before) and before[-1].excuses(frame, cut)

    def words(self):
        return [d.words() for d in self.all if d.words()]
