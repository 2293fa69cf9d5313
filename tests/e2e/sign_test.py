#!/usr/bin/env python3
"""Signed addresses open what they say, by every protocol and standard tools, and
nothing else; settings of lal that were imported do what they did."""

import json
import os
import subprocess

from lib import clips
from lib.env import BIN, SLOWER
from lib.weirtest import Cluster, case, main, wait_for

SECRET = "0123456789abcdefghij"
RULES = json.dumps([{"kind": "key", "id": "k1", "secret": SECRET},
                    {"kind": "deny", "cidr": "127.0.0.3"}])
LAL_MD5 = "700997e1595a06c9ffa60ebef79105b0"  # of q191201771test110


def signed(url, *options):
    """What `weir sign` prints."""
    return subprocess.run([os.path.join(BIN, "weir"), "sign", *options, url],
                          env={**os.environ, "WEIR_SIGN_SECRET": SECRET}, check=True,
                          capture_output=True, text=True, timeout=20).stdout.strip()


def refusal(url, *options):
    """Status and words of an answer; of one that plays, its status."""
    out = subprocess.run(["curl", "-sS", "--max-time", str(5 * SLOWER), "--max-filesize",
                          "1000", "-w", "\n%{http_code}", *options, url],
                         capture_output=True, check=False).stdout
    text, _, status = out.rpartition(b"\n")
    message = json.loads(text)["message"] if int(status) >= 400 else ""
    return int(status), message.rpartition(": ")[2]


def play(t, *urls, frames=20):
    players = [t.ffmpeg("-i", url, "-map", "0:v:0", "-frames:v", frames, "-f", "null",
                        "-") for url in urls]
    for p in players:
        p.finish()


@case
def what_is_signed_plays_by_every_protocol_and_nothing_else_does(t):
    with Cluster(settings={"cluster.rules": RULES,
                           "auth.signature": "both"}) as t.cluster:
        publish = t.cluster.publish_url("live/cam1")
        refused = t.weir("push", clips.reference(), publish)
        assert refused.wait(20) != 0 and "signed" in refused.text(), refused.text()
        refused = t.weir("push", clips.reference(), signed(publish))
        assert refused.wait(20) != 0, refused.text()
        assert "not for publishing" in refused.text(), refused.text()
        t.ffmpeg("-re", "-stream_loop", -1, "-i", clips.reference(), "-c", "copy", "-f",
                 "flv", signed(publish, "--op", "publish", "--user", "bob & co"))
        t.cluster.wait_live("live/cam1")
        flv, ts = t.cluster.flv_url("live/cam1"), t.cluster.ts_url("live/cam1")
        rtmp, hls = t.cluster.rtmp_url("live/cam1"), flv.replace(".flv", ".m3u8")
        play(t, *[signed(url) for url in (flv, ts, rtmp, hls)])
        for url in (flv, ts, hls):
            assert refusal(url) == (401, "the address must be signed for this"), url
            other = signed(url.replace("cam1", "cam2")).partition("?")[2]
            assert refusal(f"{url}?{other}") == (
                401, "the signature is for other streams"), url
            assert refusal(signed(url)[:-1] + "x")[0] == 401, url
        narrow = signed(flv, "--ip", "127.0.0.2", "--streams", "live/**")
        assert refusal(narrow) == (401, "the signature is for another address")
        assert refusal(narrow, "--interface", "127.0.0.2") == (200, "")
        assert refusal(signed(flv), "--interface", "127.0.0.3")[0] == 403
        for node in t.cluster.nodes:
            log = t.cluster.log(node.id)
            assert SECRET not in log and "weir_sig=" not in log.replace(
                "weir_sig=***", ""), f"a secret in the log of {node.id}"


@case
def a_signed_address_holds_until_its_time_is_over(t):
    with Cluster(packager=0, settings={"cluster.rules": RULES,
                                       "auth.signature": "play"}) as t.cluster:
        t.push(clips.reference(), "live/cam1", "--loop")
        url = signed(t.cluster.flv_url("live/cam1"), "--for", "3")
        p = t.run("curl", "-sS", "-o", t.file("a.flv"), url)
        wait_for(lambda: os.path.exists(t.file("a.flv")), "somebody to be let in")
        wait_for(lambda: refusal(url) == (401, "the signed address has expired"),
                 "the end of the address", 20)
        size = os.path.getsize(t.file("a.flv"))
        wait_for(lambda: os.path.getsize(t.file("a.flv")) > size + 10000,
                 "who is in to get more")
        assert not p.has_ended(), p.text()


@case
def imported_settings_of_lal_do_what_they_did(t):
    with open(t.file("lal.json"), "w", encoding="utf-8") as f:
        json.dump({
            "rtmp": {"enable": True, "addr": ":1935"},
            "default_http": {"http_listen_addr": ":8080"},
            "httpflv": {"enable": True}, "httpts": {"enable": True},
            "hls": {"enable": True, "fragment_duration_ms": 1000, "fragment_num": 3},
            "http_api": {"enable": True, "addr": ":8083"}, "server_id": "7",
            "simple_auth": {"key": "q191201771", "sub_httpflv_enable": True}}, f)
    with open(t.file("weir.json"), "w", encoding="utf-8") as f:
        subprocess.run([os.path.join(BIN, "weir"), "import-conf", t.file("lal.json")],
                       stdout=f, check=True, timeout=20)
    with Cluster(options=["--conf", t.file("weir.json")]) as t.cluster:
        t.push(clips.reference(), "other/test110", "--loop")
        url = t.cluster.flv_url("live/test110")
        assert refusal(url) == (401, "lal_secret is missing or wrong")
        play(t, f"{url}?lal_secret={LAL_MD5}", t.cluster.rtmp_url("any/test110"),
             url.replace("live/test110.flv", "hls/test110.m3u8"))
        assert t.cluster.api("/api/stat/lal_info")["data"]["server_id"] == "7"


if __name__ == "__main__":
    main(at_once=2)
