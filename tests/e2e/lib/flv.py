"""flv - FLV files and streams: read, written, compared.

A tag keeps its body as it came; what a body means is worked out when asked.
Times are milliseconds. Spec: Adobe Flash Video File Format 10.1, annex E.
"""

import hashlib
import struct

AUDIO, VIDEO, SCRIPT = 8, 9, 18
KINDS = {AUDIO: "audio", VIDEO: "video", SCRIPT: "script"}
HAS_VIDEO, HAS_AUDIO = 1, 4

H264, H265 = 7, 12
MP3, PCMA, PCMU, AAC, OPUS = 2, 7, 8, 10, 13
# What outputs put where a publisher's sound broke off: AUs of one channel, of two.
SILENCE = (bytes.fromhex("00000007"), bytes.fromhex("21000000001c"))


class Tag:
    """One tag, or one RTMP message; `at` is when it came (monotonic)."""

    __slots__ = ("type", "ms", "body", "at", "_digest")

    def __init__(self, type_, ms, body, at=0.0):
        self.type, self.ms, self.body, self.at = type_, ms, bytes(body), at
        self._digest = None

    @property
    def kind(self):
        return KINDS.get(self.type, str(self.type))

    @property
    def codec(self):
        return self.body[0] & 15 if self.type == VIDEO else self.body[0] >> 4

    def _has_packet_type(self):
        return self.type == VIDEO or self.codec == AAC

    @property
    def is_config(self):
        return (self.type in (AUDIO, VIDEO) and self._has_packet_type()
                and self.body[1] == 0)

    @property
    def is_silence(self):
        return (self.type == AUDIO and self.codec == AAC and self.body[1:2] == b"\1"
                and self.body[2:] in SILENCE)

    @property
    def is_media(self):
        """Of a publisher, that is."""
        if self.type not in (AUDIO, VIDEO) or len(self.body) < 2 or self.is_silence:
            return False
        return not self._has_packet_type() or self.body[1] == 1

    @property
    def is_key(self):
        return self.type == VIDEO and self.is_media and self.body[0] >> 4 == 1

    @property
    def composition_ms(self):
        if self.type != VIDEO:
            return 0
        value = int.from_bytes(self.body[2:5], "big")
        return value - (1 << 24) if value & 0x800000 else value

    @property
    def payload(self):
        if self.type == VIDEO:
            return self.body[5:]
        if self.type == AUDIO:
            return self.body[2:] if self.codec == AAC else self.body[1:]
        return self.body

    @property
    def digest(self):
        if self._digest is None:
            self._digest = hashlib.md5(self.payload).hexdigest()
        return self._digest

    def moved(self, by_ms):
        return Tag(self.type, self.ms + by_ms, self.body)

    def __repr__(self):
        what = "config" if self.is_config else "key" if self.is_key else ""
        return f"{self.kind}@{self.ms}{'/' + what if what else ''}({len(self.body)})"


# ---- reading


class Parser:
    """Bytes in, cut anywhere; `flags` and `tags` fill up."""

    def __init__(self):
        self.flags = None  # of the file header
        self.tags = []
        self._rest = bytearray()

    def feed(self, data, at=0.0):
        rest = self._rest
        rest += data
        used = 0
        if self.flags is None:
            if len(rest) < 13:
                return
            if rest[:4] != b"FLV\x01" or rest[5:13] != b"\0\0\0\x09\0\0\0\0":
                raise ValueError(f"no FLV header: {bytes(rest[:13])}")
            self.flags = rest[4]
            used = 13
        while len(rest) - used >= 15:
            size = int.from_bytes(rest[used + 1:used + 4], "big")
            end = used + 11 + size
            if len(rest) < end + 4:
                break
            self._take(rest, used, end, at)
            used = end + 4
        del rest[:used]

    def _take(self, rest, begin, end, at):
        size = end - begin
        if int.from_bytes(rest[end:end + 4], "big") != size:
            raise ValueError(f"PreviousTagSize is not {size}")
        low, high = rest[begin + 4:begin + 7], rest[begin + 7]
        ms = high << 24 | int.from_bytes(low, "big")
        self.tags.append(Tag(rest[begin], ms, rest[begin + 11:end], at))

    @property
    def left_bytes(self):
        """Of a tag that is not whole yet."""
        return len(self._rest)


def read(path):
    """The tags of a file; half a tag at its end does not matter."""
    parser = Parser()
    with open(path, "rb") as f:
        parser.feed(f.read())
    return parser.tags


def read_flags(path):
    parser = Parser()
    with open(path, "rb") as f:
        parser.feed(f.read(13))
    return parser.flags


# ---- writing


def write(path, tags):
    tags = list(tags)
    flags = (HAS_VIDEO if any(t.type == VIDEO for t in tags) else 0) | (
        HAS_AUDIO if any(t.type == AUDIO for t in tags) else 0)
    with open(path, "wb") as f:
        f.write(b"FLV\x01" + bytes([flags]) + b"\0\0\0\x09\0\0\0\0")
        for t in tags:
            f.write(struct.pack(">B", t.type) + len(t.body).to_bytes(3, "big"))
            f.write((t.ms & 0xffffff).to_bytes(3, "big"))
            f.write(bytes([t.ms >> 24 & 0xff]) + b"\0\0\0")
            f.write(t.body + struct.pack(">I", 11 + len(t.body)))


