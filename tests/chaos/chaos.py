#!/usr/bin/env python3
"""chaos - plays rows of faults against a cluster and judges what viewers got.

usage: chaos.py [--row NAME]... [--short] [--repeat N] [--protos a,b] [--streams N]
                [--pin] [--list]
       chaos.py --seed S [--seconds T] [--soak]   faults at random

Each repetition is a line. It is good when every viewer that should have stayed
has got every frame once, in order, with the right content. A repetition in which
an edge counted a skip is void: it says nothing, and does not pass.
"""

import argparse
import sys
import traceback

import stage  # noqa: F401 pylint: disable=unused-import
import halves  # noqa: F401 pylint: disable=unused-import,wrong-import-order
from mix import Mix
from rows import ROWS
from soak import EARLY_S, READINGS, REST_S, SPARED, Taken, compare
from stage import judge
from stage.hosts import Networks, leave_the_network
from stage.stage import Stage


def play(row, args, number):
    options = dict(row.options)
    if args.protos:
        options["protos"] = tuple(args.protos.split(","))
    if args.streams:
        options["streams"] = args.streams
    with row.stage(f"{row.name}-{number}", pin=args.pin, **options) as s:
        row.run(s)
        return s.result()


def report(name, result):
    """A line, as scripts/run-tests reads it."""
    state = "ok" if result.is_good else "not ok"
    void = f" VOID: skips {result.skipped}" if result.is_void else ""
    print(f"{state} {name}{void} {result.line()}", flush=True)
    for line in result.verdict.why:
        print(f"#   {line}", flush=True)


def repeat(row, args):
    """Every repetition has to be good."""
    pauses, is_good = [], True
    for number in range(args.repeat):
        name = row.name if args.repeat == 1 else f"{row.name}#{number + 1}"
        try:
            result = play(row, args, number + 1)
        except Exception as e:  # pylint: disable=broad-except
            is_good = False
            text = " ".join(str(e).split())[:600] or type(e).__name__
            print(f"not ok {name} {text}", flush=True)
            for f in traceback.extract_tb(e.__traceback__)[-3:]:
                print(f"#   {f.filename.rpartition('/')[2]}:{f.lineno} {f.line}")
            continue
        report(name, result)
        is_good = is_good and result.is_good
        if result.is_good:
            pauses += result.pauses
    if args.repeat > 1 and pauses:
        print(f"# {row.name}: {args.repeat} times, pause p50 "
              f"{judge.quantile(pauses, .5):.0f} p99 {judge.quantile(pauses, .99):.0f} "
              f"max {max(pauses):.0f} ms of {len(pauses)} viewers", flush=True)
    return is_good


def mix(args):
    """Faults at random; with --soak memory and descriptors are compared, too."""
    options = {"origin": 3, "edge": 3, "packager": 2, "streams": args.streams or 6,
               "watched": 2}
    if args.protos:
        options["protos"] = tuple(args.protos.split(","))
    with Stage(f"mix-{args.seed}", pin=args.pin, restarts=True, **options) as s:
        m = Mix(s, args.seed, lambda line: say("# " + line),
                SPARED if args.soak else ())
        is_level = run_soak(m, args.seconds) if args.soak else run_mix(m, args.seconds)
        result = s.result()
    report(f"mix seed={args.seed} seconds={args.seconds}", result)
    return result.is_good and is_level


def run_mix(m, seconds):
    m.run(seconds)
    return True


def run_soak(m, seconds):
    m.run(min(EARLY_S, seconds / 4))
    m.say("at rest, then measured")
    early = Taken(m.s)
    m.run(seconds - REST_S - READINGS)
    m.say("at rest, then measured")
    return compare(early, Taken(m.s), say)


def say(line):
    print(line, flush=True)


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("--row", action="append", default=[])
    p.add_argument("--short", action="store_true")
    p.add_argument("--list", action="store_true")
    p.add_argument("--repeat", type=int, default=1)
    p.add_argument("--protos")
    p.add_argument("--streams", type=int)
    p.add_argument("--pin", action="store_true")
    p.add_argument("--seed", type=int)
    p.add_argument("--seconds", type=int, default=600)
    p.add_argument("--soak", action="store_true")
    return p.parse_args()


def main():
    args = parse()
    unknown = [name for name in args.row if name not in ROWS]
    assert not unknown, f"no such row: {unknown}; there are {' '.join(ROWS)}"
    chosen = [r for r in ROWS.values()
              if r.name in args.row or (not args.row and (r.is_short or not args.short))]
    if args.list:
        for r in chosen:
            print(f"{r.name:24} {r.sentence}")
        return 0
    why = leave_the_network()  # ports of others are not in the way there
    if args.seed is not None:
        return 0 if mix(args) else 1
    if why:
        for r in [r for r in chosen if r.stage is Networks]:
            print(f"skip {r.name} a network of its own: {why}")
            chosen.remove(r)
    return 0 if all([repeat(r, args) for r in chosen]) else 1


if __name__ == "__main__":
    sys.exit(main())
