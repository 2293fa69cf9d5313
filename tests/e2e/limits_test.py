#!/usr/bin/env python3
"""Who is new is refused beyond a limit, and who is in stays; what only we lack is
waited for; rules outlive every process that knows them."""

import json
import os
import signal
import subprocess
import time

from lib import clips
from lib.env import SLOWER
from lib.process import is_alive
from lib.weirtest import Cluster, case, main, wait_for


def reason_of(url, *options):
    out = subprocess.run(["curl", "-sS", "--max-time", str(10 * SLOWER), "-w",
                          "\n%{http_code}", *options, url], capture_output=True,
                         text=True, errors="replace", check=False).stdout
    text, _, status = out.rpartition("\n")
    answer = json.loads(text)
    return int(status), answer["error"], answer["message"]


@case
def one_stream_and_one_address_have_so_many(t):
    with Cluster(packager=0, settings={"limits.viewers_per_stream": 3,
                                       "limits.viewers_per_ip": 4,
                                       "limits.publishers_per_ip": 2}) as t.cluster:
        for stream in ("live/a", "live/b"):
            t.push(clips.reference(), stream, "--loop")
        third = t.try_push(clips.reference(), "live/c")
        assert third.wait(20) != 0, third.text()
        assert "publishers from this address" in third.text(), third.text()
        viewers = [t.view("live/a") for _ in range(3)] + [t.view("live/b")]
        for v in viewers:
            v.wait_media()
        status, error, message = reason_of(t.cluster.flv_url("live/a"))
        assert (status, error) == (503, "too_many"), (status, error)
        assert "of this stream" in message, message
        assert "from this address" in reason_of(t.cluster.flv_url("live/b"))[2]
        elsewhere = ("--interface", "127.0.0.2")
        assert "of this stream" in reason_of(t.cluster.flv_url("live/a"), *elsewhere)[2]
        p = t.run("curl", "-sS", "-o", t.file("b.flv"), *elsewhere,
                  t.cluster.flv_url("live/b"))
        wait_for(lambda: os.path.exists(t.file("b.flv"))
                 and os.path.getsize(t.file("b.flv")) > 10000, "media elsewhere")
        p.kill()
        viewers[0].close()
        wait_for(lambda: t.view("live/a").wait_head().status == 200, "room", 10)
        for v in viewers[1:]:
            assert not v.is_over.is_set(), f"a viewer ended: {v.error}"


@case
def a_node_at_its_limit_refuses_who_is_new_and_keeps_who_is_in(t):
    with Cluster(packager=0, settings={"limits.out_bps": 1000000}) as t.cluster:
        t.push(clips.reference(), "live/a", "--loop")
        first = t.view("live/a").wait_media()

        def is_full():
            v = t.view("live/a").wait_head()
            if v.status != 200:
                return v
            return v.wait_media() and None

        refused = wait_for(is_full, "the edge to be full", 20)
        assert refused.status == 503, refused.status
        refused.wait_over()
        assert b'"overloaded"' in refused.body, refused.body
        skips = t.cluster.total("edge", "weir_edge_skips_total")
        first.wait_media(len(first.media) + 100)
        assert t.cluster.total("edge", "weir_edge_skips_total") == skips
        edge = t.cluster.role("edge")[0].id
        nodes = t.cluster.api("/api/v1/nodes")["nodes"]
        assert any(n["id"] == edge for n in nodes), nodes


@case
def a_publisher_waits_for_an_origin_that_is_not_there(t):
    with Cluster(packager=0, settings={"cluster.publish_grace_ms": 1000}) as t.cluster:
        origin, ingest = t.cluster.role("origin")[0], t.cluster.role("ingest")[0]
        wait_for(lambda: f"link.up node={origin.id}" in t.cluster.log(ingest.id),
                 "the ingest to have its origin")
        t.cluster.kill(origin.id, signal.SIGSTOP)
        wait_for(lambda: "link.down" in t.cluster.log(ingest.id),
                 "the ingest to miss its origin")
        push = t.try_push(clips.reference(), "live/held", "--loop")
        wait_for(lambda: "no_origin" in t.cluster.log(ingest.id), "a claim in vain")
        assert not push.has_ended(), push.text()
        os.kill(origin.pid, signal.SIGCONT)
        wait_for(lambda: "push.start" in push.text() or push.has_ended(), "to publish")
        assert "push.start" in push.text(), push.text()


@case
def a_publisher_does_not_wait_for_ever(t):
    with Cluster(packager=0, settings={"cluster.publish_grace_ms": 1000}) as t.cluster:
        origin = t.cluster.role("origin")[0]
        t.cluster.kill(origin.id)
        since = time.monotonic()
        push = t.try_push(clips.reference(), "live/vain")
        assert push.wait(20) != 0, push.text()
        took = time.monotonic() - since
        assert "no origin" in push.text(), push.text()
        assert 4 < took < 9 * SLOWER, took


class Restarting(Cluster):
    """What dies is started again."""

    def command(self, folder):
        return [w for w in super().command(folder) if w != "--no-restart"]


def api(t, method, path, body=None):
    out = subprocess.run(
        ["curl", "-sS", "--max-time", "5", "-X", method, "-w", "\n%{http_code}",
         "-H", f"Authorization: Bearer {t.cluster.told['token']}",
         "-H", "Content-Type: application/json", "-d", json.dumps(body or {}),
         f"{t.cluster.told['api']}/api/v1/{path}"],
        capture_output=True, text=True, check=False).stdout
    return out.rpartition("\n")[2]


