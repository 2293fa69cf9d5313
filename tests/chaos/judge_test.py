#!/usr/bin/env python3
"""The judge finds what is wrong with a recording."""

import os
import sys
import tempfile

import stage  # noqa: F401 pylint: disable=unused-import
from stage import judge
from stage.load import AUDIO, END, EVENT, KEY, VIDEO, WRONG

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
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
