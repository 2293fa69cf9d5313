#!/usr/bin/env python3
"""What people play and publish with, each by all the addresses it can."""

import os
import pwd
import re
import shutil
import tempfile

from lib import clips, flv
from lib.weirtest import Cluster, Skip, case, main, wait_for

CLUSTER = Cluster(settings={"cluster.fragment_duration_ms": 1000})
FRAMES = 60
PLAY_S = 3
FRAME_BYTES = 320 * 180 * 3 // 2  # a picture of clips.reference


def need(tool):
    if not shutil.which(tool):
        raise Skip(f"{tool} is not installed (make deps-test ALL=1)")


def published(t, stream):
    t.push(clips.reference(), stream, "--loop")
    return Addresses(t.cluster, stream)


class Addresses:
    """Of a stream, by form."""

    def __init__(self, cluster, stream):
        http = f"http://{cluster.told['public']['http']}/{stream}"
        self.rtmp = cluster.rtmp_url(stream)
        self.flv, self.ts = http + ".flv", http + ".ts"
        self.hls = http + ".m3u8"
        self.all = [self.rtmp, self.flv, self.ts, self.hls]


# ---- playing


@case
def ffmpeg_plays(t):
    players = [t.ffmpeg("-xerror", "-i", url, "-map", "0:v:0", "-map", "0:a:0",
                        "-frames:v", FRAMES, "-f", "null", "-")
               for url in published(t, "live/ffmpeg").all]
    for p in players:
        assert not p.finish().text(), p.text()


def gstreamer_source(addresses, url):
    """What takes a stream from there apart, and the names of its pads."""
    flv_pads, ts_pads = ("d.video", "d.audio"), ("d.", "d.")
    http = f"souphttpsrc is-live=true location={url}"
    return {
        addresses.rtmp: (f"rtmp2src location={url} ! flvdemux name=d", flv_pads),
        addresses.flv: (f"{http} ! flvdemux name=d", flv_pads),
        addresses.ts: (f"{http} ! tsdemux name=d", ts_pads),
        addresses.hls: (f"souphttpsrc location={url} ! hlsdemux ! tsdemux name=d", ts_pads),
    }[url]


def gstreamer_play(t, addresses, url):
    """Decode into files of raw picture and sound."""
    source, (video, audio) = gstreamer_source(addresses, url)
    out = t.file(f"gst-{addresses.all.index(url)}")
    line = (f"{source} {video} ! queue ! h264parse ! avdec_h264 ! filesink location={out}.v "
            f"{audio} ! queue ! aacparse ! avdec_aac ! filesink location={out}.a")
    player = t.run("gst-launch-1.0", *line.split())
    player.file = out
    return player


def size_of(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


@case
def gstreamer_plays(t):
    need("gst-launch-1.0")
    addresses = published(t, "live/gstreamer")
    players = [gstreamer_play(t, addresses, url) for url in addresses.all]
    for p in players:
        wait_for(lambda p=p: (size_of(p.file + ".v") > FRAMES * FRAME_BYTES
                              and size_of(p.file + ".a") > 0) or p.has_ended(),
                 f"{FRAMES} pictures and sound: {' '.join(p.argv)}")
        assert not p.has_ended() and "ERROR" not in p.text(), p.text()


@case
def mpv_plays(t):
    need("mpv")
    players = [t.run("mpv", "--no-config", "--vo=null", "--ao=null", f"--length={PLAY_S}",
                     "--term-status-msg=at ${=time-pos} s, ${audio-codec-name}", url)
               for url in published(t, "live/mpv").all]
    for p in players:
        said = re.findall(r"at ([\d.]+) s, (\w+)", p.finish().text())
        assert said and float(said[-1][0]) > PLAY_S - 0.5, (p.argv, p.text())
        assert said[-1][1] == "aac", said[-1]
        assert "rror" not in p.text().replace("errors", ""), p.text()


def as_nobody(t):
    """Words that make a program run as somebody without rights, and a folder that
    is theirs."""
    folder = tempfile.mkdtemp(prefix="weir-nobody-", dir="/tmp")
    t.at_end(lambda: shutil.rmtree(folder, ignore_errors=True))
    if os.getuid():
        return [], folder
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}",
            "--clear-groups"], folder


def vlc_play(t, url):
    """It writes every tenth picture that it shows into its folder."""
    words, folder = as_nobody(t)
    player = t.run(*words, "env", f"HOME={folder}", "vlc", "--intf=dummy",
                   "--vout=dummy", "--aout=dummy", "--video-filter=scene",
                   "--scene-format=png", "--scene-ratio=10", f"--scene-path={folder}",
                   "--scene-prefix=picture", url, name="vlc")
    player.file = folder
    return player


def pictures(player):
    return [f for f in os.listdir(player.file) if f.startswith("picture")]


@case
def vlc_plays(t):
    need("vlc")
    players = [vlc_play(t, url) for url in published(t, "live/vlc").all]
    for p in players:
        wait_for(lambda p=p: len(pictures(p)) >= FRAMES / 10 or p.has_ended(),
                 f"{FRAMES} pictures: {' '.join(p.argv)}")
        assert len(pictures(p)) >= FRAMES / 10, (p.argv, p.text()[-1000:])


@case
def rtmpdump_plays(t):
    need("rtmpdump")
    out = t.file("dumped.flv")
    p = t.run("rtmpdump", "-r", published(t, "live/rtmpdump").rtmp, "-v", "-o", out)

    def dumped():
        tags = flv.read(out) if os.path.exists(out) else []
        return (sum(1 for tag in tags if tag.type == flv.VIDEO) > FRAMES
                and any(tag.type == flv.AUDIO for tag in tags)) or p.has_ended()
    wait_for(dumped, f"{FRAMES} pictures and sound")
    assert not p.has_ended(), p.text()


# ---- publishing


def assert_plays(t, stream):
    """What is published is seen; its sound is there. (GStreamer gives packets nearly
    or fully the same time now and then, which ffmpeg's output would complain of.)"""
    viewer = t.view(stream)
    p = t.ffmpeg("-xerror", "-i", t.cluster.flv_url(stream), "-map", "0:v:0",
                 "-frames:v", FRAMES, "-fps_mode", "vfr", "-f", "null", "-")
    assert not p.finish().text(), p.text()
    wait_for(lambda: sum(1 for tag in viewer.media if tag.type == flv.AUDIO) > FRAMES,
             "sound")


@case
def ffmpeg_publishes(t):
    """Encoding as it goes, by the one address that publishers and players have."""
    stream = "live/by-ffmpeg"
    t.ffmpeg("-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30", "-re", "-f",
             "lavfi", "-i", "sine=frequency=440:sample_rate=44100", "-c:v", "libx264",
             "-preset", "ultrafast", "-tune", "zerolatency", "-g", 30, "-threads", 1,
             "-c:a", "aac", "-f", "flv", t.cluster.rtmp_url(stream))
    assert_plays(t, stream)


@case
def gstreamer_publishes(t):
    need("gst-launch-1.0")
    stream = "live/by-gstreamer"
    line = (f"flvmux name=m streamable=true ! rtmp2sink location={t.cluster.rtmp_url(stream)} "
            "videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=30/1 ! "
            "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 ! m. "
            "audiotestsrc is-live=true ! audio/x-raw,rate=44100,channels=1 ! avenc_aac ! m.")
    t.run("gst-launch-1.0", *line.split())
    assert_plays(t, stream)


if __name__ == "__main__":
    main(CLUSTER, at_once=3)
