#!/usr/bin/env python3
"""The API against its own OpenAPI document: every real answer is as it says; asked
at random by it, the API refuses in order."""

import http.client
import json
import os
import time

from lib import clips
from lib.openapi import Maker, check_document, operations
from lib.weirtest import Cluster, case, main, wait_for

SETTINGS = {"cluster.publish_grace_ms": 1000, "dispatch.api.calls_per_second": 0}
CLUSTER = Cluster(ingest=1, origin=2, edge=1, dispatch=2, settings=SETTINGS)
STREAM = "live/told"
FUZZED = int(os.environ.get("WEIR_FUZZ_REQUESTS", "2000"))


def document_of(cluster):
    return cluster.api("/api/openapi.json")


def ask(cluster, operation, values, token=None):
    """(status, answer), checked."""
    target, body = operation.fill(values)
    status, answer = cluster.ask(target, body, token, operation.method.upper())
    operation.check_answer(status, answer)
    return status, answer


@case
def the_document_is_whole_and_needs_the_token(t):
    check_document(document_of(t.cluster))
    assert t.cluster.ask("/api/openapi.json", token="")[0] == 401


# What each operation is asked, beside what is asked of all: {}.
RIGHT = {
    "group": [{"stream_name": "told"}, {"stream_name": "nobody"}],
    "kick_session": [{"stream_name": "told", "session_id": "FLVPUBSUB1"}],
    "start_rtp_pub": [{"stream_name": "rtp"}],
    "add_ip_blacklist": [{"ip": "192.0.2.9", "duration_sec": 60}],
    "start_relay_pull": [{"url": "rtmp://127.0.0.1:1/live/x", "stream_name": "told"}],
    "stop_relay_pull": [{"stream_name": "told"}, {"stream_name": "nobody"}],
    "drain_node": [{"node": "nobody"}],
    "list_nodes": [{}, {"role": "edge"}],
    "list_streams": [{}, {"stream": "told", "limit": 1}, {"app": "other", "after": "live/a"}],
    "list_sessions": [{}, {"stream": STREAM, "limit": 1}, {"protocol": "FLV"}],
    "list_events": [{"stream": STREAM}],
    "topology": [{"stream": STREAM}, {"stream": "live/nobody"}],
    "list_pulls": [{}, {"stream": STREAM}],
    "list_pushes": [{}, {"stream": STREAM}],
    "route": [{"op": "play", "proto": "flv", "stream": STREAM},
              {"op": "publish", "proto": "rtmp", "stream": STREAM}],
    "kick": [{"session": "FLVPUBSUB1"}, {"user": "nobody", "ban_ms": 1000}],
    "put_deny": [{"id": "d", "cidr": ["192.0.2.0/24", "2001:db8::1"], "ops": "play"}],
    "put_allow": [{"id": "a", "cidr": "127.0.0.0/8", "note": "this machine"}],
    "put_ban": [{"id": "b", "user": "nobody", "ip": "192.0.2.1"}],
    "put_key": [{"id": "k", "secret": "0123456789abcdef"}],
    "put_pull": [{"id": "p", "streams": "nowhere/*",
                  "urls": ["rtmp://u:geheim@127.0.0.1:1/live/$name?token=geheim"]}],
    "put_push": [{"id": "p", "streams": "nowhere/*", "urls": ["rtmp://127.0.0.1:1/$key"],
                  "forward_query": True, "keep_pull": True}],
    "list_rules": [{}, {"kind": "key"}, {"limit": 1}],
    "get_rule": [{"kind": k, "id": k[0]} for k in ("deny", "allow", "ban", "key", "pull",
                                                   "push")],
    "delete_rule": [{"kind": k, "id": k[0]} for k in ("deny", "allow", "ban", "key", "pull",
                                                      "push")] + [{"kind": "ban", "id": "no"}],
}
LAST = ("list_rules", "get_rule", "delete_rule")


