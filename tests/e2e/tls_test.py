#!/usr/bin/env python3
"""By RTMPS, HTTPS and WSS players get what they get without TLS; who breaks TLS is
closed with a reason, and nobody else notices."""

import os
import socket
import subprocess

from lib import clips, flv, framehash, tls, ts
from lib.client import (
    HttpViewer, RtmpViewer, TsViewer, WsFlvViewer, WsTsViewer, is_closed_by_peer)
from lib.env import BIN
from lib.process import open_files
from lib.weirtest import Cluster, case, main, wait_for

CERT, KEY = tls.make_identity()
CLUSTER = Cluster(settings={
    "cluster.publish_grace_ms": 1000, "edge.half_open_ms": 2000,
    "edge.tls.cert": CERT, "edge.tls.key": KEY,
    "edge.rtmps.listen": "127.0.0.1:0", "edge.https.listen": "127.0.0.1:0"})


def address(t, name):
    return t.cluster.role("edge")[0].addresses[name]


def rtmps_url(t, stream):
    return f"rtmps://{address(t, 'rtmps')}/{stream}"


def https_url(t, path):
    return f"https://{address(t, 'https')}/{path}"


def watch(t, make, *args, **options):
    viewer = make(*args, **options)
    t.at_end(viewer.close)
    return viewer


def edge_log(t):
    return t.cluster.log(t.cluster.role("edge")[0].id)


def edge_pid(t):
    return t.cluster.role("edge")[0].pid


def flv_viewers(t, stream):
    url = https_url(t, stream + ".flv")
    return {"HTTPS-FLV": watch(t, HttpViewer, url),
            "WSS-FLV": watch(t, WsFlvViewer, url),
            "RTMPS": watch(t, RtmpViewer, address(t, "rtmps"), stream, has_tls=True)}


def ts_viewers(t, stream):
    url = https_url(t, stream + ".ts")
    return {"HTTPS-TS": watch(t, TsViewer, url), "WSS-TS": watch(t, WsTsViewer, url)}


# ---- playing

@case
def every_packet_arrives_by_every_form(t):
    """Viewers who wait for the stream, and some who join in the middle."""
    clip, stream = clips.reference(), "live/safe"
    reference = flv.read(clip)
    by_flv, by_ts = [flv_viewers(t, stream)], [ts_viewers(t, stream)]
    plain = t.view(stream)
    wait_for(lambda: t.cluster.total("edge", "weir_edge_waiting") >= 6, "six to wait")
    push = t.push(clip, stream)
    plain.wait_after(2300)
    by_flv.append(flv_viewers(t, stream))
    by_ts.append(ts_viewers(t, stream))
    push.finish()
    for viewers in by_flv:
        for name, v in viewers.items():
            v.wait_over()
            assert not v.error, f"{name}: {v.error}"
            flv.assert_same(reference, v.tags, name)
    for viewers in by_ts:
        for name, v in viewers.items():
            v.wait_over()
            assert not v.error, f"{name}: {v.error}"
            assert not v.ts.faults, f"{name}: {v.ts.faults[:5]}"
            ts.assert_same(reference, v.pes, name)
    assert by_flv[0]["WSS-FLV"].close_code == 1000


@case
def what_ffmpeg_plays_is_exact(t):
    clip = clips.reference()
    t.push(clip, "live/player")
    t.cluster.wait_live("live/player")
    want = framehash.of_flv(flv.read(clip))
    players = [framehash.play(t, rtmps_url(t, "live/player")),
               framehash.play(t, https_url(t, "live/player.flv"))]
    for player in players:
        player.finish()
        framehash.assert_same(want, framehash.read(player.file))


def s_client(t, stream, *options):
    """The bytes of an answer, as openssl writes them."""
    ask = f"GET /{stream}.flv HTTP/1.0\\r\\n\\r\\n"
    out = t.file("answer" + "".join(options))
    words = " ".join(["timeout 60 openssl s_client -quiet -connect",
                      address(t, "https"), *options])
    process = t.run("sh", "-c", f"printf '{ask}' | {words}", output=out)
    process.file = out
    return process


@case
def s_client_plays_by_both_versions(t):
    clip, stream = clips.reference(), "live/openssl"
    players = [s_client(t, stream, "-tls1_2"), s_client(t, stream, "-tls1_3"),
               s_client(t, stream, "-tls1_2", "-cipher", "ECDHE+CHACHA20")]
    wait_for(lambda: t.cluster.total("edge", "weir_edge_waiting") >= 3, "three to wait")
    t.push(clip, stream).finish()
    for player in players:
        player.wait()
        with open(player.file, "rb") as f:
            head, _, body = f.read().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        with open(player.file, "wb") as f:
            f.write(body)
        flv.assert_same(flv.read(clip), flv.read(player.file), player.file)


