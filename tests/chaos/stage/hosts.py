"""hosts - a cluster whose nodes have a network each, so that any two can be cut
from each other, one way or both. Needs root."""

import ctypes
import os
import shutil
import subprocess

from lib.env import BIN
from stage.redis import Redis
from stage.stage import Pinned, Stage

CLONE_NEWNET = 0x40000000
NETWORK = "10.77.0."
HERE = NETWORK + "1"

WRAPPER = """#!/bin/sh
# Starts a node in the network of its host.
id= before=
for word; do
	[ "$before" = --node-id ] && id=$word
	before=$word
done
read -r pid address <"{hosts}/$id"
exec nsenter --net="/proc/$pid/ns/net" -- "{real}" "$@" \\
	--set "bus.listen=$address:0" --set "admin.listen=$address:0"
"""


def leave_the_network():
    """This process, and what it starts, have a network of their own from now on.
    Before any thread. Returns why that cannot be, or None."""
    libc = ctypes.CDLL(None, use_errno=True)
    for tool in ("ip", "iptables", "nsenter"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    if libc.unshare(CLONE_NEWNET):
        return os.strerror(ctypes.get_errno())
    ip("link", "set", "lo", "up")
    ip("link", "add", "cluster", "type", "bridge")
    ip("addr", "add", HERE + "/24", "dev", "cluster")
    ip("link", "set", "cluster", "up")
    return None


def run(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stderr}"


def ip(*words):
    run("ip", *words)


class Host:
    """A network with one address, as long as its keeper lives."""

    def __init__(self, number, folder, id_):
        self.id, self.address, self._end = id_, NETWORK + str(number), f"h{number}"
        self._keeper = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "-n", "sh", "-c",
             "echo ready; exec sleep 100000"], stdout=subprocess.PIPE, text=True)
        assert self._keeper.stdout.readline() == "ready\n"
        pid = self._keeper.pid
        ip("link", "add", f"h{number}", "type", "veth", "peer", "name", "eth0",
           "netns", pid)
        ip("link", "set", f"h{number}", "master", "cluster", "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "addr", "add", self.address + "/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        with open(os.path.join(folder, id_), "w", encoding="utf-8") as f:
            f.write(f"{pid} {self.address}\n")

    def run(self, *words):
        run("nsenter", "-t", self._keeper.pid, "-n", *words)

    def drop(self, chain, *which):
        self.run("iptables", "-A", chain, *which, "-j", "DROP")

    def heal(self):
        self.run("iptables", "-F")

    def end(self):
        ip("link", "del", self._end)
        self._keeper.kill()
        self._keeper.wait()


class Hosts(Pinned):
    """As Cluster; a host for each node."""

    def __init__(self, **options):
        super().__init__(**options)
        self.hosts = {}

    def command(self, folder):
        hosts, bin_ = os.path.join(folder, "../hosts"), os.path.join(folder, "../bin")
        for made in (hosts, bin_):
            os.makedirs(made)
        shutil.copy(os.path.join(BIN, "weir"), bin_)
        number = 2
        for role, count in self.counts.items():
            with open(os.path.join(bin_, f"weir-{role}"), "w", encoding="utf-8") as f:
                f.write(WRAPPER.format(hosts=hosts, real=os.path.join(BIN, f"weir-{role}")))
                os.fchmod(f.fileno(), 0o755)
            for k in range(count):
                id_ = f"{role}-{k + 1}"
                self.hosts[id_] = Host(number, hosts, id_)
                number += 1
        words = super().command(folder)
        words[words.index(os.path.join(BIN, "weir"))] = os.path.join(bin_, "weir")
        return words

    def wait_ready(self):
        super().wait_ready()
        for n in self.nodes:
            n.addresses = {name: a.replace("0.0.0.0:", self.hosts[n.id].address + ":")
                           for name, a in n.addresses.items()}
        return self

    def kill_all(self):
        super().kill_all()
        for host in self.hosts.values():
            host.end()
        self.hosts = {}


class Here(Redis):
    """A registry that all hosts reach."""

    def __init__(self, folder):
        super().__init__(folder, host=HERE)
        self.start()


class Networks(Stage):
    """A stage whose nodes can be cut from each other."""

    def __init__(self, name, **options):
        super().__init__(name, cluster=Hosts, registry=Here, **options)

    def host(self, id_):
        return self.cluster.hosts[id_]

    def ids(self, which):
        """A node, or all of a role."""
        return [id_ for id_ in self.cluster.hosts
                if which in (id_, id_.rpartition("-")[0])]

    def cut(self, a, b, one_way=False):
        """What a sends does not reach b; nor, if not one_way, what b sends a.
        Nodes, roles, or "redis"."""
        if b == "redis":
            port = str(self.registry.port)
            for x in self.ids(a):
                self.host(x).drop("OUTPUT", "-p", "tcp", "--dport", port)
                self.host(x).drop("INPUT", "-p", "tcp", "--sport", port)
            return
        for x in self.ids(a):
            for y in self.ids(b):
                if x == y:
                    continue
                self.host(y).drop("INPUT", "-s", self.host(x).address)
                if not one_way:
                    self.host(x).drop("INPUT", "-s", self.host(y).address)

    def cut_off(self, id_, chains=("INPUT", "OUTPUT")):
        """A whole host, from everybody."""
        self.fault()
        for chain in chains:
            self.host(id_).drop(chain, "-o" if chain == "OUTPUT" else "-i", "eth0")

    def heal(self):
        for host in self.cluster.hosts.values():
            host.heal()
