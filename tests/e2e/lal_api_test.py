#!/usr/bin/env python3
"""lal's API, every call, field and code, by a client that knows lal's documents
and nothing else: no token, no header, no path of ours."""

import http.client
import json
import re
import socket

from lib import clips
from lib.weirtest import Cluster, case, main, wait_for

OPEN = {"cluster.publish_grace_ms": 1000, "dispatch.api.token": "",
        "dispatch.api.open": "true"}
CLUSTER = Cluster(ingest=1, edge=2, dispatch=2, packager=0, settings=OPEN)


class LalClient:
    """As lal's documents have it: questions by GET, control by POST with JSON, but
    stop_relay_pull by GET."""

    def __init__(self, cluster):
        self.address = cluster.told["api"].split("//")[1]

    def send(self, method, target, body=None, headers=None):
        conn = http.client.HTTPConnection(self.address, timeout=60)
        conn.request(method, target, body, headers or {})
        answer = conn.getresponse()
        text = answer.read().decode()
        conn.close()
        return answer, text

    def get(self, target):
        answer, text = self.send("GET", target)
        assert answer.status == 200, (target, answer.status, text)
        assert answer.getheader("Content-Type") == "application/json", answer.headers
        return text

    def post(self, target, body):
        data = body if isinstance(body, str) else json.dumps(body)
        answer, text = self.send("POST", target, data,
                                 {"Content-Type": "application/json"})
        assert answer.status == 200, (target, answer.status, text)
        return text

    def group(self, name):
        return json.loads(self.get(f"/api/stat/group?stream_name={name}"))["data"]

    def session(self, name, kind):
        """The id of a group's "pub" or "pull"; "" if there is none."""
        group = self.group(name)
        return group[kind]["session_id"] if group else ""


def lal(t):
    return LalClient(t.cluster)


def told(code, desp, data=None):
    text = f'{{"error_code":{code},"desp":"{desp}"'
    return text + (f',"data":{data}}}' if data else "}")


SUCC = told(0, "succ")
NO_PAGE = told(404, "page not found, check the document: docs/api.md")
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,2}[1-9]|\.[1-9])? \+0000 UTC"


def check_like(text, pattern):
    """Exact but for what stands in <>, which is a regular expression."""
    parts = re.split(r"<<(.*?)>>", pattern)
    exact = "".join(re.escape(p) if i % 2 == 0 else p for i, p in enumerate(parts))
    assert re.fullmatch(exact, text), f"not as expected:\n{text}\n{pattern}"


# ---- questions


@case
def lal_info_has_lals_fields_in_lals_order(t):
    check_like(lal(t).get("/api/stat/lal_info"), told(0, "succ", (
        '{"server_id":"1","bin_info":"GitTag=v<<.*?>>. GitCommitLog=<<.*?>>. GitStatus=. '
        'BuildTime=. GoVersion=none. runtime=Linux/<<.*?>>.","lal_version":"weir v<<.*?>>",'
        '"api_version":"v0.4.4","notify_version":"v0.2.2","WebUiVersion":"v0.0.3",'
        f'"start_time":"<<{TIME}>>"}}')))


def session_json(prefix, protocol, base_type):
    return (f'{{"session_id":"{prefix}<<[1-9][0-9]*>>","protocol":"{protocol}",'
            f'"base_type":"{base_type}","remote_addr":"127.0.0.1:<<[0-9]+>>",'
            f'"start_time":"<<{TIME}>>","read_bytes_sum":<<[0-9]+>>,'
            '"wrote_bytes_sum":<<[0-9]+>>,"bitrate_kbits":<<[0-9]+>>,'
            '"read_bitrate_kbits":<<[0-9]+>>,"write_bitrate_kbits":<<[0-9]+>>}')


EMPTY_SESSION = ('{"session_id":"","protocol":"","base_type":"","remote_addr":"",'
                 '"start_time":"","read_bytes_sum":0,"wrote_bytes_sum":0,'
                 '"bitrate_kbits":0,"read_bitrate_kbits":0,"write_bitrate_kbits":0}')


