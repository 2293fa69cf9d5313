#!/usr/bin/env python3
"""Nobody gets around the gate: not by another way to write an address, not by
another method, not on a kept connection, not by what is in a cache already. And
what is secret stands nowhere but where it must."""

import hashlib
import hmac
import json
import socket
import time

from lib import clips, flv
from lib.env import SLOWER
from lib.rtmp import Refused, Rtmp
from lib.weirtest import Cluster, case, main, wait_for

SECRET = "the-secret-of-key-one"
CLUSTER = Cluster(settings={
    "auth.signature": "play",
    "cluster.rules": json.dumps([{"kind": "key", "id": "k1", "secret": SECRET}]),
    "auth.lal.dangerous_lal_secret": "x" * 20})
NONE = b"GET /live/none.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n"
# What media and playlists begin with.
MEDIA = (b"FLV\x01", b"#EXTM3U", b"\r\n\r\nG@")


def sign(stream, op="play", for_s=600, secret=SECRET):
    text = (f"weir_kid=k1&weir_exp={int(time.time()) + for_s}"
            f"&weir_stream={stream.replace('/', '%2F')}&weir_op={op}")
    mac = hmac.new(secret.encode(), text.encode(), hashlib.sha256)
    return f"{text}&weir_sig={mac.hexdigest()}"


def wrong_queries():
    return ["", "?", "?weir_sig=", "?weir_kid=k1", "?lal_secret=x",
            "?" + sign("live/other"), "?" + sign("live/sneak", "publish"),
            "?" + sign("live/sneak", for_s=-1),
            "?" + sign("live/sneak", secret="another-secret-of-it"),
            "?" + sign("live/sneak").replace("weir_kid", "weir%5Fkid")]


def paths_of(ending):
    """Ways to write /live/sneak with an ending, and what may be taken for it."""
    e = ending.lstrip(".")
    return [f"/live/sneak.{e}", f"//live/sneak.{e}", f"/live//sneak.{e}",
            f"/live/./sneak.{e}", f"/x/../live/sneak.{e}",
            f"/live%2fsneak.{e}", f"/live/sneak%2e{e}", f"/%6cive/sneak.{e}",
            f"/live/sneak.{e.upper()}", f"/live/sneak.{e}/",
            f"/live/sneak.{e}%00", f"/live/sneak.{e};x", f"/live/sneak%3f.{e}",
            f"/-/live/sneak.{e}", f"/hls/live/sneak.{e}",
            f"/hls/sneak.{e}", f"/hls/sneak/playlist.{e}",
            f"/live/sneak/playlist.{e}", f"/-/live/sneak/x.{e}",
            f"http://h/live/sneak.{e}", f"http://h//live/sneak.{e}"]


def said(t, text, first=b""):
    """All that comes back on one connection, until it is closed or enough has
    come of it."""
    host, _, port = t.cluster.http_address(0).rpartition(":")
    got = b""
    with socket.create_connection((host, int(port)), 10 * SLOWER) as s:
        if first:
            s.sendall(first)
            while b'"}\n' not in got and b"}\n" not in got:
                got += s.recv(65536)
        s.sendall(text)
        got = b""
        while len(got) < 4096:
            more = s.recv(65536)
            if not more:
                break
            got += more
    return got


