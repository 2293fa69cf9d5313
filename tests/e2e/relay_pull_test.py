#!/usr/bin/env python3
"""Relay pull: what nobody publishes here is fetched from elsewhere, once for the
whole cluster, while somebody watches; publishers come first."""

import json
import time

from lib import clips, flv
from lib.hls import Player
from lib.nginx_rtmp import NginxRtmp, free_ports, missing
from lib.weirtest import Cluster, Skip, case, main, wait_for

APPS = {"once": {"auto_stop_ms": 0}, "at0": {"auto_stop_ms": 0},
        "at3000": {"auto_stop_ms": 3000}, "never": {"auto_stop_ms": -1},
        "back": {}, "publish": {}, "many": {}, "both": {}}
FREE = iter(free_ports(50))
PORTS = {app: (next(FREE), next(FREE)) for app in [*APPS, "second", "first"]}


def rule(app, urls, **more):
    return {"kind": "pull", "id": app, "streams": f"{app}/*", "urls": urls, **more}


def url(app):
    return f"rtmp://127.0.0.1:{PORTS[app][0]}/live/$name"


RULES = [rule(app, [url(app)], **more) for app, more in APPS.items()]
RULES.append(rule("two", [url("first"), url("second")], pull_timeout_ms=3000))
RULES.append(rule("limited", [f"rtmp://127.0.0.1:{next(FREE)}/live/$name"],
                  retry_num=2))

CLUSTER = Cluster(edge=2, dispatch=2, ingest=2, packager=2, settings={
    "cluster.rules": json.dumps(RULES), "ingest.pull.probe_ms": 1000,
    "cluster.publish_grace_ms": 2000, "cluster.resume_window_ms": 1000,
    "hls.sub_session_timeout_ms": 2000, "edge.wait_publish_ms": 15000})


def origin(t, app):
    """An nginx that a rule names."""
    if missing():
        raise Skip(missing())
    return NginxRtmp(t, *PORTS[app]).start()


def feed(t, nginx, name, clip=None):
    return t.push(clip or clips.reference(4), f"live/{name}", "--loop",
                  url=nginx.url(f"live/{name}"))


def pulls(t):
    return t.cluster.total("ingest", "weir_ingest_pulls")


def event_count(t, stream, event):
    return t.cluster.event_names(stream).count(event)


def wait_event(t, stream, event, count=1, timeout_s=20):
    wait_for(lambda: event_count(t, stream, event) >= count,
             f"{event} of {stream}", timeout_s)


def wait_stopped(t, nginx, name, timeout_s):
    wait_for(lambda: nginx.players(name) == 0, f"the pull of {name} to end", timeout_s)


@case
def a_hundred_viewers_of_all_protocols_are_one_pull(t):
    nginx = origin(t, "once")
    feed(t, nginx, "cam")
    makes = (t.view, t.view_rtmp, t.view_ts, t.view_ws_flv, t.view_ws_ts)
    viewers = [makes[i % 5]("once/cam", edge=i // 5 % 2) for i in range(100)]
    for v in viewers:
        (v.wait_pes if hasattr(v, "wait_pes") else v.wait_media)(10)
    assert nginx.players("cam") == 1, nginx.players("cam")
    assert event_count(t, "once/cam", "pull.start") == 1, t.cluster.events("once/cam")
    assert event_count(t, "once/cam", "pull.run") == 1
    for v in viewers:
        v.close()
    wait_stopped(t, nginx, "cam", 5)


@case
def what_is_pulled_is_what_was_published(t):
    nginx = origin(t, "both")
    clip = clips.reference(4)
    viewer = t.view("both/exact")
    # nginx gives what comes from when it is played on: not from the pull's claim on.
    wait_for(lambda: nginx.players("exact") == 1, "the pull to play")
    t.push(clip, "live/exact", url=nginx.url("live/exact")).finish()
    viewer.wait_media(50)
    flv.assert_same(flv.read(clip), viewer.tags, to_end=False)
    meta = flv.metadata(viewer.tags[0])
    assert meta["weirVia"] == "weir", meta


@case
def hls_starts_a_pull_and_holds_it(t):
    nginx = origin(t, "back")
    feed(t, nginx, "hls")
    player = Player(t.cluster.http_address(0), "/back/hls.m3u8")
    player.wait_segments(2)
    assert nginx.players("hls") == 1
    player.stop()
    wait_stopped(t, nginx, "hls", 8)


@case
def a_pull_stops_as_its_rule_says(t):
    def stop_ms(app):
        nginx = origin(t, app)
        feed(t, nginx, "cam")
        viewer = t.view(f"{app}/cam")
        viewer.wait_media(10)
        viewer.close()
        begin = time.monotonic()
        if app == "never":
            return nginx, begin
        wait_stopped(t, nginx, "cam", 12)
        return (time.monotonic() - begin) * 1000

    never, begin = stop_ms("never")
    at0, at3000 = stop_ms("at0"), stop_ms("at3000")
    t.note(f"0: {at0:.0f} ms, 3000: {at3000:.0f} ms")
    assert at0 < 2000, at0
    assert 2800 < at3000 < 5500, at3000
    assert never.players("cam") == 1, "-1 stopped"
    assert time.monotonic() - begin > 3


@case
def an_origin_that_was_gone_is_pulled_again(t):
    nginx = origin(t, "many")
    push = feed(t, nginx, "gone")
    viewer = t.view("many/gone")
    viewer.wait_media(10)
    nginx.stop()
    push.kill()
    wait_event(t, "many/gone", "pull.fail", 2)
    seen = len(viewer.media)
    nginx.start()
    feed(t, nginx, "gone")
    viewer.wait_media(seen + 50)
    assert event_count(t, "many/gone", "pull.start") == 1


@case
def the_second_address_is_used_until_the_first_is_well(t):
    second = origin(t, "second")
    feed(t, second, "cam")
    viewer = t.view("two/cam")
    viewer.wait_media(10)
    assert second.players("cam") == 1
    first = origin(t, "first")
    feed(t, first, "cam")
    wait_event(t, "two/cam", "pull.back")
    wait_for(lambda: second.players("cam") == 0 and first.players("cam") == 1,
             "the first to be pulled from")
    seen = len(viewer.media)
    viewer.wait_media(seen + 50)


@case
def a_publisher_takes_the_stream_and_keeps_it(t):
    nginx = origin(t, "publish")
    feed(t, nginx, "cam")
    viewer = t.view("publish/cam")
    viewer.wait_media(10)
    push = t.push(clips.reference(4), "publish/cam", "--loop")
    wait_stopped(t, nginx, "cam", 5)
    wait_event(t, "publish/cam", "pull.end")
    seen = len(viewer.media)
    viewer.wait_media(seen + 100)
    assert not push.has_ended(), push.text()
    assert t.cluster.streams()["publish/cam"]["live"]
    # He leaves, and it is pulled again; he comes back, and has it again.
    push.stop()
    wait_for(lambda: nginx.players("cam") == 1, "the pull to begin again")
    viewer.wait_media(len(viewer.media) + 50)
    push = t.push(clips.reference(4), "publish/cam", "--loop")
    wait_stopped(t, nginx, "cam", 5)
    viewer.wait_media(len(viewer.media) + 50)
    viewer.close()
    assert not push.has_ended(), push.text()


@case
def attempts_are_counted(t):
    viewer = t.view("limited/cam")
    wait_event(t, "limited/cam", "pull.end")
    fails = event_count(t, "limited/cam", "pull.fail")
    assert fails == 3, t.cluster.events("limited/cam")
    viewer.close()


if __name__ == "__main__":
    main(CLUSTER, at_once=4)
