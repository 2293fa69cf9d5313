"""waiting - for a state, never for a time."""

import time

from lib.env import SLOWER

EACH_S = 0.03


def wait_for(is_so, what, timeout_s=20):
    """Ask until is_so() is true, and return what it said. The time-out is a
    generous one: it only ends what will never come."""
    end = time.monotonic() + timeout_s * SLOWER
    while True:
        said = is_so()
        if said:
            return said
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout_s * SLOWER} s in vain for {what}")
        time.sleep(EACH_S)
