#!/usr/bin/env python3
"""pair - two builds of weir, or one and nginx, at the same time on one processor.

A virtual machine is half as fast at one minute as at the next, so that rows of
one bench differ by a tenth without a reason. Two clusters that run side by side
have the same minutes: their ratio comes out the same to half a per cent.
"""
import argparse
import os
import statistics
import threading

import bench

KEPT_1_S = bench.Bench.STREAMS_KEPT_1_S
ROLES = ("ingest", "origin", "edge")


def percent(lines, key):
    """Of one processor."""
    spent = sum(x[key] for x in lines)
    return 100 * spent / sum(x["window_s"] for x in lines)


def start(args, name):
    """One of the two."""
    settings = ("limits.busy_percent=0", "bus.flush_busy_percent=0",
                f"bus.flush_ms={args.flush}", *KEPT_1_S)
    build = getattr(args, name)
    if build == "nginx":
        return bench.Nginx(args.build)
    return bench.Weir(build, settings, (*ROLES, "dispatch"))


def one_round(args, order):
    """The lines of each."""
    servers, lines = {}, {}

    def load(name):
        lines[name] = bench.Bench(args).load(
            servers[name], "rtmp", [args.streams] * 5, clip="lo",
            streams=args.streams, over_ms=bench.GOP_MS, rest=4)

    try:
        for name in order:
            servers[name] = start(args, name)
        threads = [threading.Thread(target=load, args=(n,)) for n in order]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for server in servers.values():
            server.stop()
    return lines


def compare(lines):
    """How many times as much as `a` takes `b` takes: in all, and by roles."""
    key = "cpu_percent"
    all_of = {n: statistics.mean(x[key] for x in of) for n, of in lines.items()}
    ratios = {"all": all_of["b"] / all_of["a"]}
    for role in ROLES:
        key = role + "_cpu_s"
        if key in lines["a"][0]:
            ratios[role] = percent(lines["b"], key) / percent(lines["a"], key)
    return ratios, all_of["a"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("a", help="folder of a build, or nginx")
    parser.add_argument("b", help="folder of a build with its bench tools")
    parser.add_argument("--streams", type=int, default=120)
    parser.add_argument("--flush", type=int, default=5, help="bus.flush_ms")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window", type=float, default=5)
    args = parser.parse_args()
    args.build = args.b = os.path.abspath(args.b)
    if args.a != "nginx":
        args.a = os.path.abspath(args.a)
    bench.make_clip(bench.Bench(args).clips, "lo")  # before two want it at once
    found = []
    for i in range(args.rounds):
        ratios, base = compare(one_round(args, "ab" if i % 2 == 0 else "ba"))
        found.append(ratios)
        print(f"a {base:.1f} % of one core; b / a:",
              ", ".join(f"{k} {v:.3f}" for k, v in ratios.items()), flush=True)
    print("median:", ", ".join(
        f"{k} {statistics.median(x[k] for x in found):.3f}" for k in found[0]))


if __name__ == "__main__":
    main()