# ---- what is refused

@case
def publishers_by_tls_are_told_to_come_without(t):
    push = t.ffmpeg("-re", "-i", clips.reference(), "-c", "copy", "-f", "flv",
                    rtmps_url(t, "live/published"), name="ffmpeg-push")
    push.wait()
    assert "publishers come by rtmp, without TLS" in push.text(), push.text()
    wait_for(lambda: "without TLS" in edge_log(t), "the edge to log it")


@case
def pages_are_refused_by_name(t):
    viewer = watch(t, HttpViewer, https_url(t, "live/a.m3u8"))
    viewer.wait_over()
    assert viewer.status == 404 and b"by https there is" in viewer.body, viewer.body


def old_version(t):
    """What openssl says of a server that takes nothing before 1.2."""
    return subprocess.run(
        ["openssl", "s_client", "-connect", address(t, "https"), "-tls1_1",
         "-cipher", "DEFAULT@SECLEVEL=0"], stdin=subprocess.DEVNULL, check=False,
        capture_output=True, text=True, timeout=30)


@case
def what_is_older_than_1_2_is_refused(t):
    answer = old_version(t)
    assert answer.returncode != 0 and "protocol version" in answer.stderr, answer.stderr
    wait_for(lambda: "TLS: unsupported protocol" in edge_log(t), "the edge to log it")


def connect(t, name, data=b""):
    host, port = address(t, name).rsplit(":", 1)
    sock = socket.create_connection((host, int(port)))
    t.at_end(sock.close)
    sock.sendall(data)
    return sock


@case
def no_peer_harms_another(t):
    """Silence, garbage, greetings cut off, handshakes without a word: all are
    closed, nothing of them is left, and a viewer sees none of it."""
    clip, stream = clips.reference(), "live/calm"
    viewer = watch(t, HttpViewer, https_url(t, stream + ".flv"))
    push = t.push(clip, stream)
    viewer.wait_media()
    before = open_files(edge_pid(t))
    bad = []
    for name in ("rtmps", "https"):
        bad += [connect(t, name, data) for data in [
            b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(2000), b"\x16\x03\x01",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x16" * 40000] * 20]
        bad += [tls.wrap(connect(t, name)) for _ in range(10)]
        bad += [tls.wrap(connect(t, name)) for _ in range(10)]
        for sock in bad[-10:]:
            sock.sendall(b"?" * 20000)
    for sock in bad:
        assert is_closed_by_peer(sock, 30), "a peer is still there"
    wait_for(lambda: open_files(edge_pid(t)) <= before, "descriptors to go back", 60)
    push.finish()
    viewer.wait_over()
    flv.assert_same(flv.read(clip), viewer.tags, "a viewer beside them")
    log = edge_log(t)
    for why in ("TLS: http request", "TLS: wrong version number", "reason=timeout"):
        assert why in log, f"not logged: {why}"


# ---- settings

def check(t, **tls_settings):
    path = t.file("edge.json")
    with open(path, "w", encoding="utf-8") as f:
        inner = ", ".join(f'"{k}": "{v}"' for k, v in tls_settings.items())
        f.write('{"edge": {"tls": {%s}}}' % inner)
    return subprocess.run([os.path.join(BIN, "weir-edge"), "--check", path],
                          capture_output=True, text=True, check=False, timeout=30)


@case
def a_pair_that_does_not_fit_is_refused_by_path_and_reason(t):
    other_cert, _ = tls.make_identity()
    wrong = {
        "edge.tls.key is not set": {"cert": CERT},
        "edge.tls.cert is not set": {"key": KEY},
        f"edge.tls: {KEY}: key values mismatch": {"cert": other_cert, "key": KEY},
        "edge.tls: /nowhere: No such file or directory": {"cert": CERT, "key": "/nowhere"},
        f"edge.tls: {KEY}: no start line": {"cert": KEY, "key": KEY},
    }
    for why, settings in wrong.items():
        answer = check(t, **settings)
        assert answer.returncode == 2 and why in answer.stderr, answer.stderr
    answer = check(t, cert=CERT, key=KEY)
    assert answer.returncode == 0 and "no mistakes" in answer.stdout, answer.stderr


@case
def without_a_certificate_nobody_listens(t):
    with Cluster(packager=0) as plain:
        names = set(plain.role("edge")[0].addresses)
        assert {"rtmp", "http"} <= names and not names & {"rtmps", "https"}, names


if __name__ == "__main__":
    main(CLUSTER, at_once=3)
