"""hls_story - one stream, watched by `weir check-hls` on every way to it, while
its publisher comes and goes, packagers die and return, and its home dies."""

# While the publisher is away nothing new can come: a list is late only when the
# grace is over as well.

import json
import os
import random
import socket
import time

from lib import clips, hls
from lib.cluster import Cluster
from lib.env import BIN
from lib.waiting import wait_for

AWAY_S = 1.0  # how long a publisher stays away


def free_address():
    """Nobody's, and no port that the kernel gives to whoever connects."""
    while True:
        address = ("127.0.0.1", random.randrange(12000, 30000))
        with socket.socket() as s:
            if s.connect_ex(address) != 0:
                return f"{address[0]}:{address[1]}"


def start_packager(t, id_, address):
    """As `weir up` would start it (again)."""
    words = [os.path.join(BIN, "weir-packager"), "--node-id", id_, "--conf",
             os.path.join(t.cluster.dir, "conf.json")]
    settings = {**t.cluster.settings, "admin.listen": "127.0.0.1:0",
                "packager.http.listen": address}
    for name, value in settings.items():
        words += ["--set", f"{name}={value}"]
    return t.run(*words, name=id_)


class Story:
    """What happens, by parts of the whole time."""

    def __init__(self, t, seconds, clip):
        self.t, self.seconds, self.clip = t, seconds, clip
        self.stream = "live/story"
        self.second = free_address()
        self.first = t.cluster.role("packager")[0].addresses["http"]
        self.returns = 0
        self.begin = time.monotonic()
        self.checks = []
        self.plan = [(min(30, 0.15 * seconds), self.start_second),
                     (0.35 * seconds, self.kill_first), (0.6 * seconds, self.kill_home)]

    def urls(self):
        edges = [n.addresses["http"] for n in self.t.cluster.role("edge")]
        return [f"http://{a}/{self.stream}.m3u8" for a in [*edges, self.first, self.second]]

    def start_second(self):
        """Compared with the others from then on."""
        start_packager(self.t, "packager-2", self.second)
        wait_for(self.second_serves, "packager-2 to serve")
        self.watch(self.urls())

    def second_serves(self):
        try:
            return hls.ask(self.second, f"/{self.stream}.m3u8").status == 200
        except OSError:
            return False

    def watch(self, urls):
        slack_ms = self.t.cluster.settings["cluster.publish_grace_ms"] + 1000
        self.checks.append(self.t.weir(
            "check-hls", "--json", "--may-be-absent", "--for", int(self.seconds) + 120,
            "--late-slack", slack_ms, *urls))

    def kill_first(self):
        self.t.cluster.kill("packager-1")
        start_packager(self.t, "packager-1", self.first)

    def kill_home(self):
        self.t.cluster.kill(self.t.cluster.streams()[self.stream]["home"])

    def publish_on(self):
        """One clip after the other, by both ingests in turn."""
        push = self.t.push(self.clip, self.stream, ingest=self.returns % 2)
        while not push.has_ended():
            self.do_due()
            time.sleep(0.1)
        push.finish()

    def do_due(self):
        while self.plan and time.monotonic() - self.begin >= self.plan[0][0]:
            self.plan.pop(0)[1]()

    def is_over(self):
        return time.monotonic() - self.begin >= self.seconds

    def tell(self):
        t = self.t
        push = t.push(self.clip, self.stream)
        t.cluster.wait_live(self.stream)
        self.watch(self.urls()[:-1])
        while not push.has_ended():
            self.do_due()
            time.sleep(0.1)
        push.finish()
        while not self.is_over():
            self.returns += 1
            time.sleep(AWAY_S)
            self.publish_on()
        assert not self.plan, self.plan


def tell(t, seconds, clip_seconds, settings):
    settings = {**settings, "packager.http.listen": free_address()}
    with Cluster(ingest=2, origin=2, edge=2, packager=1, settings=settings) as t.cluster:
        story = Story(t, seconds, clips.reference(clip_seconds))
        story.tell()
        for check in story.checks:
            status = check.wait(90)  # for the end of the grace, and then of the list
            assert status == 0, f"check-hls ended with {status}: {check.text()[:1500]}"
            end = json.loads(check.text().splitlines()[-1])
            t.note(f"{end}")
        t.note(f"{story.returns} returns")
