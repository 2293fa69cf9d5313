"""process - programs that the tests start, and what /proc says of any."""

import os
import signal
import subprocess
import time

from lib.env import SLOWER
from lib.waiting import wait_for


class Process:
    """A program with its output in a file; killed with whoever started it."""

    def __init__(self, argv, log, output=None, env=None):
        self.argv = [str(a) for a in argv]
        self.log = log
        self.file = None  # what it makes, if anything
        with open(log, "ab") as f, open(output or os.devnull, "wb") as out:
            self._child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *self.argv],
                stdin=subprocess.DEVNULL, stdout=out if output else f, stderr=f,
                env=env, start_new_session=True)
        self.pid = self._child.pid

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def has_ended(self):
        return self._child.poll() is not None

    def wait(self, timeout_s=60):
        """Until it ends by itself; its exit status."""
        try:
            return self._child.wait(timeout_s * SLOWER)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"{' '.join(self.argv)} has not ended after {timeout_s * SLOWER} s: "
                f"{self.text()[-500:]}") from None

    def finish(self, timeout_s=60):
        """Wait, and it must have gone well."""
        status = self.wait(timeout_s)
        assert status == 0, (
            f"{' '.join(self.argv)} ended with {status}: {self.text()[-500:]}")
        return self

    def send_signal(self, number):
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def stop(self, number=signal.SIGTERM, timeout_s=20):
        self.send_signal(number)
        return self.wait(timeout_s)

    def kill(self):
        self.send_signal(signal.SIGKILL)
        self._child.wait()


# ---- any process


def is_alive(pid):
    """It runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_gone(pid, timeout_s=20):
    wait_for(lambda: not is_alive(pid), f"process {pid} to end", timeout_s)


def rss_kb(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise AssertionError(f"process {pid} is gone")


def open_files(pid):
    """How many descriptors it has."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def environment(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            return f.read().split(b"\0")
    except OSError:  # gone, or another user's
        return []


def marked(mark):
    """The living processes that have `mark` ("NAME=value") in their environment:
    {pid: command}."""
    found = {}
    for pid in (int(p) for p in os.listdir("/proc") if p.isdigit()):
        if mark.encode() in environment(pid) and is_alive(pid):
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                found[pid] = f.read().replace(b"\0", b" ").decode().strip()
    return found


def listener_pid(name, address):
    """Of a program that has its address in its title, as redis-server does."""
    for pid in (int(p) for p in os.listdir("/proc") if p.isdigit()):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().replace(b"\0", b" ").decode().split()
        except OSError:
            continue
        if words and words[0].endswith(name) and address in words:
            return pid
    return None


def wait_unmarked(mark, timeout_s):
    """Those that are left of `mark` when the time is over."""
    end = time.monotonic() + timeout_s
    left = marked(mark)
    while left and time.monotonic() < end:
        time.sleep(0.02)
        left = marked(mark)
    return left
