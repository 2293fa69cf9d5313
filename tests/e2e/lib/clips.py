"""clips - what is published: made once by ffmpeg, kept beside the binaries.

Each function returns the path of an FLV file. Names tell what is in it; a clip
is made anew when its recipe here changes.
"""

import contextlib
import fcntl
import hashlib
import inspect
import os
import subprocess
import tempfile

from lib import flv
from lib.env import BUILD

FOLDER = os.path.join(BUILD, "e2e-clips")

VIDEO_IN = ("-f", "lavfi", "-i", "testsrc2=size={size}:rate={fps}:duration={s}")
AUDIO_IN = ("-f", "lavfi", "-i",
            "sine=frequency=440:beep_factor=4:sample_rate={rate}:duration={s}")
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high",
        "-pix_fmt", "yuv420p", "-bf", "2", "-g", "{gop}", "-keyint_min", "{gop}",
        "-sc_threshold", "0", "-threads", "1")


# ---- keeping


def clip(make):
    """Decorator: the file is made by the first who asks, under a lock."""
    source = inspect.getsource(make)

    def get(*args):
        text = repr((source, args, VIDEO_IN, AUDIO_IN, X264))
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        path = os.path.join(FOLDER, f"{make.__name__}-{digest}.flv")
        if not os.path.exists(path):
            with locked(path):
                if not os.path.exists(path):
                    make_into(path, make, args)
        return path

    return get


@contextlib.contextmanager
def locked(path):
    os.makedirs(FOLDER, exist_ok=True)
    with open(path + ".lock", "w", encoding="utf-8") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def make_into(path, make, args):
    with tempfile.TemporaryDirectory(dir=FOLDER) as tmp:
        out = os.path.join(tmp, "clip.flv")
        make(out, *args)
        os.replace(out, path)


def ffmpeg(*words, **values):
    """Run ffmpeg; {name} in a word is replaced."""
    argv = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y"]
    argv += [str(w).format(**values) if values else str(w) for w in words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")


def packets(path, which):
    """The packets of one stream ("v", "a") of any file: (dts, pts, bytes), ms."""
    data = path + ".packets"
    listed = subprocess.run(
        ["ffmpeg", "-hide_banner", "-loglevel", "error", "-i", path, "-map",
         f"0:{which}:0", "-c", "copy", "-f", "framehash", "-hash", "md5", "-"],
        capture_output=True, text=True, check=True)
    ffmpeg("-i", path, "-map", f"0:{which}:0", "-c", "copy", "-f", "data", data)
    with open(data, "rb") as f:
        content = f.read()
    found, at, per_s = [], 0, 1.0
    for line in listed.stdout.splitlines():
        if line.startswith("#tb 0:"):
            number, _, of = line.split(":")[1].strip().partition("/")
            per_s = int(of) / int(number)
        if line.startswith("#"):
            continue
        _, dts, pts, _, size, _ = [w.strip() for w in line.split(",")[:6]]
        found.append((round(int(dts) * 1000 / per_s), round(int(pts) * 1000 / per_s),
                      content[at:at + int(size)]))
        at += int(size)
    assert at == len(content), f"{path}: the packets' sizes do not add up"
    return found


def box(path, name):
    """The content of an MP4 box that stands once in the file."""
    with open(path, "rb") as f:
        content = f.read()
    at = content.index(name)
    size = int.from_bytes(content[at - 4:at], "big")
    return content[at + 4:at - 4 + size]


# ---- what a camera sends


@clip
def reference(out, seconds=12, gop=30, size="320x180", rate=44100):
    """H.264 High with B-frames at 30 fps, AAC."""
    ffmpeg(*VIDEO_IN, *AUDIO_IN, *X264, "-b:v", "300k", "-c:a", "aac", "-b:a", "64k",
           "-f", "flv", out, size=size, fps=30, s=seconds, gop=gop, rate=rate)


@clip
def counted(out, seconds, fps):
    """As `reference`, with a key frame each second; each picture has its number in boxes along the lower edge,
    the lowest of 12 bits at the left, white for 1."""
    boxes = ",".join(
        f"drawbox=x={bit * 20}:y=160:w=20:h=20:t=fill:color={color}:"
        f"enable='eq(mod(floor(n/{2 ** bit}),2),{value})'"
        for bit in range(12) for value, color in ((0, "black"), (1, "white")))
    ffmpeg(*VIDEO_IN, *AUDIO_IN, "-vf", boxes, *X264, "-b:v", "300k", "-c:a", "aac",
           "-b:a", "64k", "-f", "flv", out,
           size="320x180", fps=fps, s=seconds, gop=fps, rate=44100)


@clip
def heavy(out, seconds=24):
    """2.5 Mb/s with a key frame each second."""
    ffmpeg(*VIDEO_IN, *AUDIO_IN, "-vf", "noise=alls=60:allf=t", *X264, "-b:v", "2500k",
           "-minrate", "2500k", "-maxrate", "2500k", "-bufsize", "1000k",
           "-x264-params", "nal-hrd=cbr", "-c:a", "aac", "-b:a", "64k", "-f", "flv", out,
           size="640x360", fps=30, s=seconds, gop=30, rate=44100)


@clip
def tiny(out, number, seconds=8):
    """Many of these fit on one machine; each number is another picture."""
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=96x64:rate=10:duration={s}", *AUDIO_IN,
           "-vf", "hue=h={hue}", *X264, "-b:v", "40k", "-c:a", "aac", "-b:a", "24k",
           "-ac", "1", "-f", "flv", out,
           fps=10, s=seconds, gop=10, rate=22050, hue=number * 11)


