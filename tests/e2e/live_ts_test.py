#!/usr/bin/env python3
"""By HTTP-TS, WS-FLV and WS-TS every access unit arrives as it was published, its
time right to the tick; players find nothing wrong."""

from lib import clips, flv, framehash, hls, ts, websocket
from lib.weirtest import Cluster, case, main, wait_for

CLUSTER = Cluster(settings={"cluster.publish_grace_ms": 1000})
# Containers put delimiters and parameter sets before pictures, heads before sounds.
PLAIN = ("-bsf:v", "filter_units=remove_types=7-9", "-bsf:a", "aac_adtstoasc")
FROM_FLV = ("-bsf:v", "h264_mp4toannexb,filter_units=remove_types=7-9")


def assert_ts_is_exact(reference, viewer, what, **more):
    viewer.wait_over()
    assert not viewer.error, viewer.error
    assert not viewer.ts.faults, f"{what}: {viewer.ts.faults[:5]}"
    return ts.assert_same(reference, viewer.pes, what, **more)


def viewers_of(t, stream):
    return {"HTTP-TS": t.view_ts(stream), "WS-TS": t.view_ws_ts(stream)}


def play(t, clip, join_ms=1500):
    """Publish it; viewers who wait for it and some who join later."""
    stream, reference = "live/" + t.name[:30], flv.read(clip)
    watch = t.view(stream)
    early = viewers_of(t, stream)
    push = t.push(clip, stream)
    watch.wait_after(join_ms)
    late = viewers_of(t, stream)
    push.finish()
    constants = {assert_ts_is_exact(reference, v, f"{name} {when}")
                 for when, viewers in (("early", early), ("late", late))
                 for name, v in viewers.items()}
    assert len(constants) == 1, f"each has a time of its own: {constants}"
    return list(early.values()), list(late.values())


@case
def every_access_unit_arrives_on_its_tick(t):
    """Both ways, from the start and from the middle; sound and picture alike."""
    early, late = play(t, clips.reference())
    for v in early + late:
        first = v.pes[0]
        assert first.kind == flv.VIDEO and first.is_random_access, first
        kinds = {p.type for p in v.pes}
        assert kinds == {ts.H264, ts.AAC}, kinds
        assert v.ts.tables[0] == 0, "it does not begin with its tables"
        assert all(len(p.units) == 1 for p in v.pes), "sound was gathered"
    t.note(f"{len(early[0].pes)} PES packets")


@case
def tables_come_twice_a_second_and_before_each_key_frame(t):
    viewer = t.view_ts("live/tables")
    t.push(clips.reference(6, 60), "live/tables").finish()
    viewer.wait_over()
    tables = viewer.ts.tables
    times = [(p.offset, p.dts) for p in viewer.pes if p.kind == flv.VIDEO]
    for before, after in zip(tables, tables[1:]):
        between = [dts for offset, dts in times if before <= offset <= after]
        assert between[-1] - between[0] <= 45000 + 3003, between
    for p in viewer.pes:
        if p.is_random_access and p.kind == flv.VIDEO:
            assert any(p.offset - 4 * ts.PACKET <= x < p.offset for x in tables), p


@case
def sound_only(t):
    play(t, clips.audio_only())


@case
def picture_only(t):
    play(t, clips.video_only())


@case
def picture_of_h265(t):
    early, _ = play(t, clips.hevc())
    assert {p.type for p in early[0].pes} == {ts.H265, ts.AAC}


@case
def sound_of_opus(t):
    early, _ = play(t, clips.opus())
    assert {p.type for p in early[0].pes} == {ts.H264, ts.PRIVATE}


@case
def sound_of_mp3(t):
    play(t, clips.coded_audio("libmp3lame"))


@case
def what_cannot_be_carried_is_left_out_and_counted(t):
    """G.711 has no place in a transport stream: the picture goes."""
    stream, clip = "live/alaw", clips.coded_audio("pcm_alaw")
    viewer = t.view_ts(stream)
    t.push(clip, stream).finish()
    viewer.wait_over()
    assert not viewer.ts.faults, viewer.ts.faults
    assert {p.type for p in viewer.pes} == {ts.H264}
    tags = flv.read(clip)
    ts.assert_same([x for x in tags if x.type == flv.VIDEO], viewer.pes)
    left_out = t.cluster.total("edge", "weir_edge_skipped_frames_total",
                               reason="unsupported")
    sounds = sum(x.type == flv.AUDIO for x in tags)
    assert sounds / 2 < left_out <= sounds, f"{left_out} packets of {sounds} are counted"


@case
def a_stream_that_has_nothing_for_it_is_refused_in_words(t):
    clip = t.file("sound.flv")
    flv.write(clip, [x for x in flv.read(clips.coded_audio("pcm_alaw"))
                     if x.type == flv.AUDIO])
    watch = t.view("live/sound")
    t.push(clip, "live/sound")
    watch.wait_media()
    answer = hls.ask(t.cluster.told["public"]["http"], "/live/sound.m3u8")
    assert answer.status == 501 and b"no codec" in answer.body, answer
    for make in (t.view_ts, t.view_ws_ts):
        viewer = make("live/sound")
        viewer.wait_over()
        assert viewer.status == 501, viewer.status
    viewer = t.view_ts("live/sound").wait_over()
    assert b'"error":"unsupported"' in viewer.body, viewer.body
    assert b"G.711" in viewer.body or b"PCMA" in viewer.body, viewer.body


