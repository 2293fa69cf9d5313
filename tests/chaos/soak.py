"""soak - what a cluster takes, early and late in half an hour of faults.

Processes die and begin with empty windows, logs and caches, and whose log a stream
is in changes; so memory right after a fault says where the last faults hit. It is
measured at rest: faults stop until all that is kept for a time is as full as it
gets, at both ends alike. A process that only lives a few minutes cannot show a slow
leak, so one of each role but ingests is spared from dying.

PSS has a part that is not ours to keep: pages of libraries are shared with whatever
else runs on the machine, and weigh less the more processes use them. So PSS is
judged as a whole, and single roles and processes by their anonymous memory.
"""

import statistics

from lib.process import open_files

SPARED = ("origin-3", "packager-2", "dispatch-2", "edge-1", "edge-2")
EARLY_S = 300
REST_S = 75  # a packager keeps a segment for 57 s, an origin a frame for 36
READINGS = 15  # each second: more than three segments
LIMIT = 0.05
NOISE_KB = 256  # of a process: pages that come and go
HELD = ("weir_origin_log_bytes", "weir_packager_log_bytes",
        "weir_packager_segment_bytes", "weir_edge_wire_bytes")


def memory_kb(pid):
    """(PSS, its anonymous part)"""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        lines = [line.split() for line in f]
    said = {words[0]: int(words[1]) for words in lines if words[-1] == "kB"}
    return said["Pss:"], said["Pss_Anon:"]


def held_kb(stage, id_):
    """What it says that it keeps of streams."""
    metrics = stage.cluster.metrics(id_)
    return sum(value for name in HELD for _, value in metrics.all(name)) / 1024


class Taken:
    """What each node takes, in the middle of some readings at rest."""

    def __init__(self, stage):
        self.role, self.pid = {}, {}
        self.pss, self.anon, self.files, self.held = {}, {}, {}, {}
        stage.wait_s(REST_S)
        readings = {n.id: [] for n in stage.cluster.nodes}
        for _ in range(READINGS):
            for n in stage.cluster.nodes:
                readings[n.id].append(
                    (*memory_kb(n.pid), open_files(n.pid), held_kb(stage, n.id)))
            stage.wait_s(1)
        for n in stage.cluster.nodes:
            self.role[n.id], self.pid[n.id] = n.role, n.pid
            (self.pss[n.id], self.anon[n.id], self.files[n.id], self.held[n.id]) = (
                statistics.median(column) for column in zip(*readings[n.id]))

    def total(self, what, role=None):
        return sum(value for id_, value in getattr(self, what).items()
                   if role in (None, self.role[id_]))


def is_level(early, late, what, role=None, noise=0):
    a, b = early.total(what, role), late.total(what, role)
    return abs(b - a) <= max(LIMIT * a, noise), a, b


def compare(early, late, say):
    """Lines for people, and whether all is level."""
    good = True

    def judge(name, is_good, a, b, unit):
        nonlocal good
        good = good and is_good
        say(f"{'ok' if is_good else 'not ok'} soak {name} {a:.0f} {unit}, then {b:.0f} "
            f"({100 * (b - a) / a:+.1f} %)")

    for id_, kb in early.anon.items():
        lived = early.pid[id_] == late.pid[id_]
        say(f"# {id_}: {kb:.0f} kB ({early.held[id_]:.0f} of streams), then "
            f"{late.anon[id_]:.0f} ({late.held[id_]:.0f}), PSS {early.pss[id_]:.0f}, "
            f"then {late.pss[id_]:.0f}; {'lived' if lived else 'died meanwhile'}")
        if lived:
            # It may hold other streams than before.
            more = late.held[id_] - early.held[id_]
            room = max(LIMIT * kb, NOISE_KB) + 1.1 * max(more, 0)
            judge(f"{id_}, which lived,", late.anon[id_] - kb <= room, kb,
                  late.anon[id_], "kB")
    for role in sorted(set(early.role.values())):
        count = sum(r == role for r in early.role.values())
        judge(role, *is_level(early, late, "anon", role, count * NOISE_KB), "kB")
    judge("PSS", *is_level(early, late, "pss"), "kB")
    judge("descriptors", *is_level(early, late, "files"), "open")
    return good