# ---- other shapes


@clip
def audio_only(out, seconds=6):
    ffmpeg(*AUDIO_IN, "-c:a", "aac", "-b:a", "64k", "-f", "flv", out,
           s=seconds, rate=44100)


@clip
def video_only(out, seconds=6):
    ffmpeg(*VIDEO_IN, *X264, "-b:v", "300k", "-f", "flv", out,
           size="320x180", fps=30, s=seconds, gop=30)


@clip
def late_audio(out, late_s, seconds):
    """Sound begins late_s after the picture, announced by nothing."""
    tags = flv.read(reference(seconds))
    keep = [t for t in tags if t.type == flv.VIDEO]
    audio = [t.moved(late_s * 1000) for t in tags if t.type == flv.AUDIO]
    end = max(t.ms for t in keep)
    keep += [t for t in audio if t.ms <= end]
    flv.write(out, sorted(keep, key=lambda t: t.ms))


@clip
def no_key_frames(out, seconds=8):
    """The one key frame of a long group of pictures is cut out."""
    tags = flv.read(reference(seconds, 1000))
    flv.write(out, [t for t in tags if not t.is_key])


@clip
def coded_audio(out, codec, seconds=6):
    """H.264 with G.711 or MP3, as ffmpeg writes them."""
    rate = 44100 if codec == "libmp3lame" else 8000
    ffmpeg(*VIDEO_IN, *AUDIO_IN, *X264, "-b:v", "200k", "-c:a", codec, "-ac", "1",
           "-f", "flv", out, size="320x180", fps=30, s=seconds, gop=30, rate=rate)


@clip
def opus(out, seconds=6):
    """H.264 with Opus as sound format 13, which ffmpeg does not write."""
    picture = [t for t in flv.read(video_only(seconds)) if t.type == flv.VIDEO]
    sound = out + ".mkv"
    ffmpeg(*AUDIO_IN, "-c:a", "libopus", "-b:a", "64k", sound, s=seconds, rate=48000)
    picture += [flv.audio_frame(flv.OPUS, data, max(dts, 0))
                for dts, _, data in packets(sound, "a")]
    flv.write(out, sorted(picture, key=lambda t: t.ms))


def hevc_tags(out, seconds, size="320x180"):
    """H.265 as codec id 12, which ffmpeg 5 does not write."""
    made = out + ".mp4"
    ffmpeg(*VIDEO_IN, "-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1",
           "-pix_fmt", "yuv420p", "-b:v", "300k", "-x265-params",
           "keyint={gop}:min-keyint={gop}:scenecut=0:bframes=2:open-gop=0:"
           "pools=none:log-level=error", made, size=size, fps=30, s=seconds, gop=30)
    found = packets(made, "v")
    begin = found[0][0]
    tags = [flv.video_config(flv.H265, box(made, b"hvcC"))]
    for i, (dts, pts, data) in enumerate(found):
        tags.append(flv.video_frame(flv.H265, data, dts - begin, pts - begin,
                                    i % 30 == 0))
    return tags


@clip
def hevc(out, seconds=6):
    """H.265 (codec id 12) with AAC."""
    tags = hevc_tags(out, seconds)
    tags += [t for t in flv.read(audio_only(seconds)) if t.type == flv.AUDIO]
    flv.write(out, sorted(tags, key=lambda t: t.ms))


@clip
def codec_change(out, half=4):
    """H.264 320x180, then H.265 256x144; AAC goes on."""
    first = [t for t in flv.read(video_only(half)) if t.type == flv.VIDEO]
    frames = [t for t in first if t.is_media]
    first = [t for t in first if t.is_config] + frames
    second = [t.moved(half * 1000) for t in hevc_tags(out, half, "256x144")]
    sound = [t for t in flv.read(audio_only(2 * half)) if t.type == flv.AUDIO]
    flv.write(out, sorted(first + second + sound, key=lambda t: t.ms))


# ---- H.265 as a plain stream of bytes, for decoders

START = b"\0\0\0\1"


def annex_b(payload):
    """NAL units with 4-byte lengths, with start codes instead."""
    out, at = b"", 0
    while at < len(payload):
        size = int.from_bytes(payload[at:at + 4], "big")
        out += START + payload[at + 4:at + 4 + size]
        at += 4 + size
    return out


def hevc_sets(record):
    """The parameter sets of an HEVCDecoderConfigurationRecord."""
    at, found = 23, []
    for _ in range(record[22]):
        count = int.from_bytes(record[at + 1:at + 3], "big")
        at += 3
        for _ in range(count):
            size = int.from_bytes(record[at:at + 2], "big")
            found.append(START + record[at + 2:at + 2 + size])
            at += 2 + size
    return found