def group_json(name, subs, pub, audio="AAC", video="H264", size=(320, 180)):
    return (f'{{"stream_name":"{name}","app_name":"live","audio_codec":"{audio}",'
            f'"video_codec":"{video}","video_width":{size[0]},"video_height":{size[1]},'
            f'"pub":{pub},"subs":{subs},"pull":{EMPTY_SESSION},'
            '"in_frame_per_sec":<<\\[({"unix_sec":[0-9]+,"v":[0-9]+},?)*\\]>>}')


@case
def a_group_with_everything_in_it(t):
    t.push(clips.reference(), "live/full")
    t.view("live/full").wait_media(60)
    wait_for(lambda: all((lal(t).group("full") or {}).get("subs") for _ in range(10)), "the viewer")
    golden = told(0, "succ", group_json(
        "full", f'[{session_json("FLVPUBSUB", "FLV", "SUB")}]',
        session_json("RTMPPUBSUB", "RTMP", "PUB")))
    check_like(lal(t).get("/api/stat/group?stream_name=full"), golden)
    check_like(lal(t).get("/api/stat/group?stream_name=live/full"), golden)
    groups = lal(t).get("/api/stat/all_group")
    assert groups.startswith('{"error_code":0,"desp":"succ","data":{"groups":[{"stream'), groups


@case
def a_group_that_is_only_waited_for(t):
    t.view_rtmp("live/awaited")
    # Either dispatch: one that has just started may not reach the edge yet.
    wait_for(lambda: all(lal(t).group("awaited") for _ in range(10)), "the group")
    check_like(lal(t).get("/api/stat/group?stream_name=awaited"), told(0, "succ", group_json(
        "awaited", f'[{session_json("RTMPPUBSUB", "RTMP", "SUB")}]', EMPTY_SESSION,
        audio="", video="", size=(0, 0))))


@case
def without_any_stream_the_list_is_null(t):
    with Cluster(packager=0, settings=OPEN) as t.cluster:
        assert lal(t).get("/api/stat/all_group") == told(0, "succ", '{"groups":null}')


@case
def a_group_that_is_not_there(t):
    none = told(1001, "group not found", "null")
    assert lal(t).get("/api/stat/group?stream_name=nobody") == none
    missing = told(1002, "param missing", "null")
    assert lal(t).get("/api/stat/group") == missing
    assert lal(t).get("/api/stat/group?stream_name=") == missing
    assert lal(t).get("/api/stat/group?name=full") == missing


@case
def a_name_that_two_apps_have_is_none(t):
    t.push(clips.tiny(1), "one/twin")
    t.push(clips.tiny(1), "two/twin")
    wait_for(lambda: lal(t).group("one/twin") and lal(t).group("two/twin"), "both")
    assert json.loads(lal(t).get("/api/stat/group?stream_name=twin"))["error_code"] == 1001
    t.push(clips.tiny(1), "live/twin")
    wait_for(lambda: lal(t).group("live/twin"), "that of app live")
    assert lal(t).group("twin")["app_name"] == "live"


@case
def paths_that_lal_has_not(t):
    for path in ("/api/stat/nothing", "/api/ctrl", "/api", "/nothing"):
        assert lal(t).get(path) == NO_PAGE, path


@case
def lal_asks_for_no_method(t):
    answer, text = lal(t).send("POST", "/api/stat/all_group", "{}",
                               {"Content-Type": "application/json"})
    assert answer.status == 200 and '"groups"' in text, text
    answer, text = lal(t).send("OPTIONS", "/api/ctrl/kick_session")
    assert (answer.status, text) == (200, told(1002, "param missing")), text


# ---- kicking


