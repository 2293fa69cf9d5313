#!/usr/bin/env python3
"""Control by /api/v1: rules and kicks, who may ask for them, and that each is done
once, whichever dispatch is asked and whichever dies."""

import hashlib
import hmac
import json
import random
import socket
import threading
import time
import urllib.error
import urllib.request
import uuid

from lib import clips
from lib.client import HttpViewer
from lib.weirtest import Cluster, case, main, wait_for

TOKENS = "monitor:read:look,business:control:act"
SETTINGS = {"cluster.publish_grace_ms": 1000, "dispatch.api.tokens": TOKENS}
CLUSTER = Cluster(ingest=2, edge=2, dispatch=2, packager=0, settings=SETTINGS)
SECRET = "0123456789-geheim"


def ask(t, method, path, body=None, want=200, **options):
    status, answer = t.cluster.ask("/api/v1" + path, body, method=method, **options)
    assert status == want, f"{method} {path} {body}: {status} {answer}"
    return answer


def put(t, kind, id_, want=200, request_id=None, **fields):
    return ask(t, "PUT", f"/rules/{kind}/{id_}", fields, want, request_id=request_id)


def delete(t, kind, id_, want=200, request_id=None):
    return ask(t, "DELETE", f"/rules/{kind}/{id_}", None, want, request_id=request_id)


def rule_ids(t, kind):
    return [r["id"] for r in ask(t, "GET", f"/rules?kind={kind}")["rules"]]


