"""hls - players of HLS in memory, and what must be true of what they get.

A Player follows a playlist as long as the stream lives and fetches each segment
that it lists at once. Whatever breaks a rule (RFC 8216, or one of ours) raises.
"""

import gzip
import hashlib
import http.client
import threading
import time
import urllib.parse

from lib import ts
from lib.env import SLOWER
from lib.waiting import wait_for

TYPE = "application/vnd.apple.mpegurl"
POLL_S = 0.15
TAIL = 3  # segments of which a player looks back, behind the list


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.body = status, body
        self.headers = {k.lower(): v for k, v in headers}

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:200]}"


def ask(address, path, method="GET", timeout_s=20, **headers):
    """One request on a connection of its own; Accept_Encoding="gzip"."""
    connection = http.client.HTTPConnection(address, timeout=timeout_s * SLOWER)
    try:
        connection.request(method, path,
                           headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


class Segment:
    """An entry of a playlist. `lines`: all that stands for it there."""

    def __init__(self, number, discontinuity, lines):
        self.number, self.discontinuity, self.lines = number, discontinuity, lines
        self.uri = lines[-1]
        self.is_gap = "#EXT-X-GAP" in lines
        self.duration_us = self.date = None
        for line in lines:
            name, _, value = line.partition(":")
            if name == "#EXTINF":
                whole, _, part = value.rstrip(",").partition(".")
                self.duration_us = int(whole) * 1000000 + int(part.ljust(6, "0"))
            elif name == "#EXT-X-PROGRAM-DATE-TIME":
                self.date = value

    @property
    def told(self):
        """What must be the same wherever it is listed."""
        return self.number, self.discontinuity, self.lines


class Playlist:
    def __init__(self, text):
        self.text, self.segments = text, []
        self.is_ended = False
        self.target_s = self.sequence = None
        discontinuity, lines = 0, []
        all_lines = text.split("\n")
        assert all_lines[0] == "#EXTM3U" and all_lines[-1] == "", text
        for line in all_lines[1:-1]:
            name, _, value = line.partition(":")
            if name == "#EXT-X-TARGETDURATION":
                self.target_s = int(value)
            elif name == "#EXT-X-MEDIA-SEQUENCE":
                self.sequence = int(value)
            elif name == "#EXT-X-DISCONTINUITY-SEQUENCE":
                discontinuity = int(value)
            elif name == "#EXT-X-ENDLIST":
                self.is_ended = True
            elif name in ("#EXT-X-VERSION", "#EXT-X-INDEPENDENT-SEGMENTS"):
                continue
            else:
                lines.append(line)
                discontinuity += name == "#EXT-X-DISCONTINUITY"
            if line[0] != "#":
                self.segments.append(Segment(self.sequence + len(self.segments),
                                             discontinuity, lines))
                lines = []
        assert not lines and self.segments, text
        for s in self.segments:
            assert (s.duration_us + 500000) // 1000000 <= self.target_s, text


class Player(threading.Thread):
    """Follows http://ADDRESS PATH until ENDLIST or stop()."""

    def __init__(self, address, path):
        super().__init__(daemon=True)
        self.address = address if callable(address) else lambda: address
        self.path = path
        self.playlists = []  # those that differ
        self.segments = {}  # number: Segment, as listed first
        self.bodies = {}  # number: bytes
        self.fault = None
        self.refusals = 0  # 503
        self._halt = threading.Event()
        self.start()

    # ---- following

    def run(self):
        try:
            while not self._halt.is_set():
                if self._look():
                    return
                self._halt.wait(POLL_S)
        except Exception as e:  # pylint: disable=broad-except
            self.fault = e

    def _look(self):
        try:
            answer = ask(self.address(), self.path)
        except OSError:  # it was killed; another address may come
            return False
        if answer.status == 302:  # to an address of its own
            self.path = answer.headers["location"]
            return False
        if answer.status == 503:
            self.refusals += 1
            return False
        assert answer.status == 200, answer
        assert answer.headers["content-type"] == TYPE, answer
        text = answer.body.decode()
        if self.playlists and self.playlists[-1].text == text:
            return False
        new = Playlist(text)
        self._check_follows(new)
        self.playlists.append(new)
        for s in new.segments:
            self._take(s)
        return new.is_ended

    def _check_follows(self, new):
        if not self.playlists:
            return
        old = self.playlists[-1]
        assert new.target_s >= old.target_s, (
            f"the target duration shrinks from {old.target_s} to {new.target_s}")
        assert new.sequence >= old.sequence, f"{old.text}\nis followed by\n{new.text}"
        assert new.segments[-1].number >= old.segments[-1].number, (
            f"{old.text}\nis followed by the older\n{new.text}")
        for s in old.segments:
            if new.sequence <= s.number:
                again = new.segments[s.number - new.sequence]
                assert again.told == s.told, f"{s.told} became {again.told}"
        least = 3 * new.target_s * 1000000
        if new.sequence > old.sequence and not new.is_ended:
            listed = sum(s.duration_us for s in new.segments)
            assert listed >= least, f"only {listed} us listed: {new.text}"

    def _take(self, s):
        known = self.segments.setdefault(s.number, s)
        assert known.told == s.told, f"{known.told} became {s.told}"
        if s.number in self.bodies or s.is_gap:
            return
        answer = self._fetch(s)
        if answer is None:
            return
        assert answer.status == 200, f"{s.uri} is listed: {answer}"
        assert answer.headers["content-type"] == "video/mp2t", answer
        self.bodies[s.number] = answer.body

    def _fetch(self, s):
        try:
            return ask(self.address(), urllib.parse.urljoin(self.path, s.uri))
        except OSError:
            return None  # taken when it is listed again

    # ---- asking

    def halt(self):
        self._halt.set()

    def stop(self):
        self.halt()
        self.join(30 * SLOWER)
        self.check()
        return self

    def check(self):
        if self.fault:
            raise AssertionError(f"{self.path}: {self.fault}") from self.fault

    def wait_segments(self, count, timeout_s=30):
        def has():
            self.check()
            return len(self.bodies) >= count
        wait_for(has, f"{count} segments of {self.path}", timeout_s)
        return self

    def wait_over(self, timeout_s=40):
        """Until ENDLIST."""
        wait_for(lambda: not self.is_alive(), f"the end of {self.path}", timeout_s)
        self.check()
        return self

    @property
    def numbers(self):
        return sorted(self.bodies)

    def content(self):
        return b"".join(self.bodies[n] for n in self.numbers)

    def transport_stream(self):
        """All of it, read strictly: each segment begins with discontinuities."""
        parser = ts.Parser()
        parser.feed(self.content())
        parser.end()
        assert not parser.faults, parser.faults[:5]
        return parser

    def assert_durations(self):
        """EXTINF is the distance of the first pictures (or sounds), to the tick,
        where nothing breaks between."""
        begins = {}
        for n in self.numbers:
            parser = ts.Parser()
            parser.feed(self.bodies[n])
            parser.end()
            assert not parser.faults, f"segment {n}: {parser.faults[:5]}"
            begins[n] = min(p.dts for p in parser.pes if p.kind == parser.pes[0].kind)
        for n in self.numbers:
            if n + 1 not in begins:
                continue
            ticks = ts.ticks_between(begins[n], begins[n + 1])
            told = round(self.segments[n].duration_us * 9 / 100)
            assert ticks == told, f"segment {n} lasts {ticks} ticks, told are {told}"

    def assert_same(self, other):
        """The same names, bytes and lines, of all that both got. Returns how many
        segments that were."""
        both = sorted(set(self.segments) & set(other.segments))
        for n in both:
            a, b = self.segments[n], other.segments[n]
            assert a.told == b.told, f"{a.told} here, {b.told} there"
            if n in self.bodies and n in other.bodies:
                digests = [hashlib.sha256(p.bodies[n]).hexdigest() for p in (self, other)]
                assert digests[0] == digests[1], f"segment {n}: {digests}"
        theirs = {p.segments[-1].number: p for p in other.playlists if not p.is_ended}
        for p in self.playlists:
            q = theirs.get(p.segments[-1].number)
            if q is None or p.is_ended or q.sequence != p.sequence:
                continue
            assert p.text == q.text, f"{p.text}\nhere, and there\n{q.text}"
        return len(both)


def unzip(answer):
    return gzip.decompress(answer.body)
