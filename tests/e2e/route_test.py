#!/usr/bin/env python3
"""Placement: where clients are sent to, by the API and by an edge that is full."""

import http.client
import urllib.parse

from lib import clips
from lib.weirtest import Cluster, case, main, wait_for

LIMIT_BPS = 100000  # less than one viewer takes
CLUSTER = Cluster(origin=2, ingest=2, edge=2, settings={
    "limits.out_bps": LIMIT_BPS, "cluster.zone": "here",
    "dispatch.zones": "10.0.0.0/8=there,10.1.0.0/16=here"})


def get(address, path, headers=None):
    """(status, Location) of one request."""
    c = http.client.HTTPConnection(address, timeout=20)
    try:
        c.request("GET", path, headers=headers or {})
        answer = c.getresponse()
        return answer.status, answer.getheader("Location")
    finally:
        c.close()


def route(t, **fields):
    return t.cluster.api("/api/v1/route?" + urllib.parse.urlencode(fields))


def is_full(t, edge):
    nodes = {n["id"]: n for n in t.cluster.api("/api/v1/nodes?role=edge")["nodes"]}
    return nodes[edge.id]["load"]["full"]


@case
def the_best_addresses_are_told(t):
    first, second = t.cluster.role("edge")
    answer = route(t, op="play", stream="live/any", proto="ts", ip="10.1.2.3")
    assert answer["zone"] == "here", answer
    assert {a["url"] for a in answer["addresses"]} == {
        f"http://{e.addresses['http']}/live/any.ts" for e in (first, second)}
    assert route(t, op="play", stream="live/any", ip="10.2.2.3")["zone"] == "there"
    assert route(t, op="play", stream="live/any", zone="x")["zone"] == "x"
    for address in route(t, op="publish", stream="live/told")["addresses"]:
        t.push(clips.tiny(1), "live/told", url=address["url"]).stop()
    for fields in ({"proto": "gopher"}, {"ip": "nowhere"}, {"op": "look"},
                   {"op": "publish", "proto": "flv"}):
        status, answer = t.cluster.ask("/api/v1/route?" + urllib.parse.urlencode(
            {"op": "play", "stream": "live/any", **fields}))
        assert status == 400 and answer["field"], (fields, status, answer)


@case
def players_are_sent_where_the_stream_is_already(t):
    with Cluster(packager=0, edge=3, settings={"limits.out_bps": 0}) as t.cluster:
        t.push(clips.reference(4), "live/has", "--loop")
        edges = [e.id for e in t.cluster.role("edge")]
        t.view("live/has", edge=1).wait_media(20)

        def order():
            told = route(t, op="play", stream="live/has", proto="ws-flv")["addresses"]
            return [(a["node"], a["carries"]) for a in told]
        wait_for(lambda: order()[0] == (edges[1], True), "the edge that has it to be first")
        assert all(order()[0][0] == edges[1] for _ in range(20)), "each time"
        t.view("live/has", edge=2).wait_media(20)
        wait_for(lambda: sorted(order()) == list(zip(edges, (False, True, True))),
                 "both that have it")
        assert order()[2] == (edges[0], False), order()
        nobody = route(t, op="play", stream="live/nobody")["addresses"]
        assert len(nobody) == 3 and not any(a["carries"] for a in nobody), nobody


@case
def an_edge_that_is_full_sends_players_on_once(t):
    first, second = t.cluster.role("edge")
    full, free = (e.addresses["http"] for e in (first, second))
    t.push(clips.reference(4), "live/full", "--loop")
    t.view("live/full", edge=0).wait_media(20)
    wait_for(lambda: is_full(t, first), "the first edge to be full")
    for name in ("full.flv", "full.ts", "full.m3u8"):
        status, to = get(full, f"/live/{name}?a=b%20c")
        want = f"http://{free}/live/{name}?a=b%20c&sent_on=1"
        assert (status, to) == (302, want), (name, status, to)
        again, to = get(full, f"/live/{name}?sent_on=1")
        assert not to and (again == 503) == ("m3u8" not in name), (name, again, to)
    status, _ = get(full, "/live/full.flv", {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert status == 503, status
    assert t.cluster.metrics(first.id).sum("weir_edge_sent_on_total") == 3
    told = route(t, op="play", stream="live/full", proto="flv")["addresses"]
    assert [(a["node"], a["full"]) for a in told] == [(second.id, False), (first.id, True)]
    t.view("live/full", edge=1).wait_media(20)
    wait_for(lambda: is_full(t, second), "the second edge to be full")
    wait_for(lambda: get(full, "/live/full.flv")[0] == 503, "nobody to be sent on")


if __name__ == "__main__":
    main(CLUSTER)
