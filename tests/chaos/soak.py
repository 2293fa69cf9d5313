"""soak - what a cluster takes, early and late in half an hour of faults.

Processes die and begin with empty windows, logs and caches, and whose log a stream
is in changes; so memory right after a fault says where the last faults hit. It is
measured at rest: faults stop until all that is kept for a time is as full as it
gets, at both ends alike. A process that only lives a few minutes cannot show a slow
leak, so one of each role but ingests is spared from dying.
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


def pss_kb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def held_kb(stage, id_):
    """What it says that it keeps of streams."""
    metrics = stage.cluster.metrics(id_)
    return sum(value for name in HELD for _, value in metrics.all(name)) / 1024


class Taken:
    """What each node takes, in the middle of some readings at rest."""

    def __init__(self, stage):
        self.role, self.pid, self.pss, self.files, self.held = {}, {}, {}, {}, {}
        stage.wait_s(REST_S)
        readings = {n.id: [] for n in stage.cluster.nodes}
        for _ in range(READINGS):
            for n in stage.cluster.nodes:
                readings[n.id].append(
                    (pss_kb(n.pid), open_files(n.pid), held_kb(stage, n.id)))
            stage.wait_s(1)
        for n in stage.cluster.nodes:
            self.role[n.id], self.pid[n.id] = n.role, n.pid
            self.pss[n.id], self.files[n.id], self.held[n.id] = (
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

    for id_, pss in early.pss.items():
        lived = "lived" if early.pid[id_] == late.pid[id_] else "died meanwhile"
        say(f"# {id_}: {pss:.0f} kB ({early.held[id_]:.0f} of streams), then "
            f"{late.pss[id_]:.0f} ({late.held[id_]:.0f}); {lived}")
        if lived == "lived":
            # It may hold other streams than before.
            more = late.held[id_] - early.held[id_]
            room = max(LIMIT * pss, NOISE_KB) + 1.1 * max(more, 0)
            judge(f"{id_}, which lived,", late.pss[id_] - pss <= room, pss,
                  late.pss[id_], "kB")
    for role in sorted(set(early.role.values())):
        count = sum(r == role for r in early.role.values())
        judge(f"PSS of {role}",
              *is_level(early, late, "pss", role, count * NOISE_KB), "kB")
    judge("PSS", *is_level(early, late, "pss"), "kB")
    judge("descriptors", *is_level(early, late, "files"), "open")
    return good