@case
def kick_session_in_all_its_words(t):
    viewers = [t.view("live/kick"), t.view_rtmp("live/kick")]
    t.push(clips.reference(), "live/kick")
    t.push(clips.reference(), "live/other")
    for v in viewers:
        v.wait_media()
    subs = wait_for(lambda: (lambda s: len(s) == 2 and s)(lal(t).group("kick")["subs"] or []),
                    "both viewers")
    path = "/api/ctrl/kick_session"
    missing = told(1002, "param missing")
    for body in ("", "{", "[]", "null", {}, {"stream_name": "kick"}, {"session_id": "x"},
                 {"stream_name": 1, "session_id": "x"}, {"stream_name": "", "session_id": "x"}):
        assert lal(t).post(path, body) == missing, body
    first = subs[0]["session_id"]
    assert lal(t).post(path, {"stream_name": "nobody", "session_id": first}) == told(
        1001, "group not found")
    none = told(1003, "session not found")
    for name, session in (("kick", "FLVPUBSUB1"), ("other", first), ("kick", "RTMPPUSH1"),
                          ("kick", "CUSTOMIZEPUB1")):
        assert lal(t).post(path, {"stream_name": name, "session_id": session}) == none, session
    for s in subs:
        assert lal(t).post(path, {"stream_name": "kick", "session_id": s["session_id"],
                                  "and": "more"}) == SUCC
    for v in viewers:
        v.wait_over()
    pub = lal(t).session("kick", "pub")
    assert lal(t).post(path, {"stream_name": "live/kick", "session_id": pub}) == SUCC
    wait_for(lambda: lal(t).session("kick", "pub") != pub, "the publisher to be gone")


# ---- the list of addresses


