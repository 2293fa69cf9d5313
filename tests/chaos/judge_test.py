#!/usr/bin/env python3
"""The judge finds what is wrong with a recording, and excuses what it may."""

import os
import sys
import tempfile

import stage  # noqa: F401 pylint: disable=unused-import
from stage import judge
from stage.deaths import Death, Deaths, Leave
from stage.load import AUDIO, END, EVENT, KEY, VIDEO, WRONG
from stage.processor import Waits

SECOND_US = 1000000


def event(at, kind=VIDEO, session=1, counter=0, flags=0, ms=None):
    """`at`: milliseconds."""
    return EVENT.pack(at * 1000, session, counter, at if ms is None else ms, kind, flags, 1)


def frames(count, session=1, first=0, gop=10):
    return [event(33 * (first + i) + 1, VIDEO, session, first + i,
                  0 if i % gop else KEY) for i in range(count)]


class Recorded:
    is_closed = False

    def __init__(self, folder, name, events):
        self.trace = os.path.join(folder, name)
        with open(self.trace, "wb") as f:
            f.write(b"".join(events))

    def __str__(self):
        return "viewer"


SENT = frames(30)
CASES = [
    ("all_of_it_is_clean", SENT, {}),
    ("a_later_start_at_a_key_frame_is_clean", SENT[10:], {}),
    ("a_missing_frame_is_lost", SENT[:12] + SENT[13:], {"lost": 1}),
    ("missing_frames_at_the_end_are_lost", SENT[:25], {"lost": 5}),
    ("a_frame_again_comes_twice", SENT[:12] + [SENT[11]] + SENT[12:], {"twice": 1}),
    ("two_that_changed_places_are_out_of_order",
     SENT[:11] + [SENT[12], SENT[11]] + SENT[13:], {"order": 2}),
    ("time_that_goes_back_is_out_of_order",
     SENT[:11] + [event(33 * 11 + 1, counter=11, ms=3)] + SENT[12:], {"order": 1}),
    ("a_start_without_a_key_frame_is_wrong", SENT[11:], {"wrong": 1}),
    ("a_unit_that_nobody_sent_is_wrong", SENT + [event(1000, WRONG)], {"wrong": 1}),
    ("a_frame_of_another_session_is_wrong", SENT + [event(1000, session=7, counter=3)],
     {"wrong": 1}),
    ("an_end_is_a_cut", SENT + [event(1000, END)], {"cut": 1}),
    ("nothing_at_all_is_a_stall", [], {"stalled": 1}),
    ("sound_without_pictures_is_a_stall", [event(5, AUDIO)], {"stalled": 1, "wrong": 1}),
]


# An ingest died at 1000 ms; its publisher saw the cut at 1060 ms.
KILLED_MS, CUT_MS = 1000, 1060
# (name, when the frame was sent, how long the ingest waited for a processor in the
# last 100 ms, whether a publisher of another one was closed before, may it be missing)
DEATHS = [
    ("a_frame_right_before_a_death_may_be_missing", 981, 0, False, True),
    ("a_frame_that_had_its_20_ms_may_not", 979, 0, False, False),
    ("so_much_more_as_there_was_no_processor", 951, 30, False, True),
    ("but_not_more_than_that", 949, 30, False, False),
    ("what_waited_before_the_frame_came_does_not_count", 970, 0, False, False),
    ("a_death_counts_from_its_own_moment_not_from_the_cut", 990, 0, True, True),
    ("and_nothing_more_for_a_cut_that_was_seen_late", 979, 0, True, False),
]


def deaths_of(waited_ms, has_left):
    """It waited at the end, and as long before the last 100 ms as it could."""
    deaths = Deaths()
    if has_left:
        deaths.all.append(Leave())
        deaths.all[0].at_us = 500000
    waits = Waits(0)
    waits.seen = [(at * 1000, {"1": (at * 500, waited * 1000, False)})
                  for at, waited in ((800, 0), (900, 90), (KILLED_MS - waited_ms, 90),
                                     (KILLED_MS, 90 + waited_ms))]
    deaths.all.append(Death("ingest-1", KILLED_MS * 1000, waits))
    return deaths


def judge_deaths(folder):
    status = 0
    for name, sent_ms, waited_ms, has_left, want in DEATHS:
        frame = event(sent_ms, counter=0, flags=KEY)
        published = judge.Published(Recorded(folder, "cut", [
            frame, event(CUT_MS, END, flags=1)]))
        deaths = deaths_of(waited_ms, has_left)
        good = deaths.excuses(published, published.frames[VIDEO][0]) == want
        good = good and ("no processor" in str(deaths.words())) == (want and waited_ms > 0)
        good = good and bool(deaths.words()) == want
        status |= not good
        print(f"{'ok' if good else 'not ok'} {name}")
    return status


def main():
    status = 0
    with tempfile.TemporaryDirectory() as folder:
        published = judge.Published(Recorded(folder, "sent", SENT))
        for name, events, want in CASES:
            got, _ = judge.judge_viewer(Recorded(folder, name, events), published,
                                        SECOND_US * 10, lambda frame: False, False)
            found = {n: getattr(got, n) for n in got.NAMES if getattr(got, n)}
            good = found == want
            status |= not good
            print(f"{'ok' if good else 'not ok'} {name}" + ("" if good else f" {found}"))
        got, events = judge.judge_viewer(
            Recorded(folder, "pause", SENT[:10] + [event(5000, counter=10, flags=KEY)]),
            published, 0, lambda frame: True, False)
        pause = judge.longest_pause_ms(events, 0, SECOND_US * 10)
        good = abs(pause - (5000 - 298)) < 1
        print(f"{'ok' if good else 'not ok'} a_pause_is_measured {pause}")
        status |= not good
        status |= judge_deaths(folder)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
