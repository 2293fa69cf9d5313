#!/usr/bin/env python3
"""Streams of every shape play: exactly, with flags and metadata that are true, and
in a real player."""

from lib import clips, flv
from lib.weirtest import Cluster, case, main, wait_for

JOIN_WAIT_MS = 1500
CLUSTER = Cluster(settings={"cluster.publish_grace_ms": 1000,
                            "ingest.join_wait_max_ms": JOIN_WAIT_MS})
BOTH = flv.HAS_AUDIO | flv.HAS_VIDEO


def metadata_of(viewer):
    """The last that it was told."""
    told = [flv.metadata(x) for x in viewer.tags if x.type == flv.SCRIPT]
    assert told, f"no metadata: {viewer.tags[:3]}"
    return told[-1]


def assert_told(viewer, video=None, audio=None, flags=None, **more):
    """What the head and the metadata say is what there is."""
    kinds = ((flv.HAS_VIDEO if video else 0) | (flv.HAS_AUDIO if audio else 0))
    flags = kinds if flags is None else flags
    assert viewer.flags == flags, f"flags {viewer.flags}, not {flags}"
    told = metadata_of(viewer)
    for name, value in (("videocodecid", video), ("audiocodecid", audio)):
        assert told.get(name) == value, f"{name} is {told.get(name)}, not {value}"
    for name, value in more.items():
        assert told.get(name) == value, f"{name} is {told.get(name)}, not {value}"
    for name in ("duration", "filesize"):
        assert name not in told, told


def codecs(viewer, type_):
    return {x.codec for x in viewer.media if x.type == type_}


def play(t, clip, video=None, audio=None, join_ms=1500, **told):
    """Publish it; viewers of both forms who wait for it, and one of each who joins
    later. All is exact and as told. Returns the viewers."""
    stream = "live/" + t.name
    early = [t.view(stream), t.view_rtmp(stream)]
    push = t.push(clip, stream)
    early[0].wait_media()
    early[0].wait_after(early[0].media[0].ms + join_ms)
    late = [t.view(stream), t.view_rtmp(stream)]
    push.finish()
    for v in early + late:
        v.wait_over()
        flv.assert_same(flv.read(clip), v.tags, type(v).__name__)
        for type_, codec in ((flv.VIDEO, video), (flv.AUDIO, audio)):
            assert codecs(v, type_) == ({codec} if codec else set()), codecs(v, type_)
    for v in (early[0], late[0]):
        assert_told(v, video, audio, **told)
    return early + late


def decode(t, clip, seconds=3):
    """A real player finds nothing wrong."""
    stream = "live/" + t.name + "-decoded"
    watch = t.view(stream)
    t.push(clip, stream)
    watch.wait_media()
    player = t.ffmpeg("-xerror", "-i", t.cluster.flv_url(stream), "-t", seconds,
                      "-f", "null", "-")
    player.finish()
    assert "rror" not in player.text(), player.text()


def has_joined_sound(viewer):
    """Has a key frame come since the first sound?"""
    media = list(viewer.media)
    at = next((i for i, x in enumerate(media) if x.type == flv.AUDIO), None)
    return at is not None and any(x.is_key for x in media[at:])


def late_sound(t, late_s, seconds):
    """Who was there before it is not told by the head, but by new metadata; who
    comes then is told by the head."""
    clip = clips.late_audio(late_s, seconds)
    stream = "live/" + t.name
    early = t.view(stream)
    wire = t.view_rtmp(stream)
    push = t.push(clip, stream)
    early.wait_media()
    wait_for(lambda: has_joined_sound(early), "a key frame behind the first sound",
             late_s + 20)
    late = t.view(stream)
    push.finish()
    for v in (early, wire, late):
        v.wait_over()
        flv.assert_same(flv.read(clip), v.tags)
    assert_told(early, flv.H264, flv.AAC, flags=flv.HAS_VIDEO)
    first = flv.metadata(next(x for x in early.tags if x.type == flv.SCRIPT))
    assert "audiocodecid" not in first, first
    assert_told(late, flv.H264, flv.AAC)
    at = next(i for i, x in enumerate(early.tags) if x.type == flv.AUDIO and x.is_media)
    assert any(x.is_config and x.type == flv.AUDIO for x in early.tags[:at]), (
        "sound begins without its configuration")


@case
def sound_that_comes_thirty_seconds_late(t):
    late_sound(t, 30, 34)


@case
def sound_that_comes_a_little_late(t):
    late_sound(t, 3, 6)