def play_from(t, ip, stream):
    """The status of an HTTP-FLV request from this address of the loopback net."""
    host, port = t.cluster.http_address().split(":")
    with socket.create_connection((host, int(port)), 20, source_address=(ip, 0)) as s:
        s.sendall(f"GET /{stream}.flv HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return int(s.recv(64).split()[1])


@case
def add_ip_blacklist_is_for_all_protocols_and_ends(t):
    path = "/api/ctrl/add_ip_blacklist"
    for body in ({}, {"ip": "127.0.0.9"}, {"duration_sec": 1}, {"ip": "x", "duration_sec": 1},
                 {"ip": "127.0.0.9", "duration_sec": "1"}, "{"):
        assert lal(t).post(path, body) == told(1002, "param missing"), body
    t.push(clips.tiny(2), "live/listed")
    t.view("live/listed").wait_media()
    assert play_from(t, "127.0.0.9", "live/listed") == 200
    assert lal(t).post(path, {"ip": "127.0.0.9", "duration_sec": 3}) == SUCC
    wait_for(lambda: play_from(t, "127.0.0.9", "live/listed") == 403, "the refusal", 1)
    assert play_from(t, "127.0.0.8", "live/listed") == 200
    wait_for(lambda: play_from(t, "127.0.0.9", "live/listed") == 200, "the end of it", 10)


# ---- relay


NO_PULL = '{"stream_name":"","session_id":""}'


@case
def relay_pulls_are_started_and_stopped(t):
    path = "/api/ctrl/start_relay_pull"
    with Cluster(packager=0, settings={"cluster.id": "elsewhere"}) as far:
        t.at_end(t.push(clips.reference(), "live/far", url=far.publish_url("live/far")).kill)
        far.wait_live("live/far")
        url = far.rtmp_url("live/far")
        pulls_by_lals_words(t, path, url)


def pulls_by_lals_words(t, path, url):
    for body in ("", "{", {}, {"stream_name": "x"}, {"url": 1}, {"url": ""},
                 {"url": url, "pull_retry_num": "1"}):
        assert lal(t).post(path, body) == told(1002, "param missing", NO_PULL), body
    bad = json.loads(lal(t).post(path, {"url": "gopher://127.0.0.1/live/x"}))
    assert bad["error_code"] == 2001 and bad["desp"] and bad["data"] == json.loads(NO_PULL), bad
    assert lal(t).post(path, {"url": url, "auto_stop_pull_after_no_out_ms": 0}) == told(
        2001, "should auto stop pull", NO_PULL)

    # Without a name it is the last item of the address.
    check_like(lal(t).post(path, {"url": url}),
               told(0, "succ", '{"stream_name":"far","session_id":"RTMPPULL<<[0-9]+>>"}'))
    t.view("live/far").wait_media(30)
    pull = wait_for(lambda: (lal(t).group("far") or {}).get("pull"), "the pull")
    assert (pull["protocol"], pull["base_type"]) == ("RTMP", "PULL"), pull
    assert lal(t).post(path, {"url": url}) == told(
        2001, "lal.logic: in stream already exist at group", NO_PULL)
    stop = "/api/ctrl/stop_relay_pull"
    none = '{"session_id":""}'
    assert lal(t).get(stop) == told(1002, "param missing", none)
    assert lal(t).get(stop + "?stream_name=nobody") == told(1001, "group not found", none)
    assert lal(t).get(stop + "?stream_name=far") == told(
        0, "succ", '{"session_id":"%s"}' % pull["session_id"])
    wait_for(lambda: not lal(t).session("far", "pull"), "the end of the pull")

    # By another name; ended by a kick, it does not come again.
    started = json.loads(lal(t).post(path, {
        "url": url, "stream_name": "near", "pull_timeout_ms": 5000, "pull_retry_num": -1,
        "auto_stop_pull_after_no_out_ms": -1, "rtsp_mode": 0, "debug_dump_packet": ""}))
    session = started["data"]["session_id"]
    wait_for(lambda: lal(t).session("near", "pull") == session, "the pull")
    assert lal(t).post("/api/ctrl/kick_session", {
        "stream_name": "near", "session_id": session}) == SUCC
    wait_for(lambda: not lal(t).session("near", "pull"), "the end of the pull")
    assert json.loads(lal(t).get(stop + "?stream_name=near"))["error_code"] in (1001, 1003)


@case
def a_publisher_is_no_pull(t):
    t.push(clips.tiny(1), "live/mine")
    wait_for(lambda: lal(t).session("mine", "pub"), "the publisher")
    assert lal(t).get("/api/ctrl/stop_relay_pull?stream_name=mine") == told(
        1003, "session not found", '{"session_id":""}')
    assert lal(t).post("/api/ctrl/start_relay_pull", {
        "url": "rtmp://127.0.0.1:1/live/x", "stream_name": "mine"}) == told(
            2001, "lal.logic: in stream already exist at group", NO_PULL)


# ---- what is not there yet


@case
def start_rtp_pub_says_that_it_is_not_there_yet(t):
    none = '{"stream_name":"","session_id":"","port":0}'
    path = "/api/ctrl/start_rtp_pub"
    assert lal(t).post(path, {"stream_name": "ps", "port": 0}) == told(
        2002, "start_rtp_pub is not there yet", none)
    for body in ({}, {"port": 1}, "{"):
        assert lal(t).post(path, body) == told(1002, "param missing", none), body


# ---- web pages


@case
def pages_may_call_it_as_they_may_call_lal(t):
    settings = {**OPEN, "dispatch.api.origins": "*"}
    page = {"Origin": "http://page.example"}
    with Cluster(packager=0, settings=settings) as t.cluster:
        answer, _ = lal(t).send("OPTIONS", "/api/ctrl/kick_session", headers={
            **page, "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type"})
        assert answer.status == 204, answer.status
        assert answer.getheader("Access-Control-Allow-Origin") == page["Origin"]
        assert "POST" in answer.getheader("Access-Control-Allow-Methods")
        assert "Content-Type" in answer.getheader("Access-Control-Allow-Headers")
        answer, text = lal(t).send("GET", "/api/stat/all_group", headers=page)
        assert answer.getheader("Access-Control-Allow-Origin") == page["Origin"]
        assert answer.status == 200, text


if __name__ == "__main__":
    main(CLUSTER, at_once=3)
