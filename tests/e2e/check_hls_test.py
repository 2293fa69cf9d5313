#!/usr/bin/env python3
"""`weir check-hls` against a small server that keeps the rules, and against one
that breaks them one by one. What is served was packaged by ffmpeg."""

import http.server
import json
import os
import threading
import time

from lib import clips
from lib.weirtest import case, main

SEGMENT_S = 1
WINDOW = 4
NEW_EACH_S = 0.5  # faster than life: a rule only says how late it may be
PLAYLIST = ("application/vnd.apple.mpegurl", "max-age=1")
SEGMENT = ("video/mp2t", "public, max-age=3600, immutable")


def package(t):
    """Segments of a second as (EXTINF, bytes); ffmpeg's SDT is left out, for a
    segment shall begin with PAT and PMT."""
    index = t.file("all.m3u8")
    t.ffmpeg("-i", clips.reference(20, 30), "-c", "copy", "-f", "hls",
             "-hls_time", str(SEGMENT_S), "-hls_list_size", "0", index).finish()
    with open(index, encoding="utf-8") as f:
        lines = f.read().split("\n")
    parts = []
    for i, line in enumerate(lines):
        if line.startswith("#EXTINF:"):
            with open(os.path.join(t.folder, lines[i + 1]), "rb") as f:
                packets = f.read()
            parts.append((float(line[8:].rstrip(",")), b"".join(
                packets[at:at + 188] for at in range(0, len(packets), 188)
                if (packets[at + 1] & 31) << 8 | packets[at + 2] != 17)))
    assert len(parts) > 10, lines
    return parts


class Site:
    """A live stream over HTTP: a new segment each NEW_EACH_S. `breaks` names
    what it does wrong."""

    def __init__(self, t, parts, breaks=None, ends_at=None):
        self.parts, self.breaks, self.ends_at = parts, breaks, ends_at
        self.begin = time.monotonic()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                status, (kind, cache), body = site.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Cache-Control", cache)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       kwargs={"poll_interval": 0.05})
        self.thread.start()
        t.at_end(self.close)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def url(self, path="/live/a.m3u8"):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def newest(self):
        passed = int((time.monotonic() - self.begin) / NEW_EACH_S)
        return min(WINDOW + passed, self.ends_at or len(self.parts))

    def answer(self, path):
        if path == "/master.m3u8":
            return 200, PLAYLIST, (b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n"
                                   b"live/a.m3u8\n")
        if path == "/live/a.m3u8":
            return self.playlist(self.newest())
        return self.part(int(path.split("/")[-1].split(".")[0]))

    def playlist(self, end):
        first = max(0, end - WINDOW)
        number = first + (self.breaks == "sequence" and first > 1)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1",
                 f"#EXT-X-MEDIA-SEQUENCE:{number}"]
        for i in range(first, end):
            lines += [f"#EXTINF:{self.parts[i][0]:.6f},", f"/part/{i}.ts"]
        if end == self.ends_at:
            lines.append("#EXT-X-ENDLIST")
        kind = ("text/plain", "no-cache") if self.breaks == "headers" else PLAYLIST
        return 200, kind, ("\n".join(lines) + "\n").encode()

    def part(self, i):
        is_listed = i >= self.newest() - WINDOW
        if self.breaks == "gone" and not is_listed:
            return 404, ("text/plain", "no-store"), b""
        body = self.parts[i][1]
        if self.breaks == "bytes" and i == 2:
            body = body[:-1] + bytes([body[-1] ^ 1])
        return 200, SEGMENT, body


def begin(t, *words):
    return t.weir("check-hls", "--json", *words)


def end(process):
    """Its exit status, and what it said as objects by their event."""
    status = process.wait()
    said = {}
    for line in process.text().splitlines():
        if line.startswith("{"):
            entry = json.loads(line)
            said.setdefault(entry["event"], []).append(entry)
    return status, said


def check(t, *words):
    return end(begin(t, *words))


def rules(said):
    return {c["rule"] for c in said.get("complaint", [])}


@case
def nothing_is_said_of_two_good_replicas_and_both_are_seen_whole(t):
    parts = package(t)
    sites = [Site(t, parts), Site(t, parts)]
    status, said = check(t, "--for", "8", *(s.url() for s in sites))
    assert status == 0 and not rules(said), said
    assert said["end"][0]["verdict"] == "good", said
    for replica in said["replica"]:
        assert replica["fetched"] == replica["segments"] >= 10, replica
        assert replica["removed_fetched"] >= 3, replica
    assert sum(r["compared"] for r in said["replica"]) >= 10, said["replica"]


@case
def a_master_playlist_leads_to_its_first_variant_and_an_ended_stream_ends_it(t):
    site = Site(t, package(t), ends_at=WINDOW + 2)
    status, said = check(t, "--for", "60", site.url("/master.m3u8"))
    assert status == 0 and not rules(said), said
    assert said["end"][0]["reason"] == "ended", said
    assert said["replica"][0]["fetched"] == WINDOW + 2, said


@case
def what_is_broken_is_named_by_its_rule(t):
    parts = package(t)
    broken = {"sequence": {"media-sequence"},
              "headers": {"mime-type", "cache-control"},
              "gone": {"removed-too-early"}}
    checks = {breaks: begin(t, "--for", "7", Site(t, parts, breaks).url())
              for breaks in broken}
    for breaks, wanted in broken.items():
        status, said = end(checks[breaks])
        assert status == 1, (breaks, said)
        assert wanted <= rules(said) <= wanted | {"changed-lines"}, (breaks, said)
        assert said["end"][0]["verdict"] == "broken", said


@case
def a_replica_that_differs_is_told_from_the_other(t):
    parts = package(t)
    good, other = Site(t, parts), Site(t, parts, "bytes")
    status, said = check(t, "--for", "3", good.url(), other.url())
    assert status == 1 and rules(said) == {"equal-bytes"}, said
    assert "2.ts has" in said["complaint"][0]["words"], said


@case
def nothing_seen_is_not_good(t):
    site = Site(t, package(t)[:WINDOW])
    site.close()
    status, said = check(t, "--for", "1", site.url())
    assert status == 1 and rules(said) == {"answer"}, said
    process = t.weir("check-hls", "ftp://127.0.0.1/a.m3u8")
    assert process.wait() == 2, process.text()
    assert "no http or https address" in process.text(), process.text()


@case
def what_people_read_has_rule_section_and_words(t):
    site = Site(t, package(t), "headers")
    process = t.weir("check-hls", "--for", "2", site.url())
    assert process.wait() == 1, process.text()
    text = process.text()
    assert ("replica 1 mime-type (RFC 8216 4): the playlist has Content-Type "
            '"text/plain", not application/vnd.apple.mpegurl') in text, text
    assert "check-hls.replica n=1 playlists=" in text, text
    assert "verdict=broken" in text, text


main()
