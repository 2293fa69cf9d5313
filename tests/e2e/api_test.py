#!/usr/bin/env python3
"""What the cluster says of itself: lal's calls, ours, the command line, health,
metrics, settings."""

import json
import os
import subprocess
import urllib.error
import urllib.request

from lib import clips
from lib.env import BIN, ROOT
from lib.weirtest import Cluster, case, main, wait_for

SETTINGS = {"cluster.publish_grace_ms": 1000}
CLUSTER = Cluster(ingest=2, origin=2, edge=2, settings=SETTINGS)
ROLES = ("ingest", "origin", "edge", "packager", "dispatch")
SESSION_KEYS = {"session_id", "protocol", "base_type", "remote_addr", "start_time",
                "read_bytes_sum", "wrote_bytes_sum", "bitrate_kbits",
                "read_bitrate_kbits", "write_bitrate_kbits"}
GROUP_KEYS = {"stream_name", "app_name", "audio_codec", "video_codec", "video_width",
              "video_height", "pub", "subs", "pull", "in_frame_per_sec"}


def weir(t, *words):
    """The command line, as its user types it; its output."""
    told = t.cluster.told
    return t.weir(words[0], "--api", told["api"], "--token", told["token"],
                  *words[1:])


def is_about(entry, prefix):
    return entry["session_id"].startswith(prefix)


# ---- lal's calls


@case
def lal_info_names_the_server(t):
    answer = t.cluster.api("/api/stat/lal_info")
    assert (answer["error_code"], answer["desp"]) == (0, "succ"), answer
    with open(os.path.join(ROOT, "VERSION"), encoding="utf-8") as f:
        assert f.read().strip() in answer["data"]["bin_info"], answer
    assert answer["data"]["server_id"] and answer["data"]["start_time"], answer


@case
def groups_have_lals_form_and_the_whole_clusters_sessions(t):
    stream = "live/api"
    viewers = [t.view(stream, edge=0), t.view_rtmp(stream, edge=1)]
    t.push(clips.reference(), stream, ingest=1)
    for v in viewers:
        v.wait_media(60)

    def counted():
        group = t.cluster.group("api")
        return (group and group["in_frame_per_sec"] and len(group["subs"] or []) == 2
                and all(s["wrote_bytes_sum"] for s in group["subs"]) and group)
    group = wait_for(counted, "two viewers of the group")
    assert set(group) == GROUP_KEYS, set(group) ^ GROUP_KEYS
    assert (group["app_name"], group["stream_name"]) == ("live", "api"), group
    assert (group["video_codec"], group["audio_codec"]) == ("H264", "AAC"), group
    assert (group["video_width"], group["video_height"]) == (320, 180), group
    pub = group["pub"]
    assert set(pub) == SESSION_KEYS, set(pub) ^ SESSION_KEYS
    assert (pub["protocol"], pub["base_type"]) == ("RTMP", "PUB"), pub
    assert is_about(pub, "RTMPPUBSUB") and pub["read_bytes_sum"] > 0, pub
    subs = {s["protocol"]: s for s in group["subs"]}
    assert sorted(subs) == ["FLV", "RTMP"], subs
    assert is_about(subs["FLV"], "FLVPUBSUB") and is_about(subs["RTMP"], "RTMPPUBSUB"), subs
    host, port = viewers[0].sock.getsockname()
    assert subs["FLV"]["remote_addr"] == f"{host}:{port}", subs
    assert all(s["base_type"] == "SUB" for s in subs.values()), subs
    assert group["pull"]["session_id"] == "", group["pull"]
    seconds = group["in_frame_per_sec"]
    assert all(set(s) == {"unix_sec", "v"} for s in seconds), seconds

    groups = t.cluster.api("/api/stat/all_group")["data"]["groups"]
    assert ("live", "api") in [(g["app_name"], g["stream_name"]) for g in groups]


@case
def any_dispatch_answers_and_one_is_enough(t):
    """They share the public address."""
    stream = "live/twice"
    with Cluster(dispatch=2, packager=0, settings=SETTINGS) as t.cluster:
        t.push(clips.tiny(1), stream)
        t.cluster.wait_live(stream)
        asked = [t.cluster.group("twice")["pub"]["session_id"] for _ in range(8)]
        assert asked[0] and len(set(asked)) == 1, asked
        calls = [t.cluster.metrics(n.id).sum("weir_dispatch_api_calls_total")
                 for n in t.cluster.role("dispatch")]
        t.note(f"calls {calls}")
        t.cluster.kill("dispatch-1")
        asked += [t.cluster.group("twice")["pub"]["session_id"] for _ in range(8)]
        assert len(set(asked)) == 1, asked