@case
def rules_outlive_dispatch_registry_and_edges(t):
    with Restarting(edge=2, packager=0) as t.cluster:
        push = t.push(clips.reference(), "live/a", "--loop")
        urls = [t.cluster.flv_url("live/a", edge) for edge in (0, 1)]
        assert api(t, "PUT", "rules/ban/b", {"stream": "live/a", "ops": "play"}) == "200"
        for victim in ("dispatch", "redis", "edge"):
            if victim == "redis":
                t.cluster.kill_redis()  # it comes back empty
            else:
                t.cluster.kill(t.cluster.role(victim)[0].id)
            wait_for(lambda: api(t, "GET", "rules/ban/b") == "200",
                     f"the rule after the death of {victim}", 30)
            for url in urls:
                wait_for(lambda u=url: subprocess.run(["curl", "-s", "-m1", u], check=False,
                                                      capture_output=True).stdout,
                         "an answer of the edge", 30)
                assert reason_of(url)[1] == "banned", f"after the death of {victim}"
        # What is known is told while the registry is away; what is new is not taken.
        wait_for(lambda: api(t, "DELETE", "rules/ban/b") == "200", "the registry", 30)
        viewers = [t.run("curl", "-sS", "-o", t.file(f"{i}.flv"), url)
                   for i, url in enumerate(urls)]
        for i in (0, 1):
            wait_for(lambda i=i: os.path.exists(t.file(f"{i}.flv"))
                     and os.path.getsize(t.file(f"{i}.flv")) > 10000, "media")
        since = time.monotonic()
        assert api(t, "PUT", "rules/ban/again", {"stream": "live/a", "ops": "play"}) == "200"
        for v in viewers:
            v.wait(10)
        assert time.monotonic() - since < 1.0 * SLOWER
        assert not push.has_ended(), push.text()


def signed_by_shell(stream, user, secret):
    """As docs/auth.md has it."""
    script = ('Q="weir_kid=k1&weir_exp=$(($(date +%s) + 3600))&weir_stream=$1&weir_op=publish'
              '&weir_user=$2"; echo "$Q&weir_sig=$(printf %s "$Q" | '
              'openssl dgst -r -sha256 -hmac "$3" | cut -c1-64)"')
    return subprocess.run(["sh", "-c", script, "sh", stream, user, secret], check=True,
                          capture_output=True, text=True).stdout.strip()


@case
def who_is_handed_to_another_ingest_is_still_known(t):
    secret = "0123456789abcdefghij"
    with Cluster(ingest=2, packager=0, settings={
            "auth.signature": "publish", "cluster.rules":
            json.dumps([{"kind": "key", "id": "k1", "secret": secret}])}) as t.cluster:
        def session():
            sessions = t.cluster.api("/api/v1/sessions?stream=live/a")["sessions"]
            return next((s for s in sessions if s["base_type"] == "PUB"), None)

        refused = t.try_push(clips.reference(), "live/a")
        assert refused.wait(20) != 0 and "Denied" in refused.text(), refused.text()
        query = signed_by_shell("live/a", "bob", secret)
        push = t.push(clips.reference(), "", "--loop",
                      url=t.cluster.publish_url("live/a") + "?" + query)
        t.view("live/a").wait_media()
        first = wait_for(session, "a session")
        assert first["user"] == "bob", first
        old = t.cluster.node(first["node"])
        assert api(t, "POST", f"nodes/{old.id}/drain") == "200"
        wait_for(lambda: not is_alive(old.pid), "the ingest to end")
        t.cluster.nodes.remove(old)
        second = wait_for(session, "a session at the other ingest")
        assert (second["session_id"], second["user"]) == (first["session_id"], "bob"), second
        assert second["node"] != first["node"] and not push.has_ended(), push.text()
        assert api(t, "PUT", "rules/ban/bob", {"user": "bob"}) == "200"
        push.wait(10)
        assert "kicked out" in push.text(), push.text()


@case
def lal_s_secret_opens_what_it_shut(t):
    with Cluster(packager=0, settings={
            "auth.lal.key": "q191201771", "auth.lal.dangerous_lal_secret": "PengRL",
            "auth.lal.sub_httpflv_enable": "true",
            "auth.lal.pub_rtmp_enable": "true"}) as t.cluster:
        publish = t.cluster.publish_url("live/test110")
        md5 = "700997e1595a06c9ffa60ebef79105b0"  # of q191201771test110
        refused = t.weir("push", clips.reference(), publish)
        assert refused.wait(20) != 0, refused.text()
        assert "Denied" in refused.text(), refused.text()
        t.push(clips.reference(), "", "--loop", url=f"{publish}?lal_secret={md5.upper()}")
        url = t.cluster.flv_url("live/test110")
        assert reason_of(url)[:2] == (401, "unauthorized")
        assert reason_of(url + "?lal_secret=0")[:2] == (401, "unauthorized")
        for secret in (md5, "PengRL", "pengrl"):
            p = t.run("curl", "-sS", "-o", t.file(secret), f"{url}?lal_secret={secret}")
            wait_for(lambda s=secret: os.path.exists(t.file(s))
                     and os.path.getsize(t.file(s)) > 10000, f"media by {secret}")
            p.kill()
        for node in t.cluster.nodes:
            assert md5 not in t.cluster.log(node.id).lower(), f"a secret of {node.id}"


if __name__ == "__main__":
    main(at_once=2)