def play_from(t, ip, stream, edge):
    """The status of an HTTP-FLV request from this address of the loopback net."""
    host, port = t.cluster.http_address(edge).split(":")
    with socket.create_connection((host, int(port)), 20, source_address=(ip, 0)) as s:
        s.sendall(f"GET /{stream}.flv HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return int(s.recv(64).split()[1])


def signed(stream, user, kid="k"):
    """As docs/auth.md says; the query of an address."""
    query = (f"weir_kid={kid}&weir_exp={int(time.time()) + 600}&weir_stream={stream}"
             f"&weir_op=play&weir_user={user}")
    sig = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    return f"{query}&weir_sig={sig}"


# ---- rules


@case
def a_rule_is_in_force_on_both_edges_within_a_second_and_so_is_its_end(t):
    stream = "live/ruled"
    t.push(clips.tiny(2), stream)
    t.view(stream).wait_media()
    assert [play_from(t, "127.0.1.1", stream, e) for e in (0, 1)] == [200, 200]
    put(t, "deny", "one", cidr=["127.0.1.0/24"], ops="play", note="a test's")
    wait_for(lambda: [play_from(t, "127.0.1.1", stream, e) for e in (0, 1)] == [403, 403],
             "both edges to refuse", 1)
    wait_for(lambda: rule_ids(t, "deny") == ["one"], "both dispatches to know it", 1)
    shown = ask(t, "GET", "/rules/deny/one")
    assert (shown["source"], shown["note"], shown["ops"]) == ("api", "a test's", "play"), shown
    delete(t, "deny", "one")
    wait_for(lambda: [play_from(t, "127.0.1.1", stream, e) for e in (0, 1)] == [200, 200],
             "both edges to let in", 1)
    wait_for(lambda: not rule_ids(t, "deny"), "both dispatches to know it", 1)
    ask(t, "GET", "/rules/deny/one", want=404)
    delete(t, "deny", "one", want=404)


@case
def what_is_wrong_with_a_rule_is_told_with_its_place(t):
    for kind, fields, field in (
            ("deny", {}, "cidr"), ("deny", {"cidr": "x"}, "cidr"),
            ("deny", {"cidr": ["10.0.0.0/8", "10.0.0.0/33"]}, "cidr[1]"),
            ("deny", {"cidr": "10.0.0.0/8", "ops": "look"}, "ops"),
            ("deny", {"cidr": "10.0.0.0/8", "cdir": 1}, "cdir"),
            ("ban", {}, ""), ("key", {"secret": "short"}, "secret"),
            ("pull", {"streams": "live/*", "urls": ["gopher://x"]}, "urls[0]"),
            ("pull", {"streams": "live/*", "urls": ["rtmp://h/a/$nam"]}, "urls[0]"),
            ("push", {"streams": "a**b/", "urls": ["rtmp://h/a/b"]}, "streams")):
        answer = put(t, kind, "bad", want=400, **fields)
        assert answer.get("field", "") == field and answer["desp"], (kind, fields, answer)
    assert put(t, "deny", "no%20id", want=400, cidr="10.0.0.1")["field"] == "id"


@case
def a_rule_that_is_over_is_not_listed(t):
    put(t, "ban", "short", user="x", until_ms=int(time.time() * 1000) + 3000)
    wait_for(lambda: "short" in rule_ids(t, "ban"), "both dispatches to know it", 2)
    wait_for(lambda: "short" not in rule_ids(t, "ban"), "its end", 10)


# ---- kicks


@case
def kicks_find_by_session_stream_address_and_user(t):
    stream = "live/kicks"
    put(t, "key", "k", secret=SECRET)
    t.push(clips.reference(), stream)
    viewers = {"session": t.view(stream, edge=0), "user": view_signed(t, stream, "bob", 1)}
    for v in viewers.values():
        v.wait_media()
    stays = t.view_rtmp(stream, edge=1)
    stays.wait_media()

    def listed(**filters):
        query = "&".join(f"{k}={v}" for k, v in filters.items())
        return ask(t, "GET", f"/sessions?stream={stream}&{query}")["sessions"]
    bob = wait_for(lambda: listed(user="bob"), "bob's session")
    assert [s["node"] for s in bob] == ["edge-2"], bob
    for ip, count in (("127.0.0.1", 4), ("127.0.0.0/8", 4), ("127.0.0.2", 0), ("::1", 0)):
        assert len(listed(ip=ip)) == count, (ip, listed(ip=ip))
    ask(t, "GET", "/sessions?ip=localhost", want=400)
    host, port = viewers["session"].sock.getsockname()
    first = [s for s in listed(protocol="FLV") if s["remote_addr"] == f"{host}:{port}"]
    assert ask(t, "POST", "/kick", {"session": first[0]["session_id"]})["kicked"] == 1
    viewers["session"].wait_over()
    assert ask(t, "POST", "/kick", {"user": "bob", "ip": "192.0.2.1"})["kicked"] == 0
    assert ask(t, "POST", "/kick", {"user": "bob", "ip": "127.0.0.1"})["kicked"] == 1
    viewers["user"].wait_over()
    assert not stays.is_over.is_set()
    assert ask(t, "POST", "/kick", {"stream": stream})["kicked"] == 2  # and the publisher
    stays.wait_over()
    assert ask(t, "POST", "/kick", {}, want=400)["desp"]


def view_signed(t, stream, user, edge):
    viewer = HttpViewer(t.cluster.flv_url(stream, edge) + "?" + signed(stream, user))
    t.at_end(viewer.close)
    return viewer


@case
def whoever_is_kicked_with_a_ban_stays_out_for_it(t):
    stream = "live/banned"
    t.push(clips.tiny(2), stream)
    t.view(stream).wait_media()
    assert play_from(t, "127.0.2.1", stream, 0) == 200
    answer = ask(t, "POST", "/kick", {"ip": "127.0.2.1", "stream": stream, "ban_ms": 3000})
    wait_for(lambda: answer["ban"] in rule_ids(t, "ban"), "both dispatches to know it", 2)
    wait_for(lambda: [play_from(t, "127.0.2.1", stream, e) for e in (0, 1)] == [403, 403],
             "both edges to refuse", 1)
    assert play_from(t, "127.0.2.2", stream, 0) == 200
    wait_for(lambda: play_from(t, "127.0.2.1", stream, 1) == 200, "the end of the ban", 10)


# ---- once


@case
def a_repeat_is_the_same_action(t):
    first, second = uuid.uuid4().hex, uuid.uuid4().hex
    assert put(t, "ban", "again", request_id=first, user="x")["repeated"] is False
    assert delete(t, "ban", "again", request_id=second)["repeated"] is False
    assert put(t, "ban", "again", request_id=first, user="x")["repeated"] is True
    wait_for(lambda: "again" not in rule_ids(t, "ban"), "the rule to be gone", 2)
    assert delete(t, "ban", "again", request_id=second)["repeated"] is True
    put(t, "ban", "other", request_id=first, user="y", want=409)
    for bad in ("a b", "x" * 65, "ä"):
        status, answer = t.cluster.ask("/api/v1/nodes", request_id=bad.encode())
        assert status == 400 and answer["field"] == "X-Request-Id", (bad, status, answer)


def kick_stream(t, stream, request_id):
    return ask(t, "POST", "/kick", {"stream": stream}, request_id=request_id)["kicked"]


@case
def a_kick_that_is_repeated_on_the_other_dispatch_hits_nobody_new(t):
    stream = "live/rekick"
    with Cluster(dispatch=2, packager=0, settings=SETTINGS) as t.cluster:
        viewer = t.view(stream)
        wait_for(lambda: len(sessions(t, stream)) == 1, "the viewer")
        request_id = uuid.uuid4().hex
        assert kick_stream(t, stream, request_id) == 1
        viewer.wait_over()
        back = t.view(stream)
        wait_for(lambda: len(sessions(t, stream)) == 1, "the viewer again")
        for victim in (None, random.choice(["dispatch-1", "dispatch-2"])):
            if victim:
                t.cluster.kill(victim)
            assert kick_stream(t, stream, request_id) == 1, "it says what it said"
            assert len(sessions(t, stream)) == 1 and not back.is_over.is_set()
        assert kick_stream(t, stream, uuid.uuid4().hex) == 1
        back.wait_over()


@case
def a_relay_pull_that_is_repeated_on_the_other_dispatch_is_the_same(t):
    start = {"url": "rtmp://127.0.0.1:1/live/x", "stream_name": "live/relay",
             "pull_retry_num": -1}
    with Cluster(dispatch=2, packager=0, settings=SETTINGS) as t.cluster:
        begin, stop = uuid.uuid4().hex, uuid.uuid4().hex
        for node in t.cluster.role("dispatch"):
            wait_for(lambda node=node: reaches_ingest(t, node), "the ingest", 20)

        def call(name, request_id):
            query = "" if name == "start" else "?stream_name=live/relay"
            return ask_lal(t, f"/api/ctrl/{name}_relay_pull{query}",
                           start if name == "start" else None, request_id)

        first = call("start", begin)
        assert first["error_code"] == 0, first
        t.cluster.kill(random.choice(["dispatch-1", "dispatch-2"]))
        assert call("start", begin) == first, "it says what it said"
        assert call("start", uuid.uuid4().hex)["error_code"] == 2001
        stopped = call("stop", stop)
        assert stopped["data"] == {"session_id": first["data"]["session_id"]}, stopped
        assert call("stop", stop) == stopped, "it says what it said"
        assert call("stop", uuid.uuid4().hex)["error_code"] in (1001, 1003)


def reaches_ingest(t, dispatch):
    request = urllib.request.Request(
        f"http://{dispatch.addresses['api']}/api/v1/nodes?role=ingest",
        headers={"Authorization": f"Bearer {t.cluster.told['token']}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        nodes = json.loads(answer.read())["nodes"]
    return nodes and all(n["linked"] for n in nodes)


def ask_lal(t, path, body, request_id):
    status, answer = t.cluster.ask(path, body, request_id=request_id)
    assert status == 200, f"{path} {body}: {status} {answer}"
    return answer


def sessions(t, stream):
    return ask(t, "GET", f"/sessions?stream={stream}")["sessions"]


class Business(threading.Thread):
    """Puts and deletes rules, each under its own request id, which it repeats until
    it has an answer."""

    def __init__(self, t, name):
        super().__init__(daemon=True)
        self.t, self.name_, self.done, self.failed = t, name, 0, None
        self.is_over = threading.Event()

    def insist(self, method, path, body):
        request_id = uuid.uuid4().hex
        until = time.monotonic() + 30
        while True:
            try:
                status, answer = self.t.cluster.ask(
                    "/api/v1" + path, body, method=method, request_id=request_id)
            except (urllib.error.URLError, OSError):
                status, answer = 0, "no answer"
            if status == 200:
                return answer
            assert status in (0, 503, 504), f"{method} {path}: {status} {answer}"
            assert time.monotonic() < until, f"{method} {path}: {answer} for 30 s"

    def run(self):
        try:
            while not self.is_over.is_set():
                path = f"/rules/ban/{self.name_}-{self.done}"
                self.insist("PUT", path, {"user": "x"})
                if self.done % 2:
                    self.insist("DELETE", path, None)
                self.done += 1
        except AssertionError as e:
            self.failed = e


@case
def a_dispatch_dies_at_any_moment_and_every_action_is_done_once(t):
    seed = random.randrange(10**6)
    t.note(f"seed {seed}")
    moment = random.Random(seed)
    for victim in ("dispatch-1", "dispatch-2"):
        with Cluster(dispatch=2, packager=0, settings=SETTINGS) as t.cluster:
            workers = [Business(t, f"w{i}") for i in range(3)]
            for w in workers:
                w.start()
            goal = moment.randrange(5, 60)
            wait_for(lambda: sum(w.done for w in workers) >= goal, f"{goal} changes")
            t.cluster.kill(victim)
            before = sum(w.done for w in workers)
            wait_for(lambda: sum(w.done for w in workers) >= before + 30, "30 more")
            for w in workers:
                w.is_over.set()
            for w in workers:
                w.join(60)
                assert not w.failed and not w.is_alive(), w.failed
            expected = {f"{w.name_}-{i}" for w in workers for i in range(0, w.done, 2)}
            wait_for(lambda: {r["id"] for r in ask(
                t, "GET", "/rules?kind=ban&limit=1000")["rules"]} == expected, "the rules", 2)
            t.note(f"{victim} after {goal}, {len(expected)} left")


# ---- who may


@case
def a_reader_looks_and_does_not_touch(t):
    for method, path, body, read in (
            ("GET", "/api/v1/nodes", None, 200), ("GET", "/api/stat/all_group", None, 200),
            ("GET", "/api/v1/rules", None, 200), ("PUT", "/api/v1/rules/ban/r", {"user": "x"}, 403),
            ("DELETE", "/api/v1/rules/ban/r", None, 403), ("POST", "/api/v1/kick", {}, 403),
            ("POST", "/api/ctrl/kick_session", {}, 403),
            ("GET", "/api/ctrl/stop_relay_pull?stream_name=x", None, 403),
            ("POST", "/api/v1/nodes/edge-1/drain", {}, 403)):
        status, answer = t.cluster.ask(path, body, "look", method)
        assert status == read, (method, path, status, answer)
    assert t.cluster.ask("/api/v1/kick", {"user": "x"}, "act")[0] == 200


@case
def who_did_what_stands_in_the_log(t):
    request_id = uuid.uuid4().hex
    status, _ = t.cluster.ask("/api/v1/rules/key/told", {"secret": "geheim-geheim-geheim"}, "act",
                              "PUT", request_id)
    assert status == 200

    def lines():
        return [x for n in t.cluster.role("dispatch")
                for x in t.cluster.log(n.id).splitlines() if request_id in x]
    line = wait_for(lines, "the line")
    assert len(line) == 1, line
    for fact in (" api.call ", "call=put_key", "peer=127.0.0.1:", "caller=business",
                 f"request_id={request_id}", "id=told", "status=200"):
        assert fact in line[0], line
    assert "geheim" not in line[0], line
    delete(t, "key", "told")


@case
def who_guesses_tokens_is_not_listened_to(t):
    settings = {**SETTINGS, "dispatch.api.failures_per_minute": 5}
    with Cluster(packager=0, settings=settings) as t.cluster:
        statuses = [t.cluster.ask("/api/v1/nodes", token=f"guess{i}")[0] for i in range(8)]
        assert statuses == [401] * 5 + [429] * 3, statuses
        assert t.cluster.ask("/api/v1/nodes")[0] == 429, "right ones are guesses, too"
        log = t.cluster.log("dispatch-1")
        refused = [x for x in log.splitlines() if " api.refused " in x]
        assert [x.split("status=")[1][:3] for x in refused] == ["401"] * 5 + ["429"] * 4, refused
        assert "guess" not in "".join(refused) and "peer=127.0.0.1:" in refused[0], refused


@case
def who_asks_too_often_waits(t):
    settings = {**SETTINGS, "dispatch.api.calls_per_second": 5}
    with Cluster(packager=0, settings=settings) as t.cluster:
        statuses = [t.cluster.ask("/api/v1/nodes")[0] for _ in range(20)]
        assert 429 in statuses and statuses.count(200) >= 5, statuses
        wait_for(lambda: t.cluster.ask("/api/v1/nodes")[0] == 200, "the next second", 10)


def drained(t, node):
    status, answer = t.cluster.ask(f"/api/v1/nodes/{node}/drain", method="POST")
    assert status == 200 or (status, answer["desp"]) == (503, "the node is not reached"), answer
    return status == 200 and answer


@case
def a_node_is_drained(t):
    with Cluster(edge=2, packager=0, settings=SETTINGS) as t.cluster:
        # A dispatch that has just begun may not reach all others yet, and says so.
        answer = wait_for(lambda: drained(t, "edge-2"), "edge-2 to be reached")
        assert answer == {"node": "edge-2", "draining": True}, answer
        wait_for(lambda: "edge-2" not in [n["id"] for n in ask(t, "GET", "/nodes")["nodes"]],
                 "edge-2 to have left", 30)
        t.cluster.nodes.remove(t.cluster.node("edge-2"))
        ask(t, "POST", "/nodes/edge-2/drain", want=404)


if __name__ == "__main__":
    main(CLUSTER, at_once=3)