@case
def every_answer_is_as_the_document_says(t):
    viewers = [t.view(STREAM), t.view_rtmp(STREAM)]
    t.push(clips.reference(), STREAM)
    for v in viewers:
        v.wait_media()
    wait_for(lambda: t.cluster.streams()[STREAM].get("gop_ms"), "a second key frame")
    told = operations(document_of(t.cluster))
    told.sort(key=lambda o: LAST.index(o.name) if o.name in LAST else -1)
    secrets = ("geheim", "0123456789abcdef")
    for o in told:
        for values in RIGHT.get(o.name, [{}]):
            _, answer = ask(t.cluster, o, values)
            for secret in secrets:
                assert secret not in json.dumps(answer), f"{o.name} shows {secret}"
    for secret in secrets:
        for n in t.cluster.nodes:
            assert secret not in t.cluster.log(n.id), f"{n.id} logs {secret}"
    sessions = t.cluster.api(f"/api/v1/sessions?stream={STREAM}")["sessions"]
    assert {s["base_type"] for s in sessions} == {"PUB", "SUB"}, sessions
    way = t.cluster.api(f"/api/v1/topology?stream={STREAM}")
    assert way["writer"]["session"]["base_type"] == "PUB", way
    assert way["home"]["node"] == t.cluster.streams()[STREAM]["home"], way
    edges = [c for c in way["consumers"] if c["role"] == "edge"]
    assert [(c["node"], c["viewers"], c["wanting"]) for c in edges] == [("edge-1", 2, True)], way


@case
def operations_with_fields_are_asked_here(t):
    """Who adds a row to the table adds a line above."""
    names = {o.name for o in operations(document_of(t.cluster)) if o.parameters or o.body}
    assert names <= set(RIGHT), names - set(RIGHT)


@case
def pages_are_walked_to_their_end(t):
    streams = [f"pages/{i}" for i in range(5)]
    for s in streams:
        t.push(clips.tiny(1), s)
    for s in streams:
        t.cluster.wait_live(s)
    seen, after = [], None
    while True:
        page = t.cluster.api("/api/v1/streams?app=pages&limit=2" +
                             (f"&after={after}" if after else ""))
        seen += [s["key"] for s in page["streams"]]
        after = page.get("next")
        if not after:
            break
        assert len(page["streams"]) == 2, page
    assert seen == streams, seen


# ---- at random


class Talker:
    """One kept connection, as a business service has."""

    def __init__(self, cluster):
        self.address = cluster.told["api"].split("//")[1]
        self.token = cluster.told["token"]
        self.conn = None

    def ask(self, method, target, body):
        headers = {"Authorization": f"Bearer {self.token}",
                   "Content-Type": "application/json"}
        if not self.conn:
            self.conn = http.client.HTTPConnection(self.address, timeout=60)
        self.conn.request(method, target, body, headers)
        answer = self.conn.getresponse()
        text = answer.read()
        if answer.will_close:
            self.conn.close()
            self.conn = None
        return answer.status, text


# 503: the registry is asked too often; it is no fault of the request's.
KNOWN = {200, 400, 404, 405, 409, 410, 413, 503, 504}


@case
def asked_at_random_it_refuses_in_order(t):
    seed = int(os.environ.get("WEIR_FUZZ_SEED", time.time()))
    t.note(f"seed {seed}")
    with Cluster(packager=0, settings=SETTINGS) as c:
        told = operations(document_of(c))
        make, talker, counts = Maker(seed), Talker(c), {}
        for _ in range(FUZZED):
            o = make.random.choice(told)
            values, _ = make.fields(o)
            target, fields = o.fill({p["name"]: "x" for p in o.parameters if p["required"]}
                                    | values)
            body = None if fields is None else make.body(fields)
            status, text = talker.ask(o.method.upper(), target, body)
            what = f"{o.method} {target} {body!r}: {status} {text[:300]!r}"
            assert status in KNOWN, what
            # A name that is no name at all leads elsewhere: ".", "%2F".
            if status != 405 and not (status == 200 and b"page not found" in text):
                o.check_answer(status, json.loads(text))
            counts[status] = counts.get(status, 0) + 1
        t.note(f"statuses {dict(sorted(counts.items()))}")
        assert counts.get(200) and counts.get(400), counts
        c.assert_all_alive()
        assert c.api("/api/stat/lal_info")["error_code"] == 0
        for rule in c.api("/api/v1/rules?limit=1000")["rules"]:
            assert "secret" not in rule, rule


if __name__ == "__main__":
    main(CLUSTER)