@case
def picture_and_sound(t):
    play(t, clips.reference(6), flv.H264, flv.AAC, width=320, height=180,
         framerate=30, audiosamplerate=44100, audiochannels=1)


@case
def sound_only(t):
    play(t, clips.audio_only(), None, flv.AAC, audiosamplerate=44100, width=None)
    decode(t, clips.audio_only())


@case
def picture_only(t):
    play(t, clips.video_only(), flv.H264, None, width=320, audiosamplerate=None)
    decode(t, clips.video_only())


@case
def key_frames_twenty_seconds_apart(t):
    """Who joins in the middle gets the whole group of pictures up to there."""
    clip = clips.reference(9, 600)
    viewers = play(t, clip, flv.H264, flv.AAC, join_ms=6000)
    want = flv.as_streamed(flv.read(clip))
    for v in viewers:
        assert flv.is_same(v.media[0], want[0]), f"began with {v.media[0]}"
        assert len(v.media) == len(want)


@case
def another_codec_in_mid_stream(t):
    """H.264, then H.265 of another size; the sound goes on."""
    clip = clips.codec_change()
    stream = "live/" + t.name
    early, wire = t.view(stream), t.view_rtmp(stream)
    push = t.push(clip, stream)
    early.wait_media()
    wait_for(lambda: flv.H265 in codecs(early, flv.VIDEO), "the other codec")
    early.wait_after(early.tags[-1].ms + 1200)
    late = t.view(stream)
    push.finish()
    for v in (early, wire, late):
        v.wait_over()
        flv.assert_same(flv.read(clip), v.tags, type(v).__name__)
    assert codecs(early, flv.VIDEO) == {flv.H264, flv.H265}
    assert codecs(late, flv.VIDEO) == {flv.H265}
    assert_told(early, flv.H265, flv.AAC, width=256, height=144)
    assert_told(late, flv.H265, flv.AAC, width=256, height=144)


@case
def no_key_frames(t):
    """It begins at any picture once it has been waited for."""
    clip = clips.no_key_frames()
    stream = "live/" + t.name
    early = t.view(stream)
    push = t.push(clip, stream)
    early.wait_media()
    early.wait_after(early.media[0].ms + 1000)
    late = t.view(stream).wait_media()
    push.finish()
    sent = flv.media(flv.read(clip))
    for v in (early, late):
        v.wait_over()
        assert v.media[0].type == flv.VIDEO, v.media[0]
        begin = flv.find(sent, v.media[0])
        want = [x for x in sent[begin:] if x.ms >= sent[begin].ms]
        assert [x.digest for x in v.media] == [x.digest for x in want], (
            f"{len(v.media)} packets of {len(want)}")
        assert_told(v, flv.H264, flv.AAC)
    first_ms = sent[flv.find(sent, early.media[0])].ms
    t.note(f"began {first_ms} ms into it")
    assert JOIN_WAIT_MS - 500 < first_ms < JOIN_WAIT_MS + 2000, first_ms
    reasons = [e["reason"] for e in t.cluster.events(stream)]
    assert "no_key_frame" in reasons, reasons


@case
def sound_of_g711_a_law(t):
    play(t, clips.coded_audio("pcm_alaw"), flv.H264, flv.PCMA)
    decode(t, clips.coded_audio("pcm_alaw"))


@case
def sound_of_g711_mu_law(t):
    play(t, clips.coded_audio("pcm_mulaw"), flv.H264, flv.PCMU)


@case
def sound_of_mp3(t):
    play(t, clips.coded_audio("libmp3lame"), flv.H264, flv.MP3, audiosamplerate=44100)
    decode(t, clips.coded_audio("libmp3lame"))


@case
def sound_of_opus(t):
    play(t, clips.opus(), flv.H264, flv.OPUS)


@case
def picture_of_h265(t):
    """By codec id 12; ffmpeg of this age cannot play it, so that it is put into an
    MP4 by its configuration and decoded there."""
    clip = clips.hevc()
    viewers = play(t, clip, flv.H265, flv.AAC, width=320, height=180)
    config = next(x for x in viewers[0].tags if x.is_config and x.type == flv.VIDEO)
    raw = t.file("picture.hevc")
    with open(raw, "wb") as f:
        f.write(b"".join(clips.hevc_sets(config.payload)))
        for x in viewers[0].media:
            if x.type == flv.VIDEO:
                f.write(clips.annex_b(x.payload))
    player = t.ffmpeg("-xerror", "-f", "hevc", "-i", raw, "-f", "null", "-").finish()
    assert "rror" not in player.text(), player.text()


if __name__ == "__main__":
    main(CLUSTER, at_once=8)
