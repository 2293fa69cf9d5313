#!/usr/bin/env python3
"""What lal's users type works as it stands, on the usual ports: in a network of
its own, where these are free."""

from lib.network import leave_the_network

if __name__ == "__main__":
    leave_the_network()

# pylint: disable=wrong-import-position
import urllib.request  # noqa: E402

from lib import clips  # noqa: E402
from lib.weirtest import Cluster, case, main, wait_for  # noqa: E402

CLUSTER = Cluster(usual_ports=True, ingest_ports=False)
FRAMES = 40
PLAYED = [
    "rtmp://127.0.0.1:1935/live/test110",
    "rtmp://127.0.0.1/live/test110",
    "http://127.0.0.1:8080/live/test110.flv",
    "http://127.0.0.1:8080/live/test110.ts",
    "http://127.0.0.1:8080/hls/test110.m3u8",
    "http://127.0.0.1:8080/hls/test110/playlist.m3u8",
    "http://127.0.0.1:8080/live/test110.m3u8",
]
API = "http://127.0.0.1:8083"


@case
def its_readmes_lines_work_on_the_usual_ports(t):
    t.ffmpeg("-re", "-stream_loop", -1, "-i", clips.reference(), "-c:a", "copy",
             "-c:v", "copy", "-f", "flv", "rtmp://127.0.0.1:1935/live/test110")
    t.cluster.wait_live("live/test110")
    players = [t.ffmpeg("-i", url, "-map", "0:v:0", "-map", "0:a:0", "-frames:v",
                        FRAMES, "-f", "null", "-") for url in PLAYED]
    for p in players:
        p.finish()


@case
def its_page_and_its_api_are_where_they_were(t):
    assert t.cluster.told["api"] == API, t.cluster.told
    with urllib.request.urlopen(API + "/lal.html", timeout=20) as r:
        assert r.status == 200 and r.url == API + "/", r.url
    wait_for(lambda: t.cluster.group("test110"), "the stream in lal's API")


if __name__ == "__main__":
    main(CLUSTER)
