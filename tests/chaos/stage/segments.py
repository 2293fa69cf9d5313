"""segments - viewers by HLS: what they got, frame by frame, and whether all of
them got the same."""

import os

from lib import hls
from stage import judge
from stage.load import read_trace


class Watcher:
    """A player of one stream at one node, an edge or a packager."""

    is_closed = True  # its trace has no end

    def __init__(self, stage, stream, id_):
        self.stage, self.stream, self.id = stage, stream, id_
        self.player = hls.Player(self.address, f"/{stream.key}.m3u8")
        self.trace = os.path.join(stage.load.folder, f"hls-{id_}-{stream.number}")

    def __str__(self):
        return f"hls of {self.stream.key} at {self.id}"

    def address(self):
        """Where it is now; it may have been restarted."""
        try:
            return self.stage.reach(self.stage.cluster.node(self.id), "http")
        except StopIteration:
            raise ConnectionError(f"{self.id} is dead") from None

    def judge(self, published, excused):
        """Everything between its first frame and its last one."""
        verdict = judge.Verdict()
        if self.player.fault:
            verdict.count("wrong", f"{self}: {self.player.fault}")
            return verdict
        content = self.trace + ".ts"
        with open(content, "wb") as f:
            f.write(self.player.content())
        self.stage.load.sweep(content, self.trace, self.stream)
        until_us = self.until_us(published)
        for kind in judge.KINDS:
            judge.judge_kind(verdict, str(self), published, read_trace(self.trace), kind,
                             until_us, excused)
        if not self.player.bodies:
            verdict.count("stalled", f"{self}: not one segment")
        return verdict

    def until_us(self, published):
        """When the newest frame that it has of each kind was sent."""
        newest = {}
        for e in read_trace(self.trace):
            at = published.place.get(e.kind, {}).get((e.session, e.counter))
            if at is not None:
                newest[e.kind] = published.frames[e.kind][at].at_us
        return min(newest.values(), default=0)


def compare(verdict, watchers):
    """Equal names, equal bytes, equal lines."""
    for i, a in enumerate(watchers):
        for b in watchers[:i]:
            if a.stream is not b.stream:
                continue
            try:
                a.player.assert_same(b.player)
            except AssertionError as e:
                verdict.count("wrong", f"{a} and {b} differ: {str(e)[:200]}")