@case
def what_is_not_there_is_said_in_lals_words(t):
    asked = t.cluster.api
    assert asked("/api/stat/group?stream_name=nobody")["error_code"] == 1001
    assert asked("/api/stat/group")["error_code"] == 1002
    assert asked("/api/nothing")["error_code"] == 404
    answer = asked("/api/ctrl/kick_session",
                   {"stream_name": "nobody", "session_id": "FLVPUBSUB1"})
    assert answer["error_code"] == 1001, answer
    assert asked("/api/ctrl/kick_session", {"stream_name": "x"})["error_code"] == 1002


def kick(t, stream, session_id):
    answer = t.cluster.api("/api/ctrl/kick_session",
                           {"stream_name": stream, "session_id": session_id})
    assert (answer["error_code"], answer["desp"]) == (0, "succ"), answer


@case
def a_viewer_and_a_publisher_are_kicked(t):
    stream = "live/kicked"
    viewers = {"FLV": t.view(stream), "RTMP": t.view_rtmp(stream)}
    push = t.push(clips.reference(), stream)
    for v in viewers.values():
        v.wait_media()
    stays = t.view(stream).wait_media()
    wait_for(lambda: len(t.cluster.group("kicked")["subs"] or []) == 3, "three viewers")
    subs = t.cluster.group("kicked")["subs"]
    for name, v in viewers.items():
        host, port = v.sock.getsockname()
        kick(t, "kicked", next(s["session_id"] for s in subs
                               if s["remote_addr"] == f"{host}:{port}"))
        v.wait_over()
        assert not stays.is_over.is_set(), f"kicking the {name} viewer took another along"
    answer = t.cluster.api("/api/ctrl/kick_session",
                           {"stream_name": "kicked", "session_id": "FLVPUBSUB1"})
    assert answer["error_code"] == 1003, answer
    kick(t, "kicked", t.cluster.group("kicked")["pub"]["session_id"])
    assert push.wait() == 3, push.text()
    assert "kicked by the API" in push.text(), push.text()
    reasons = [e["reason"] for e in t.cluster.events(stream)]
    assert "kicked" in reasons, t.cluster.events(stream)


# ---- who may ask


@case
def the_token_is_needed(t):
    for token in ("", "wrong", t.cluster.told["token"][:-1], t.cluster.told["token"] + "0"):
        for path in ("/api/stat/all_group", "/api/nodes", "/api/events?stream=live/a"):
            assert t.cluster.ask(path, token=token)[0] == 401, (path, token)
        status, _ = t.cluster.ask("/api/ctrl/kick_session", {"stream_name": "a"}, token)
        assert status == 401, status


def ask_raw(url, headers, data=None):
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as r:
            return r.status
    except urllib.error.HTTPError as e:
        return e.code


@case
def without_a_token_only_this_machine_is_answered(t):
    settings = {**SETTINGS, "dispatch.api.token": ""}
    with Cluster(packager=0, settings=settings) as c:
        url = c.told["api"] + "/api/stat/lal_info"
        control = c.told["api"] + "/api/ctrl/kick_session"
        body = b'{"stream_name":"a","session_id":"b"}'
        assert ask_raw(url, {}) == 200
        assert ask_raw(url, {"Host": "evil.example"}) == 403
        assert ask_raw(url, {"Origin": "http://evil.example"}) == 403
        assert ask_raw(url, {"Origin": "null"}) == 403
        assert ask_raw(url, {"Origin": "http://localhost:1"}) == 200
        assert ask_raw(control, {"Content-Type": "text/plain"}, body) == 415
        assert ask_raw(control, {"Content-Type": "application/json"}, body) == 200


# ---- ours


@case
def nodes_streams_and_events_are_listed(t):
    stream = "live/listed"
    viewer = t.view(stream)
    t.push(clips.reference(), stream, ingest=0)
    viewer.wait_media()
    nodes = {n["id"]: n for n in t.cluster.api("/api/nodes")["nodes"]}
    for n in t.cluster.nodes:
        told = nodes[n.id]
        assert (told["role"], told["pid"]) == (n.role, n.pid), told
        assert told["addresses"]["admin"] == n.addresses["admin"], told
    s = wait_for(lambda: t.cluster.streams()[stream].get("gop_ms")
                 and t.cluster.streams()[stream], "a second key frame")
    assert s["live"] and s["writer"] == "ingest-1", s
    assert s["home"].startswith("origin-") and s["viewers"] == 1, s
    assert s["gop_ms"] == 1000, s
    assert (s["video"]["codec"], s["video"]["width"]) == ("H.264", 320), s
    assert (s["audio"]["codec"], s["audio"]["rate"]) == ("AAC", 44100), s
    times = [e["utc_us"] for e in t.cluster.events(stream)]
    assert times and times == sorted(times), times


