"""processor - when a process was ready to run and had no processor: what the kernel
has counted of its threads, so that a machine that was too busy is told from a
process that was too slow."""

import os
import time

EACH_S = 0.004


def now_us():
    return time.monotonic_ns() // 1000


def read_threads(pid):
    """{thread: (us that it ran, us that it waited for a processor, is it ready)}"""
    threads = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        folder = f"/proc/{pid}/task/{tid}"
        try:
            with open(folder + "/schedstat", encoding="ascii") as f:
                ran_ns, waited_ns, _ = (int(word) for word in f.read().split())
            with open(folder + "/stat", encoding="ascii", errors="replace") as f:
                state = f.read().rpartition(")")[2].split()[0]
        except (OSError, ValueError):
            continue  # it has just ended, or this kernel does not count
        threads[tid] = (ran_ns // 1000, waited_ns // 1000, state == "R")
    return threads


def waited_us(before, after, length_us):
    """Of the time between two readings: how much of it some thread waited. What a
    wait has come to is counted when it ends; a thread that is ready, and neither
    ran nor was counted, waits all along."""
    total = 0
    for tid, (ran, waited, is_ready) in after.items():
        if tid not in before:
            continue
        ran_us, counted_us = ran - before[tid][0], waited - before[tid][1]
        is_waiting = is_ready and before[tid][2] and not ran_us and not counted_us
        total += length_us if is_waiting else counted_us
    return min(total, length_us)


class Waits:
    """The last moments of a process."""

    def __init__(self, pid):
        self.pid, self.seen = pid, []

    def watch(self, seconds):
        end = time.monotonic() + seconds
        while True:
            self.seen.append((now_us(), read_threads(self.pid)))
            if time.monotonic() >= end:
                return self
            time.sleep(EACH_S)

    def since_us(self, at_us):
        """For how long it had no processor, from then to the last reading."""
        total = 0
        for (begin_us, before), (end_us, after) in zip(self.seen, self.seen[1:]):
            if end_us > at_us:
                total += min(waited_us(before, after, end_us - begin_us),
                             end_us - at_us)
        return total