def video_config(codec, record, ms=0):
    return Tag(VIDEO, ms, bytes([0x10 | codec, 0, 0, 0, 0]) + record)


def video_frame(codec, payload, dts, pts, is_key):
    head = bytes([(0x10 if is_key else 0x20) | codec, 1])
    return Tag(VIDEO, dts, head + (pts - dts & 0xffffff).to_bytes(3, "big") + payload)


def audio_frame(codec, payload, ms):
    """Codecs without a packet type; what players expect in the flags."""
    flags = {PCMA: 2, PCMU: 2, OPUS: 15}.get(codec, 14)
    return Tag(AUDIO, ms, bytes([codec << 4 | flags]) + payload)


# ---- script data


def read_amf0(data, at=0):
    """One AMF0 value. Returns (value, where the next begins)."""
    marker, at = data[at], at + 1
    if marker == 0:
        return struct.unpack_from(">d", data, at)[0], at + 8
    if marker == 1:
        return data[at] != 0, at + 1
    if marker == 2:
        size = int.from_bytes(data[at:at + 2], "big")
        return data[at + 2:at + 2 + size].decode("utf-8"), at + 2 + size
    if marker in (3, 8):
        return _read_object(data, at + 4 if marker == 8 else at)
    if marker in (5, 6):
        return None, at
    if marker == 10:
        count, at, items = int.from_bytes(data[at:at + 4], "big"), at + 4, []
        for _ in range(count):
            item, at = read_amf0(data, at)
            items.append(item)
        return items, at
    if marker == 11:
        return struct.unpack_from(">d", data, at)[0], at + 10
    raise ValueError(f"AMF0 marker {marker}")


def _read_object(data, at):
    found = {}
    while True:
        size = int.from_bytes(data[at:at + 2], "big")
        name = data[at + 2:at + 2 + size].decode("utf-8")
        at += 2 + size
        if not size and data[at] == 9:
            return found, at + 1
        found[name], at = read_amf0(data, at)


def write_amf0(value):
    if isinstance(value, bool):
        return b"\x01" + bytes([value])
    if isinstance(value, (int, float)):
        return b"\x00" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode()
        return b"\x02" + len(text).to_bytes(2, "big") + text
    if isinstance(value, dict):
        parts = [len(k.encode()).to_bytes(2, "big") + k.encode() + write_amf0(v)
                 for k, v in value.items()]
        return b"\x03" + b"".join(parts) + b"\0\0\x09"
    return b"\x05"


def read_amf0_all(data):
    values, at = [], 0
    while at < len(data):
        value, at = read_amf0(data, at)
        values.append(value)
    return values


def metadata(tag):
    """The object of an onMetaData tag; None when it is another."""
    if tag.type != SCRIPT:
        return None
    values = read_amf0_all(tag.body)
    if values and values[0] == "@setDataFrame":
        del values[0]
    if len(values) < 2 or values[0] != "onMetaData":
        return None
    return values[1]


# ---- comparing


def media(tags):
    return [t for t in tags if t.is_media]


def first_join(tags):
    """Where a viewer can begin: the first key frame; without video at once."""
    for i, t in enumerate(tags):
        if t.is_key:
            return i
    return None if any(t.type == VIDEO for t in tags) else 0


def as_streamed(reference):
    """What of a file can be seen live: its media from the first key frame on,
    but nothing that is earlier than that frame."""
    tags = media(reference)
    begin = first_join(tags)
    assert begin is not None, "the reference has no key frame"
    first = tags[begin]
    return [t for t in tags[begin:] if t.ms >= first.ms]


def is_same(a, b):
    return (a.type == b.type and a.composition_ms == b.composition_ms
            and a.digest == b.digest)


def find(reference, tag):
    for i, t in enumerate(reference):
        if is_same(t, tag):
            return i
    return None


def assert_same(reference, received, what="what came", to_end=True):
    """Every packet of every track, in order, and each DTS and PTS plus one
    constant, from the first one received on; with `to_end` up to the last.
    Returns the constant (ms)."""
    want, got = as_streamed(reference), media(received)
    assert got, f"{what}: no media at all"
    begin = find(want, got[0])
    assert begin is not None, f"{what}: begins with {got[0]}, which was not published"
    constant = got[0].ms - want[begin].ms
    for i, g in enumerate(got):
        assert begin + i < len(want), f"{what}: {g} comes after the last published"
        w = want[begin + i]
        assert is_same(w, g), (
            f"{what}: packet {i} of {len(got)} is {g}, not {w}"
            f"{explain_difference(want, begin + i, g)}")
        assert g.ms - w.ms == constant, (
            f"{what}: {g} is {g.ms - w.ms} ms from the reference, "
            f"the first packet {constant} ms")
    missing = len(want) - begin - len(got)
    assert not (to_end and missing), (
        f"{what}: the last {missing} of {len(want)} packets are missing")
    return constant


def explain_difference(want, expected_at, got):
    at = find(want, got)
    if at is None:
        return ": it was never published"
    if at > expected_at:
        return f": {at - expected_at} packets are missing"
    return f": it stands {expected_at - at} packets earlier in the reference"


def assert_time_never_goes_back(tags, what="what came"):
    last = {}
    for t in media(tags):
        assert t.ms >= last.get(t.type, 0), (
            f"{what}: {t} comes after {last[t.type]} ms")
        last[t.type] = t.ms
