"""sockets - what /proc says of TCP."""

import os
import re
import socket


def local_ports(pid):
    """The ports of this machine that a process is connected from."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            m = re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            continue
        if m:
            inodes.add(m.group(1))
    ports = []
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as f:
        for line in f.read().splitlines()[1:]:
            words = line.split()
            if words[9] in inodes:
                ports.append(int(words[1].rpartition(":")[2], 16))
    return ports


def is_listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0
