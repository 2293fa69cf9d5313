"""network - a network of its own for a script, where all ports are free and
rules harm nobody. Needs root."""

import ctypes
import os
import subprocess
import sys

CLONE_NEWNET = 0x40000000


def leave_the_network():
    """Before any thread or process is made: they belong to the network that
    their maker is in."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        print(f"a network of its own: {os.strerror(ctypes.get_errno())}")
        sys.exit(77)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
