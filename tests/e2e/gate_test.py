#!/usr/bin/env python3
"""Who may not publish or play is told why in the words of its protocol, by every
client that people use; lists, bans and revoked keys are in force on every node
within a second; the webhook decides what is left."""

import hashlib
import hmac
import http.client
import itertools
import json
import os
import re
import subprocess
import time

from lib import clips
from lib.env import ROOT, SLOWER
from lib.rtmp import Refused, Rtmp
from lib.webhook import Webhook
from lib.weirtest import Cluster, case, main, wait_for

HOOK = Webhook()
CLUSTER = Cluster(
    edge=2, dispatch=2,
    settings={"auth.webhook.on_play_auth": HOOK.url + "/play",
              "auth.webhook.on_publish_auth": HOOK.url + "/publish",
              "auth.webhook.timeout_ms": 1000, "auth.webhook.cache_ms": 2000,
              "cluster.publish_grace_ms": 1000})
WITHIN_S = 1.0 * SLOWER
SECRET = "0123456789abcdefghij"


# ---- rules, by the API

def change(t, method, path, body=None, dispatch=0):
    """A rule put or deleted by one dispatch; returns when it was."""
    node = t.cluster.role("dispatch")[dispatch]
    command = ["curl", "-sS", "-X", method, "-w", "\n%{http_code}",
               "-H", f"Authorization: Bearer {t.cluster.told['token']}",
               "-H", "Content-Type: application/json",
               f"http://{node.addresses['api']}/api/v1/{path}"]
    if body is not None:
        command += ["-d", json.dumps(body)]
    out = subprocess.run(command, capture_output=True, text=True, check=True,
                         timeout=30 * SLOWER).stdout
    text, _, status = out.rpartition("\n")
    assert status in ("200", "201", "204"), f"{method} {path}: {status} {text}"
    return json.loads(text) if text else None


def put_rule(t, kind, id_, dispatch=0, **fields):
    change(t, "PUT", f"rules/{kind}/{id_}", fields, dispatch)
    t.at_end(lambda: t.cluster.role("dispatch") and drop_rule(t, kind, id_))


def drop_rule(t, kind, id_):
    status, _ = t.cluster.ask(f"/api/v1/rules/{kind}/{id_}")
    if status == 200:
        change(t, "DELETE", f"rules/{kind}/{id_}",
               dispatch=len(t.cluster.role("dispatch")) - 1)


# ---- clients

def curl(t, url, *options):
    """(status, body), of what ends by itself."""
    out = subprocess.run(["curl", "-sS", "--max-time", str(10 * SLOWER), "-w",
                          "\n%{http_code}", *options, url], capture_output=True,
                         text=True, errors="replace", check=False)
    text, _, status = out.stdout.rpartition("\n")
    return int(status), text


def reason_of(t, url, *options):
    status, text = curl(t, url, *options)
    answer = json.loads(text)
    return status, answer["error"], answer["message"]


def hls_url(t, stream, edge=0):
    return f"http://{t.cluster.http_address(edge)}/{stream}.m3u8"


def ends(process, *words):
    """It ends by itself, and has said these words."""
    status = process.wait(20)
    text = process.text()
    assert status != 0 or words, f"{process.argv[0]} ended with 0: {text}"
    for word in words:
        assert word in text, f"no {word!r} of {process.argv[0]}: {text}"


def viewers_of(t, stream, edge):
    """By each protocol that viewers stay in."""
    viewers = {"FLV": t.view(stream, edge), "RTMP": t.view_rtmp(stream, edge),
               "WS-TS": t.view_ws_ts(stream, edge)}
    viewers["FLV"].wait_media()
    viewers["RTMP"].wait_media()
    viewers["WS-TS"].wait_pes()
    return viewers


def on_both_edges(t, stream):
    return [v for edge in (0, 1) for v in viewers_of(t, stream, edge).values()]


def assert_over_soon(t, viewers, since, what):
    for v in viewers:
        v.wait_over(10)
    took = max(v.over_at for v in viewers) - since
    t.note(f"{what}: {took * 1000:.0f} ms")
    assert took < WITHIN_S, f"{what}: the last one ended after {took:.2f} s"


# ---- refusals