@case
def the_command_line_shows_and_kicks(t):
    stream = "live/shown"
    viewer = t.view(stream)
    push = t.push(clips.reference(), stream)
    viewer.wait_media()
    nodes = weir(t, "nodes").finish().text()
    for n in t.cluster.nodes:
        assert n.id in nodes and str(n.pid) in nodes, nodes
    wait_for(lambda: "1.0 s" in weir(t, "streams").finish().text(), "a second key frame")
    line = next(x for x in weir(t, "streams").finish().text().splitlines()
                if x.startswith(stream))
    for word in ("live", "H.264", "320x180", "AAC", "44.1", "origin-"):
        assert word in line, line
    explained = weir(t, "explain", stream).finish().text()
    for event in ("placed", "claim.granted", "home.open", "epoch"):
        assert event in explained, f"no {event}: {explained}"
    assert "1, a new start" in explained, explained
    listed = json.loads(weir(t, "explain", "--json", stream).finish().text())
    assert listed["events"], listed
    sessions = weir(t, "streams", "--sessions").finish().text()
    host, port = viewer.sock.getsockname()
    line = next(x for x in sessions.splitlines() if f"{host}:{port}" in x)
    kicked = weir(t, "kick", stream, line.split()[1]).finish().text()
    assert "was kicked" in kicked, kicked
    viewer.wait_over()
    push.stop()


@case
def weir_up_tells_the_command_line_where_it_is(t):
    """Without --api: by the file in its folder."""
    text = t.weir("nodes", "--dir", t.cluster.dir).finish().text()
    assert "ingest-1" in text, text


# ---- health and metrics


@case
def every_process_is_healthy_and_ready(t):
    for n in t.cluster.nodes:
        assert t.cluster.admin(n.id, "/healthz")[0] == 200, n.id
        assert t.cluster.admin(n.id, "/readyz")[0] == 200, n.id
        status, text = t.cluster.admin(n.id, "/version")
        assert status == 200 and json.loads(text)["role"] == n.role, text


@case
def promtool_finds_no_fault_in_the_metrics(t):
    stream = "live/measured"
    viewer = t.view(stream)
    t.push(clips.tiny(2), stream)
    viewer.wait_media()
    for role in ROLES:
        text = t.cluster.metrics(t.cluster.role(role)[0].id).text
        done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                              capture_output=True, check=False)
        assert done.returncode == 0, f"{role}: {done.stdout}{done.stderr}"
        assert not done.stderr.strip(), f"{role}: {done.stderr}"


# ---- settings


def binary(role, *words):
    return subprocess.run([os.path.join(BIN, "weir-" + role), *words], text=True,
                          capture_output=True, check=False, timeout=60)


@case
def settings_are_printed_and_read_again(t):
    for role in ROLES:
        printed = binary(role, "--print-conf")
        assert printed.returncode == 0, printed.stderr
        path = t.file(role + ".json")
        with open(path, "w", encoding="utf-8") as f:
            f.write(printed.stdout)
        checked = binary(role, "--check", path)
        assert checked.returncode == 0, f"{role}: {checked.stdout}{checked.stderr}"
        assert binary(role, "--conf", path, "--print-conf").stdout == printed.stdout
        changed = binary(role, "--set", "cluster.publish_grace_ms=1234", "--print-conf")
        assert "1234" in changed.stdout, changed.stdout


@case
def the_samples_are_right(t):
    for role in ROLES:
        sample = os.path.join(ROOT, "conf", role + ".json")
        checked = binary(role, "--check", sample)
        assert checked.returncode == 0, f"{role}: {checked.stdout}{checked.stderr}"


BAD = {
    "an unknown key": ('{"bus": {"pink_ms": 1}}', "bus.pink_ms"),
    "another type": ('{"cluster": {"publish_grace_ms": "soon"}}',
                     "cluster.publish_grace_ms"),
    "out of range": ('{"bus": {"ping_ms": 1}}', "bus.ping_ms"),
    "no choice": ('{"cluster": {"publish_conflict": "toss"}}',
                  "cluster.publish_conflict"),
    "no JSON": ('{"bus": ', ""),
}


@case
def wrong_settings_are_refused_with_their_place(t):
    for role in ROLES:
        for name, (text, place) in BAD.items():
            path = t.file("bad.json")
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            for words in (("--check", path), ("--conf", path, "--print-conf")):
                done = binary(role, *words)
                said = done.stdout + done.stderr
                assert done.returncode == 2, f"{role}, {name}: {done.returncode} {said}"
                assert place in said, f"{role}, {name}: {said}"
        done = binary(role, "--set", "bus.pink_ms=1", "--print-conf")
        assert done.returncode == 2 and "bus.pink_ms" in done.stdout + done.stderr


if __name__ == "__main__":
    main(CLUSTER, at_once=4)