def request(method, target, *fields):
    lines = [f"{method} {target} HTTP/1.1", "Host: h", "Connection: close",
             *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def assert_nothing(t, text, first=b""):
    got = said(t, text, first)
    status = got.split(b" ", 2)[1] if b" " in got else b""
    assert status != b"200" and not any(m in got for m in MEDIA), \
        f"{text!r} was answered with {got[:300]!r}"


@case
def no_way_to_write_an_address_gets_around(t):
    t.push(clips.reference(), "live/sneak", "--loop")
    good = sign("live/sneak")
    wait_for(lambda: b"#EXTINF" in said(t, request(
        "GET", f"/live/sneak.m3u8?{good}")), "a playlist", 30)
    assert b"FLV\x01" in said(t, request("GET", f"/live/sneak.flv?{good}"))
    for ending in ("flv", "ts", "m3u8"):
        for path in paths_of(ending):
            assert_nothing(t, request("GET", path))
        for query in wrong_queries():
            assert_nothing(t, request("GET", f"/live/sneak.{ending}{query}"))
        for method in ("HEAD", "POST", "PUT", "OPTIONS", "get", "GET "):
            assert_nothing(t, request(method, f"/live/sneak.{ending}"))


@case
def nor_does_a_connection_that_was_kept(t):
    t.push(clips.reference(), "live/sneak", "--loop")
    wait_for(lambda: b"#EXTINF" in said(t, request(
        "GET", "/live/sneak.m3u8?" + sign("live/sneak"))), "a playlist", 30)
    assert b"FLV\x01" in said(t, request(
        "GET", "/live/sneak.flv?" + sign("live/sneak")), first=NONE)
    for ending in ("flv", "ts", "m3u8"):
        for path in paths_of(ending):
            assert_nothing(t, request("GET", path), first=NONE)
        for query in wrong_queries():
            assert_nothing(t, request("GET", f"/live/sneak.{ending}{query}"),
                           first=NONE)
    upgrade = ["Upgrade: websocket", "Sec-WebSocket-Version: 13",
               "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
    text = request("GET", "/live/sneak.flv", *upgrade)
    assert b" 401 " in said(t, text.replace(b"close", b"Upgrade"), first=NONE)


@case
def nor_does_another_name_by_rtmp(t):
    t.push(clips.reference(), "live/sneak", "--loop")
    for app, name in (("live", "sneak"), ("live", "sneak?"), ("live/sneak", ""),
                      ("live/", "sneak"), ("/live", "sneak"), ("", "live/sneak"),
                      ("live?x=1", "sneak"), ("live", "./sneak"),
                      ("live", "sneak?" + sign("live/other")),
                      ("live?" + sign("live/other"), "sneak")):
        r = Rtmp(t.cluster.rtmp_address(0))
        t.at_end(r.close)
        assert plays_nothing(r, app, name), f"{app!r} {name!r} plays"


def plays_nothing(r, app, name):
    """It is refused, or closed, before any media comes."""
    r.handshake()
    r.command("connect", {"app": app, "tcUrl": f"rtmp://127.0.0.1/{app}"})
    try:
        r.answer()
        r.command("createStream", None)
        r.answer()
        r.command("play", None, name, stream=1)
        return not any(tag.type != flv.SCRIPT for tag in r.tags())
    except (Refused, EOFError, ConnectionError):
        return True


# ---- secrets

def assert_nowhere(t, words, what, text):
    for word in words:
        assert word not in text, f"{what} tells {word!r}"


@case
def secrets_stand_nowhere(t):
    good, lal = sign("live/sneak", "both"), "l4l-s3cret-of-mine"
    mac = good.rpartition("=")[2]
    words = [SECRET, mac, lal, "t0ken-of-mine", "p4ss-of-mine"]
    query = f"{good}&lal_secret={lal}&token=t0ken-of-mine&pwd=p4ss-of-mine"
    t.push(clips.reference(), f"live/sneak?{query}", "--loop")
    t.view_rtmp(f"live/sneak?{query}")
    t.pull(f"http://{t.cluster.http_address(0)}/live/sneak.flv?{query}")
    t.cluster.wait_viewers(2)
    t.view_rtmp(f"live/sneak?lal_secret={lal}&token=t0ken-of-mine").wait_over()
    for path in ("/api/v1/sessions", "/api/v1/streams", "/api/v1/rules",
                 "/api/v1/nodes", "/api/v1/events?stream=live/sneak",
                 "/api/v1/topology?stream=live/sneak", "/api/stat/all_group",
                 "/api/page", "/api/v1/rules/key/k1"):
        status, answer = t.cluster.ask(path)
        assert status == 200, (path, status, answer)
        assert_nowhere(t, words, path, json.dumps(answer))
    shown = t.cluster.ask("/api/v1/sessions?stream=live/sneak")[1]["sessions"]
    assert len(shown) == 3, shown  # they are there, by those addresses
    for node in t.cluster.nodes:
        assert_nowhere(t, words, f"log of {node.id}", t.cluster.log(node.id))
        assert_nowhere(t, words, f"metrics of {node.id}",
                       t.cluster.admin(node.id, "/metrics"))
        with open(f"/proc/{node.pid}/cmdline", encoding="utf-8") as f:
            assert_nowhere(t, words[1:], f"command of {node.id}", f.read())


if __name__ == "__main__":
    main(CLUSTER)
