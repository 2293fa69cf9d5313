#!/usr/bin/env python3
"""pair - two builds of weir, or one and nginx, at the same time on one processor.

A virtual machine is half as fast at one minute as at the next, so that rows of
one bench differ by a tenth without a reason. Two clusters that run side by side
have the same minutes: their ratio comes out the same to half a per cent.
"""
import argparse
import concurrent.futures
import os
import statistics

import bench

KEPT_1_S = bench.Bench.STREAMS_KEPT_1_S
ROLES = ("ingest", "origin", "edge")
WINDOWS = 5


def start(args, name):
    """One of the two."""
    build = getattr(args, name)
    if build == "nginx":
        return bench.Nginx(args.build)
    settings = ["limits.busy_percent=0", "bus.flush_busy_percent=0",
                f"bus.flush_ms={args.flush}", *KEPT_1_S]
    settings += args.set_b if name == "b" else []
    return bench.Weir(build, settings, (*ROLES, "dispatch"))


def one_round(args, order):
    """The lines of each."""
    servers = {}

    def load(name):
        return bench.Bench(args).load(
            servers[name], "rtmp", [args.streams] * WINDOWS, clip="lo",
            streams=args.streams, over_ms=bench.GOP_MS, rest=4)

    try:
        for name in order:
            servers[name] = start(args, name)
        with concurrent.futures.ThreadPoolExecutor(len(order)) as pool:
            return dict(zip(order, pool.map(load, order)))
    finally:
        for server in servers.values():
            server.stop()


def percent(lines, role):
    """Of one processor."""
    spent = sum(x[role + "_cpu_s"] for x in lines)
    return 100 * spent / sum(x["window_s"] for x in lines)


def ratios(lines):
    """How many times as much as `a` takes `b` takes: in all, and by roles."""
    mean = {n: statistics.mean(x["cpu_percent"] for x in of)
            for n, of in lines.items()}
    found = {"all": mean["b"] / mean["a"]}
    if all("ingest_cpu_s" in of[0] for of in lines.values()):
        for role in ROLES:
            found[role] = percent(lines["b"], role) / percent(lines["a"], role)
    return found


def beside(lines, key, scale=1):
    """The middle of both, as text."""
    return " and ".join(
        f"{statistics.median(x[key] for x in lines[n]) * scale:.3g}"
        for n in "ab")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("a", help="folder of a build, or nginx")
    parser.add_argument("b", help="folder of a build with its bench tools")
    parser.add_argument("--streams", type=int, default=120)
    parser.add_argument("--flush", type=int, default=5, help="bus.flush_ms")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window", type=float, default=5)
    parser.add_argument("--set-b", action="append", default=[],
                        metavar="KEY=VALUE", help="a setting of b alone")
    args = parser.parse_args()
    args.build = args.b = os.path.abspath(args.b)
    if args.a != "nginx":
        args.a = os.path.abspath(args.a)
    bench.make_clip(bench.Bench(args).clips, "lo")  # before two want it at once
    found = []
    for i in range(args.rounds):
        lines = one_round(args, "ab" if i % 2 == 0 else "ba")
        found.append(ratios(lines))
        print("b / a:", ", ".join(f"{k} {v:.3f}" for k, v in found[-1].items()),
              "| a and b: %", beside(lines, "cpu_percent"),
              "| p99 ms", beside(lines, "p99_ms"),
              "| MB", beside(lines, "pss_kb", 1.024e-3), flush=True)
    print("median:", ", ".join(
        f"{k} {statistics.median(x[k] for x in found):.3f}" for k in found[0]))


if __name__ == "__main__":
    main()
