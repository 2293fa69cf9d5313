#!/usr/bin/env python3
"""Clusters that pull from each other: by RTMP and FLV, with TLS, behind redirects; in a
circle nothing goes round, and no publisher is kept out."""

import contextlib
import http.server
import threading
import time

from lib import clips, flv, tls
from lib.weirtest import Cluster, case, main, wait_for

CERT, KEY = tls.make_identity()
SETTINGS = {"cluster.publish_grace_ms": 1500, "cluster.resume_window_ms": 500,
            "cluster.resolve_retry_ms": 500, "edge.wait_publish_ms": 20000,
            "cluster.ca_file": CERT}
SECURE = {"edge.tls.cert": CERT, "edge.tls.key": KEY,
          "edge.rtmps.listen": "127.0.0.1:0", "edge.https.listen": "127.0.0.1:0"}


@contextlib.contextmanager
def pair():
    with Cluster(settings={**SETTINGS, **SECURE, "cluster.id": "paris"}) as paris:
        with Cluster(settings={**SETTINGS, "cluster.id": "lyon"}) as lyon:
            yield paris, lyon


def put_rule(cluster, id_, url, **more):
    rule = {"streams": f"{id_}/*", "urls": [url], "pull_timeout_ms": 2000, **more}

    def is_put():
        status, answer = cluster.ask(f"/api/v1/rules/pull/{id_}", rule, method="PUT")
        assert status in (200, 201, 503), (status, answer)
        return status != 503
    wait_for(is_put, "the registry to be read")


def at(t, cluster):
    t.cluster = cluster
    return t


def events(cluster, stream, event):
    return [e for e in cluster.events(stream) if e["event"] == event]


def pulls(cluster):
    return {p["stream"]: p for p in cluster.api("/api/v1/pulls")["pulls"]}


class Redirects(http.server.BaseHTTPRequestHandler):
    """Sends whoever asks to its server's target, but for /loop, which stays."""

    def do_GET(self):
        target = self.server.target
        to = self.path if self.path.startswith("/loop") else target + self.path
        self.send_response(302)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *unused):
        pass


def redirector(t, target):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirects)
    server.target = target
    threading.Thread(target=server.serve_forever, daemon=True).start()
    t.at_end(server.shutdown)
    return f"http://127.0.0.1:{server.server_port}"


@case
def all_ways_to_pull_bring_what_is_published(t):
    with pair() as (paris, lyon):
        own = paris.role("edge")[0].addresses
        redirects = redirector(t, f"http://{paris.http_address()}")
        ways = {
            "rtmp": paris.rtmp_url("live/cam"),
            "flv": paris.flv_url("live/cam"),
            "moved": f"{redirects}/live/cam.flv",
            "rtmps": f"rtmps://localhost:{own['rtmps'].rpartition(':')[2]}/live/cam",
            "https": f"https://localhost:{own['https'].rpartition(':')[2]}/live/cam.flv",
        }
        clip = clips.reference(4)
        at(t, paris).push(clip, "live/cam", "--loop")
        for way, url in ways.items():
            put_rule(lyon, way, url)
        viewers = {way: at(t, lyon).view(f"{way}/cam") for way in ways}
        for way, viewer in viewers.items():
            viewer.wait_media(60)
            # What is looped is compared as far as the clip goes.
            tags = [x for x in viewer.tags if x.type != flv.SCRIPT]
            first = flv.find(flv.as_streamed(flv.read(clip)), viewer.media[0])
            assert first is not None, f"{way} begins with {viewer.media[0]}"
            assert len(tags) > 40, way
            meta = flv.metadata(viewer.tags[0])
            assert meta["weirVia"] == "paris,lyon", (way, meta)
        protocols = {s: p["protocol"] for s, p in pulls(lyon).items()}
        assert protocols == {"rtmp/cam": "RTMP", "rtmps/cam": "RTMP", "flv/cam": "FLV",
                             "moved/cam": "FLV", "https/cam": "FLV"}, protocols


@case
def a_server_that_cannot_prove_its_name_is_not_pulled_from(t):
    with pair() as (paris, lyon):
        own = paris.role("edge")[0].addresses
        at(t, paris).push(clips.reference(4), "live/cam", "--loop")
        # The certificate is localhost's.
        put_rule(lyon, "rtmps", f"rtmps://{own['rtmps']}/live/cam")
        put_rule(lyon, "https", f"https://{own['https']}/live/cam.flv")
        put_rule(lyon, "round", f"{redirector(t, '')}/loop")
        for name in ("rtmps", "https", "round"):
            at(t, lyon).view(f"{name}/cam")
        for name in ("rtmps", "https", "round"):
            wait_for(lambda s=f"{name}/cam": events(lyon, s, "pull.fail"),
                     f"{name} to fail")
            failed = events(lyon, f"{name}/cam", "pull.fail")[0]
            t.note(f"{name}: {failed['detail']}")
            assert failed["reason"] == "remote_lost", failed
        assert not events(lyon, "rtmps/cam", "pull.run")
        assert not events(lyon, "https/cam", "pull.run")


@case
def in_a_circle_nothing_goes_round_and_publishers_get_in(t):
    with pair() as (paris, lyon):
        put_rule(paris, "live", f"rtmp://{lyon.rtmp_address()}/live/$name")
        put_rule(lyon, "live", f"rtmp://{paris.rtmp_address()}/live/$name")
        viewers = [at(t, paris).view("live/cam"), at(t, lyon).view("live/cam")]
        wait_for(lambda: events(paris, "live/cam", "pull.start")
                 and events(lyon, "live/cam", "pull.start"), "both to pull")
        push = at(t, paris).push(clips.reference(4), "live/cam", "--loop")
        for viewer in viewers:
            viewer.wait_media(100)
        assert "live/cam" not in pulls(paris), pulls(paris)
        assert pulls(lyon)["live/cam"]["state"] == "runs", pulls(lyon)
        for viewer in viewers:
            viewer.close()
        wait_for(lambda: not pulls(lyon), "the pull to end")
        push.stop()
        wait_for(lambda: "live/cam" not in paris.streams()
                 and "live/cam" not in lyon.streams(), "the stream to end in both")
        # The other one's publisher is let in as well, while both look for it.
        viewers = [at(t, paris).view("live/cam"), at(t, lyon).view("live/cam")]
        wait_for(lambda: pulls(paris) and pulls(lyon), "both to pull")
        at(t, lyon).push(clips.reference(4), "live/cam", "--loop")
        for viewer in viewers:
            viewer.wait_media(100)
        ran = events(paris, "live/cam", "pull.run")
        assert len(ran) == 1, ran


@case
def a_viewer_of_one_starts_one_pull_and_not_a_circle(t):
    with pair() as (paris, lyon):
        put_rule(paris, "live", f"rtmp://{lyon.rtmp_address()}/live/$name",
                 auto_stop_ms=0)
        put_rule(lyon, "live", f"rtmp://{paris.rtmp_address()}/live/$name",
                 auto_stop_ms=0)
        viewer = at(t, paris).view("live/lonely")
        wait_for(lambda: events(lyon, "live/lonely", "pull.fail"),
                 "lyon to be refused")
        failed = events(lyon, "live/lonely", "pull.fail")
        assert all("come through this cluster" in e["detail"] for e in failed), failed
        viewer.close()
        wait_for(lambda: not pulls(paris) and not pulls(lyon), "both to stop", 20)
        begin = time.monotonic()
        wait_for(lambda: "live/lonely" not in paris.streams(), "the stream to end")
        t.note(f"over {time.monotonic() - begin:.1f} s later")


if __name__ == "__main__":
    main(at_once=2)