@case
def players_by_http_are_told_why(t):
    t.push(clips.reference(), "live/lists", "--loop")
    put_rule(t, "deny", "all", cidr="127.0.0.0/8", ops="play")
    for edge in (0, 1):
        http = f"http://{t.cluster.http_address(edge)}/live/lists"
        for url in (http + ".flv", http + ".ts", http + ".m3u8"):
            wait_for(lambda url=url: reason_of(t, url)[:2] == (403, "denied"),
                     f"{url} to be denied", 5)
        socket = ["-H", "Upgrade: websocket", "-H", "Connection: Upgrade", "-H",
                  "Sec-WebSocket-Version: 13", "-H",
                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
        assert reason_of(t, http + ".flv", *socket)[:2] == (403, "denied")
    ends(t.ffmpeg("-i", t.cluster.flv_url("live/lists"), "-f", "null", "-"), "403")
    ends(t.ffmpeg("-i", hls_url(t, "live/lists"), "-f", "null", "-"), "403")
    ends(t.run("gst-launch-1.0", "souphttpsrc",
               f"location={t.cluster.flv_url('live/lists')}", "!", "fakesink"),
         "Forbidden")
    ends(t.weir("pull", t.cluster.flv_url("live/lists"), t.file("none.flv")), "403")


@case
def players_by_rtmp_are_told_why(t):
    t.push(clips.reference(), "live/rtmp-lists", "--loop")
    put_rule(t, "ban", "stream", stream="live/rtmp-lists", ops="play")
    for edge in (0, 1):
        v = t.view_rtmp("live/rtmp-lists", edge)
        v.wait_over()
        assert v.refused == ("NetStream.Play.Failed",
                             "kicked out, and not yet let in again: "
                             "kicked out for some time"), v.refused
    url = t.cluster.rtmp_url("live/rtmp-lists", 0)
    ends(t.ffmpeg("-i", url, "-f", "null", "-"), "kicked out")
    ends(t.run("rtmpdump", "-r", url, "-v", "-o", t.file("none.flv")),
         "NetStream.Play.Failed")
    ends(t.run("gst-launch-1.0", "rtmp2src", f"location={url}", "!", "fakesink"),
         "ERROR")
    ends(t.run("gst-launch-1.0", "rtmpsrc", f"location={url} live=1", "!", "fakesink"),
         "ERROR")


@case
def publishers_are_told_why(t):
    put_rule(t, "ban", "encoder", stream="live/unwanted", ops="publish")
    url = t.cluster.publish_url("live/unwanted")
    rtmp = Rtmp(t.cluster.told["public"]["rtmp"])
    t.at_end(rtmp.close)
    try:
        rtmp.publish("live/unwanted")
        raise AssertionError("it was let in")
    except Refused as e:
        assert e.args[0] == "NetStream.Publish.Denied", e.args
        assert "kicked out" in e.args[1], e.args
    rtmp.read_to_end()
    clip = clips.reference()
    ends(t.ffmpeg("-re", "-i", clip, "-c", "copy", "-f", "flv", url), "kicked out")
    ends(t.weir("push", clip, url), "Denied")
    ends(t.run("gst-launch-1.0", "filesrc", f"location={clip}", "!", "flvdemux", "name=d",
               "d.video", "!", "h264parse", "!", "flvmux", "name=m", "streamable=true",
               "!", "rtmp2sink", f"location={url}", "d.audio", "!", "fakesink"), "ERROR")
    assert not t.cluster.streams().get("live/unwanted"), "it has a stream"


# ---- what is told of it

def visits(t, stream, event):
    """[(reason, protocol, address, node, how many)] of who was refused or put out."""
    return sorted((e["reason"], e["protocol"], e["address"], e["node"], e["count"])
                  for e in t.cluster.events(stream) if e["event"] == event)


@case
def explain_tells_who_was_refused(t):
    stream = "live/told"
    put_rule(t, "ban", "told", stream=stream)
    secret = "lal_secret=5ec2e7&weir_sig=abcdef0123456789"
    for _ in range(3):
        assert t.try_push(clips.reference(), stream).wait(20) != 0
    for edge in (0, 1):
        for _ in range(2):
            assert curl(t, t.cluster.flv_url(stream, edge) + "?" + secret)[0] == 403
        assert curl(t, hls_url(t, stream, edge) + "?" + secret)[0] == 403
        t.view_rtmp(stream, edge).wait_over()
    ingest = t.cluster.role("ingest")[0].id
    wait_for(lambda: visits(t, stream, "publish.refused") ==
             [("banned", "RTMP", "127.0.0.1", ingest, 3)], "the publisher's refusals")
    wait_for(lambda: visits(t, stream, "play.refused") == sorted(
        ("banned", protocol, "127.0.0.1", edge.id, count)
        for edge in t.cluster.role("edge")
        for protocol, count in (("FLV", 2), ("HLS", 1), ("RTMP", 1))), "the players' refusals")
    explained = t.weir("explain", "--api", t.cluster.told["api"], "--token",
                       t.cluster.told["token"], stream)
    assert explained.wait(20) == 0
    text = explained.text()
    for words in ("publish.refused", "play.refused", "kicked out, and not yet let in again",
                  "RTMP from 127.0.0.1; 3 times since "):
        assert words in text, f"no {words!r}: {text}"
    for said in (text, json.dumps(t.cluster.events(stream))):
        assert "5ec2e7" not in said and "abcdef0123456789" not in said, said


@case
def brute_force_pushes_no_event_out(t):
    """Neither refused viewers of a stream, nor those of many names, nor rivals of its
    publisher."""
    stream = "live/history"
    t.push(clips.reference(), stream, "--loop")
    t.view(stream, 0).wait_media()
    before = [e for e in t.cluster.events(stream) if "address" not in e]
    assert any(e["event"] == "epoch" for e in before), before
    put_rule(t, "deny", "force", cidr="127.0.0.0/8", ops="play")
    wait_for(lambda: curl(t, t.cluster.flv_url(stream, 0))[0] == 403, "the rule", 5)
    host, port = t.cluster.http_address(0).split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    t.at_end(connection.close)
    for name in itertools.chain([stream] * 300, (f"live/guess{i}" for i in range(1500))):
        connection.request("GET", f"/{name}.m3u8")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 403, answer.status
    for _ in range(30):
        rival = Rtmp(t.cluster.told["public"]["rtmp"])
        try:
            rival.publish(stream)
            raise AssertionError("two publish")
        except Refused as e:
            assert "another publisher" in e.args[1], e.args
        finally:
            rival.close()
    after = t.cluster.events(stream)
    kept = [e for e in after if "address" not in e]
    rivals = [e for e in kept if e["event"] in ("placed", "claim.refused")]
    assert all(e in kept for e in before if e["event"] != "placed"), (before, kept)
    assert len(rivals) <= 4, rivals  # two dispatches have placed them
    wait_for(lambda: [v[4] for v in visits(t, stream, "publish.refused")] == [30], "thirty rivals")
    told = visits(t, stream, "play.refused")
    assert [v[4] for v in told if v[1] == "HLS"] == [300], told


# ---- revocation

@case
def a_ban_ends_who_plays_on_both_edges(t):
    t.push(clips.reference(), "live/banned", "--loop")
    t.push(clips.reference(), "live/other", "--loop")
    viewers, other = on_both_edges(t, "live/banned"), t.view("live/other", 1)
    other.wait_media()
    since = time.monotonic()
    put_rule(t, "ban", "b", stream="live/banned", ops="play")
    assert_over_soon(t, viewers, since, "ban")
    put_rule(t, "ban", "b2", dispatch=1, stream="live/nobody")
    for edge in (0, 1):
        assert reason_of(t, t.cluster.flv_url("live/banned", edge))[1] == "banned"
        status, _ = curl(t, hls_url(t, "live/banned", edge))
        assert status == 403, status
    assert not other.is_over.is_set(), other.error
    drop_rule(t, "ban", "b")
    wait_for(lambda: t.view("live/banned", 0).wait_head().status == 200,
             "viewers to be let in again", 5)


@case
def a_ban_ends_who_publishes(t):
    push = t.push(clips.reference(), "live/was-good", "--loop")
    t.view("live/was-good").wait_media()
    since = time.monotonic()
    put_rule(t, "ban", "p", stream="live/was-good", ops="publish")
    push.wait(10)
    took = time.monotonic() - since
    t.note(f"{took * 1000:.0f} ms")
    assert took < WITHIN_S, took
    assert "Denied" in push.text(), push.text()


def signed(stream, kid="k1", seconds=60, **more):
    claims = {"weir_kid": kid, "weir_exp": int(time.time()) + seconds,
              "weir_stream": stream, **more}
    text = "&".join(f"{k}={v}" for k, v in claims.items())
    mac = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"{text}&weir_sig={mac}"


@case
def a_key_lets_in_until_it_is_deleted(t):
    t.push(clips.reference(), "live/signed", "--loop")
    put_rule(t, "key", "k1", secret=SECRET)
    http = [f"http://{t.cluster.http_address(edge)}/live/signed" for edge in (0, 1)]
    good = signed("live/*", weir_user="bob")
    for url in http:
        wait_for(lambda url=url: curl(t, f"{url}.m3u8?{good}")[0] == 200,
                 "the key to be known", 5)
        bad = good.replace("bob", "eve")
        assert reason_of(t, f"{url}.flv?{bad}")[:2] == (401, "unauthorized")
        late = signed("live/*", seconds=-5)
        assert reason_of(t, f"{url}.flv?{late}")[:2] == (401, "unauthorized")
        other = signed("live/elsewhere")
        assert reason_of(t, f"{url}.flv?{other}")[:2] == (401, "unauthorized")
    files = [t.file(f"signed-{i}.flv") for i in (0, 1)]
    players = [t.run("curl", "-sS", "-o", file, f"{url}.flv?{good}", name="curl-signed")
               for url, file in zip(http, files)]
    for file in files:
        wait_for(lambda file=file: os.path.exists(file) and os.path.getsize(file) > 10000,
                 "media")
    shown = t.cluster.ask("/api/v1/sessions?stream=live/signed")[1]
    assert "bob" in json.dumps(shown), shown
    assert good[-64:] not in json.dumps(shown), "the signature is shown"
    since = time.monotonic()
    change(t, "DELETE", "rules/key/k1", dispatch=1)
    for p in players:
        p.wait(10)
    took = time.monotonic() - since
    t.note(f"revoked in {took * 1000:.0f} ms")
    assert took < WITHIN_S, took
    for url in http:
        assert reason_of(t, f"{url}.flv?{good}")[:2] == (401, "unauthorized")
    for node in t.cluster.nodes:
        log = t.cluster.log(node.id)
        assert SECRET not in log and good[-64:] not in log, f"a secret in {node.id}'s log"


@case
def a_publisher_takes_over_from_itself_and_from_nobody_else(t):
    put_rule(t, "key", "k2", secret=SECRET)
    url = t.cluster.publish_url("live/mine")

    def address(user):
        return f"{url}?{signed('live/mine', 'k2', weir_op='publish', weir_user=user)}"

    first = t.push(clips.reference(), "", "--loop", url=address("bob"))
    eve = t.try_push(clips.reference(), "", url=address("eve"))
    assert eve.wait(20) != 0 and "another publisher is live" in eve.text(), eve.text()
    nobody = t.try_push(clips.reference(), "", url=url)
    assert nobody.wait(20) != 0 and "another publisher is live" in nobody.text()
    assert not first.has_ended(), first.text()
    t.push(clips.reference(), "", "--loop", url=address("bob"))
    first.wait(20)
    assert "a newer publisher" in first.text(), first.text()


@case
def a_kick_ends_sessions_by_what_is_named(t):
    t.push(clips.reference(), "live/kicks", "--loop")
    for body in ({"stream": "live/kicks"}, {"ip": "127.0.0.1", "stream": "live/kicks"}):
        viewers = on_both_edges(t, "live/kicks")
        push_open = t.cluster.streams()["live/kicks"]["live"]
        since = time.monotonic()
        # The publisher is of the stream, too: it is kicked with the others.
        change(t, "POST", "kick", body)
        assert_over_soon(t, viewers, since, "kick")
        assert push_open
        t.push(clips.reference(), "live/kicks", "--loop")


# ---- the webhook

@case
def the_webhook_decides_who_plays(t):
    def answer(path, q):
        if q["stream"] != "live/hook":
            return 200, None
        if "no" in q["url_param"]:
            return 200, {"allow": False, "reason": "not paid"}
        return (403, None) if "forbidden" in q["url_param"] else (200, {"allow": True})

    HOOK.answer = answer
    t.push(clips.reference(), "live/hook", "--loop")
    publish = HOOK.of("live/hook")[0]
    assert publish["op"] == "publish" and publish["base_type"] == "PUB", publish
    url = t.cluster.flv_url("live/hook")
    assert reason_of(t, url + "?no=1") == (401, "unauthorized", "not allowed: not paid")
    assert reason_of(t, hls_url(t, "live/hook") + "?no=1")[:2] == (401, "unauthorized")
    assert reason_of(t, url + "?forbidden")[:2] == (401, "unauthorized")
    t.view("live/hook").wait_media()
    secret = "lal_secret=5ec2e7&weir=1"
    status, _ = curl(t, f"{hls_url(t, 'live/hook')}?{secret}&token=theirs")
    assert status == 200, status
    q = HOOK.of("live/hook")[-1]
    assert "5ec2e7" not in json.dumps(q) and "token=theirs" in q["url_param"], q
    for name in ("server_id", "protocol", "remote_addr", "app_name", "stream_name",
                 "user_agent", "referer", "session_id"):
        assert name in q, f"{name} is missing: {q}"
    ends(t.ffmpeg("-i", t.cluster.rtmp_url("live/hook") + "?no=1", "-f", "null", "-"),
         "not paid")


def shown(kind, part):
    """The block of docs/auth.md of this kind with these words in it."""
    with open(os.path.join(ROOT, "docs/auth.md"), encoding="utf-8") as f:
        blocks = re.findall(rf"^```{kind}\n(.*?)^```", f.read(), re.M | re.S)
    return next(b for b in blocks if part in b)


@case
def who_the_webhook_names_is_kicked_by_that_name(t):
    """With the command and the question that docs/auth.md shows."""
    HOOK.answer = lambda path, q: (200, {"user": "bob"} if "bob" in q["url_param"] else None)
    t.push(clips.reference(), "live/named", "--loop")
    other = t.view("live/named", 0).wait_media()
    file = t.file("bob.flv")
    player = t.run("curl", "-sS", "-o", file, t.cluster.flv_url("live/named", 1) + "?bob")
    wait_for(lambda: os.path.exists(file) and os.path.getsize(file) > 10000, "media")
    question = HOOK.of("live/named")[-1]
    assert question.keys() == json.loads(shown("json", '"op": "play"')).keys(), question
    since = time.monotonic()
    answer = subprocess.run(
        ["sh", "-c", shown("sh", "/api/v1/kick")], check=True, capture_output=True,
        text=True, env={**os.environ, "TOKEN": t.cluster.told["token"],
                        "API": t.cluster.told["api"]}).stdout
    assert json.loads(answer)["ban"], answer  # which may be faster than the kick
    player.wait(10)
    assert time.monotonic() - since < WITHIN_S
    for edge in (0, 1):
        wait_for(lambda e=edge: reason_of(t, t.cluster.flv_url("live/named", e) + "?bob")[:2]
                 == (403, "banned"), "bob to stay out", 5)
    assert not other.is_over.is_set(), other.error


@case
def one_question_is_asked_for_all_who_wait(t):
    def answer(_, q):
        if q["stream"] == "live/crowd" and q["op"] == "play":
            wait_for(lambda: t.cluster.metrics(edge.id).sum("weir_edge_waiting") >= 20,
                     "twenty to wait", 10)
        return 200, None

    edge = t.cluster.role("edge")[0]
    HOOK.answer = answer
    t.push(clips.reference(), "live/crowd", "--loop")
    viewers = [t.view("live/crowd", 0) for _ in range(20)]
    for v in viewers:
        v.wait_media()
    asked = [q for q in HOOK.of("live/crowd") if q["op"] == "play"]
    assert len(asked) == 1, f"{len(asked)} questions"


@case
def a_silent_webhook_is_no(t):
    HOOK.answer = lambda path, q: None if q["stream"] == "live/silent" else (200, None)
    since = time.monotonic()
    status, error, message = reason_of(t, t.cluster.flv_url("live/silent"))
    took = time.monotonic() - since
    assert (status, error) == (401, "unauthorized"), (status, error)
    assert "in time" in message, message
    assert 0.9 < took < 3 * SLOWER, took


@case
def without_one_dispatch_the_other_is_asked_and_rules_hold(t):
    HOOK.answer = lambda path, q: (200, None)
    t.push(clips.reference(), "live/alone", "--loop")
    change(t, "PUT", "rules/ban/holds", {"stream": "live/kept-out", "ops": "play"})
    t.cluster.kill(t.cluster.role("dispatch")[0].id)
    viewers = [t.view("live/alone", edge) for edge in (0, 1)]
    for v in viewers:
        v.wait_media()
    for edge in (0, 1):
        assert reason_of(t, t.cluster.flv_url("live/kept-out", edge))[1] == "banned"
    since = time.monotonic()
    change(t, "PUT", "rules/ban/late", {"stream": "live/alone", "ops": "play"})
    assert_over_soon(t, viewers, since, "ban by the other dispatch")
    t.cluster.kill_redis()
    for edge in (0, 1):
        wait_for(lambda e=edge: t.cluster.metrics(t.cluster.role("edge")[e].id)
                 .sum("weir_registry_up") == 0, "the registry to be missed")
    assert reason_of(t, t.cluster.flv_url("live/alone", 0))[1] == "banned"
    t.cluster.kill(t.cluster.role("dispatch")[0].id)
    for edge in (0, 1):
        assert reason_of(t, t.cluster.flv_url("live/kept-out", edge))[1] == "banned"
        status, _, message = reason_of(t, t.cluster.flv_url("live/free", edge))
        assert status == 401 and "in time" in message, (status, message)


if __name__ == "__main__":
    main(CLUSTER)