@case
def another_codec_in_mid_stream(t):
    """H.264, then H.265: a new table, and each AU on its tick."""
    stream, clip = "live/change", clips.codec_change()
    viewer = t.view_ts(stream)
    t.push(clip, stream).finish()
    assert_ts_is_exact(flv.read(clip), viewer, "HTTP-TS")
    assert len(viewer.ts.pmts) == 2, viewer.ts.pmts


@case
def the_publisher_returns(t):
    """The stream goes on: one time base, nothing missing from either session."""
    stream, clip = "live/return", clips.tiny(3, 4)
    viewers = viewers_of(t, stream)
    t.push(clip, stream).finish()
    t.push(clip, stream).finish()
    for name, v in viewers.items():
        v.wait_over()
        assert not v.ts.faults, f"{name}: {v.ts.faults[:5]}"
        pictures = [p for p in v.pes if p.kind == flv.VIDEO]
        assert len(pictures) == 2 * 40, len(pictures)
        times = [p.dts for p in pictures]
        assert times == sorted(times), f"{name}: time goes back"


@case
def ffmpeg_plays_and_is_quiet(t):
    """Its hashes are those of the file behind the filter that the container asks
    for."""
    clip, stream = clips.reference(), "live/quiet"
    t.push(clip, stream)
    t.cluster.wait_live(stream)
    whole = framehash.play(t, t.cluster.ts_url(stream), *PLAIN)
    quiet = t.ffmpeg("-i", t.cluster.ts_url(stream), "-t", 6, "-f", "null", "-").finish()
    assert not quiet.text().strip(), quiet.text()
    # At the end it says that nobody told it how long a live stream would be.
    got = framehash.read(whole.finish().file)
    want = framehash.read(framehash.play(t, clip, *FROM_FLV).finish().file)
    for type_, list_ in got.items():
        digests = [d for _, _, d in want[type_]]
        begin = digests.index(list_[0][2])
        assert [d for _, _, d in list_] == digests[begin:], flv.KINDS[type_]


@case
def by_websocket_flv_arrives_exactly(t):
    """Each tag is a frame; the file's head is one, too."""
    clip, stream = clips.reference(), "live/wsflv"
    reference = flv.read(clip)
    early, watch = t.view_ws_flv(stream), t.view(stream)
    push = t.push(clip, stream)
    watch.wait_after(2300)
    late = t.view_ws_flv(stream)
    push.finish()
    for v in (early, late):
        v.wait_over()
        assert not v.error, v.error
        flv.assert_same(reference, v.tags, "WS-FLV")
        assert v.flags == 5, v.flags
        assert v.close_code == 1000, v.opcodes
        assert len(v.media) <= v.media_frames <= len(v.tags) + 1


@case
def a_websocket_answers_pings_and_goodbyes(t):
    """Between frames of media; what else it is told does not matter."""
    clip, stream = clips.reference(), "live/words"
    viewer = t.view_ws_ts(stream)
    push = t.push(clip, stream)
    viewer.wait_pes(10)
    viewer.say(websocket.TEXT, b"hello")
    viewer.say(websocket.PING, b"are you there")
    wait_for(lambda: viewer.opcodes, "a pong")
    assert viewer.opcodes == [(websocket.PONG, b"are you there")], viewer.opcodes
    viewer.say(websocket.CLOSE, b"\x03\xe8")
    viewer.wait_over()
    assert viewer.close_code == 1000, viewer.opcodes
    assert not viewer.ts.faults, viewer.ts.faults
    wait_for(lambda: t.cluster.total("edge", "weir_edge_ended_total",
                                     reason="peer_end") >= 1, "the end to be counted")
    push.stop()


@case
def sessions_are_listed_by_their_way(t):
    """As lal names them; metrics tell WebSocket apart."""
    stream = "live/listed"
    viewers = [t.view(stream), t.view_ts(stream), t.view_ws_flv(stream),
               t.view_ws_ts(stream)]
    push = t.push(clips.reference(), stream)
    for v in viewers:
        wait_for(lambda v=v: v.received_bytes > 5000, "media")
    group = t.cluster.group(stream)
    listed = sorted((s["protocol"], s["session_id"].rstrip("0123456789"))
                    for s in group["subs"])
    assert listed == [("FLV", "FLVPUBSUB")] * 2 + [("TS", "TSPUBSUB")] * 2, listed
    ports = {s["remote_addr"].rpartition(":")[2] for s in group["subs"]}
    assert ports == {str(v.sock.getsockname()[1]) for v in viewers}, ports
    for way in ("FLV", "TS", "WS-FLV", "WS-TS"):
        assert t.cluster.total("edge", "weir_edge_started_total", protocol=way) >= 1
    push.stop()


if __name__ == "__main__":
    main(CLUSTER, at_once=6)
