"""ts - MPEG transport streams: read strictly, compared with what was published.

Times are ticks of 90 kHz, 33 bits. Whatever breaks a rule of ISO/IEC 13818-1
that a player may stumble over is noted in `faults`; reading goes on.
"""

import hashlib

from lib import flv

PACKET = 188
WRAP = 1 << 33
PID_NULL = 0x1fff
H264, H265, AAC, MP3, MP3_LOW, PRIVATE = 0x1b, 0x24, 0x0f, 0x03, 0x04, 0x06
VIDEO_TYPES = (H264, H265)
AUDIO_TYPES = (AAC, MP3, MP3_LOW, PRIVATE)
PCR_GAP = 300 * 9000  # 100 ms in ticks of 27 MHz: the standard's limit


def crc32(data):
    """CRC-32/MPEG-2; 0 over a section that ends in its own."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04c11db7 if crc & 0x80000000 else 0)) & 0xffffffff
    return crc


def ticks_between(a, b):
    """b - a, over a wrap too."""
    return (b - a + WRAP // 2) % WRAP - WRAP // 2


class Pes:
    """One PES packet; `offset` is that of its first transport packet, `at` when
    that came (monotonic)."""

    __slots__ = ("pid", "type", "pts", "dts", "payload", "offset", "at",
                 "is_random_access", "is_discontinuity", "pcr", "_units")

    def __init__(self, pid, type_, offset, at):
        self.pid, self.type, self.offset, self.at = pid, type_, offset, at
        self.pts = self.dts = self.pcr = None
        self.payload = b""
        self.is_random_access = self.is_discontinuity = False
        self._units = None

    @property
    def kind(self):
        return flv.VIDEO if self.type in VIDEO_TYPES else flv.AUDIO

    @property
    def units(self):
        """The access units in it, as their bytes stand in FLV."""
        if self._units is None:
            self._units = (([picture(nals(self.payload), self.type)])
                           if self.kind == flv.VIDEO
                           else sounds(self.payload, self.type))
        return self._units

    def __repr__(self):
        return f"{flv.KINDS[self.kind]} PES at {self.dts} ({len(self.payload)} bytes)"


# ---- what is in a PES


def nals(payload):
    """The NAL units between start codes."""
    found, at = [], payload.find(b"\0\0\1")
    while at >= 0:
        end = payload.find(b"\0\0\1", at + 3)
        found.append(payload[at + 3:end if end >= 0 else None].rstrip(b"\0"))
        at = end
    return found


def is_added(nal, type_):
    """A delimiter or a parameter set: containers put and take these."""
    if type_ == H264:
        return nal[0] & 31 in (7, 8, 9)
    return nal[0] >> 1 & 63 in (32, 33, 34, 35)


def picture(units, type_):
    kept = [n for n in units if n and not is_added(n, type_)]
    return b"".join(len(n).to_bytes(4, "big") + n for n in kept)


def sounds(payload, type_):
    if type_ in (MP3, MP3_LOW):
        return [payload]
    found, at = [], 0
    while at < len(payload):
        if type_ == AAC:
            assert payload[at] == 0xff and payload[at + 1] & 0xf6 == 0xf0, "no ADTS"
            size = int.from_bytes(payload[at + 3:at + 6], "big") >> 5 & 0x1fff
            head = 7 if payload[at + 1] & 1 else 9
        else:  # Opus: a control header, its size in runs of 255
            assert payload[at] == 0x7f and payload[at + 1] & 0xe0 == 0xe0, "no Opus"
            head, size, last = 2, 0, 255
            while last == 255:
                last = payload[at + head]
                size, head = size + last, head + 1
            size += head
        assert at + size <= len(payload), "an AU is longer than its PES"
        found.append(payload[at + head:at + size])
        at += size
    return found


# ---- reading


class Parser:
    """Bytes in, cut anywhere. `pes` fills up: each when the next of its PID
    begins, the last ones at end()."""

    def __init__(self):
        self.pes, self.faults, self.pmts = [], [], []
        self.offset = 0  # of what comes next
        self.tables = []  # offsets of PATs
        self.discontinuities = []  # offsets of packets with that indicator
        self.types = {}  # pid: stream type
        self._rest = bytearray()
        self._pmt_pid = self._pcr_pid = self._pcr = None
        self._counters, self._open, self._broken = {}, {}, set()

    def fault(self, text):
        if len(self.faults) < 100:
            self.faults.append(f"at {self.offset}: {text}")

    def feed(self, data, at=0.0):
        rest = self._rest
        rest += data
        used = 0
        while len(rest) - used >= PACKET:
            self._packet(bytes(rest[used:used + PACKET]), at)
            used += PACKET
            self.offset += PACKET
        del rest[:used]

    def end(self):
        if self._rest:
            self.fault(f"{len(self._rest)} bytes of a packet at the end")
        for pid in list(self._open):
            self._close(pid)
        return self

    # ---- packets

    def _packet(self, p, at):
        if p[0] != 0x47:
            raise ValueError(f"no sync byte at {self.offset}: {p[:8].hex()}")
        pid = (p[1] & 31) << 8 | p[2]
        if p[1] & 0x80 or p[3] & 0xc0:
            self.fault(f"error bit or scrambling in {pid:#x}")
        begins, has_payload = bool(p[1] & 0x40), bool(p[3] & 0x10)
        body, flags = 4, 0
        if p[3] & 0x20:
            body = 5 + p[4]
            if body > PACKET or (has_payload and body == PACKET):
                self.fault("an adaptation field that is too long")
                return
            flags = p[5] if p[4] else 0
        if pid == PID_NULL:
            return
        self._count(pid, p[3] & 15, has_payload, flags & 0x80)
        if flags & 0x10:
            self._take_pcr(pid, p, flags)
        if has_payload:
            self._payload(pid, p[body:], begins, flags, at)

    def _count(self, pid, counter, has_payload, is_discontinuity):
        before = self._counters.get(pid)
        self._counters[pid] = counter
        if is_discontinuity:
            self.discontinuities.append(self.offset)
            self._broken.add(pid)
            if not has_payload and pid in self._open:
                self._close(pid)
            return
        if before is None:
            return
        if counter != (before + has_payload) % 16:
            self.fault(f"counter of {pid:#x} is {counter} behind {before}")

    def _take_pcr(self, pid, p, flags):
        base = int.from_bytes(p[6:11], "big") >> 7
        pcr = base * 300 + ((p[10] & 1) << 8 | p[11])
        if pid != self._pcr_pid and self._pcr_pid is not None:
            self.fault(f"a PCR in {pid:#x}")
        if self._pcr is not None and not flags & 0x80 and not self._broken & {pid}:
            step = (pcr - self._pcr) % (WRAP * 300)
            if step > PCR_GAP:
                self.fault(f"{step / 27000:.1f} ms between PCRs")
        self._pcr = pcr

    def _payload(self, pid, data, begins, flags, at):
        if pid == 0:
            if begins:
                self._pat(data)
        elif pid == self._pmt_pid:
            if begins:
                self._pmt(data)
        elif pid not in self.types:
            self.fault(f"a packet of {pid:#x}, which no table names")
        elif begins:
            self._begin(pid, data, flags, at)
        elif pid in self._open:
            self._open[pid].append(data)
        elif pid not in self._broken:
            self.fault(f"{pid:#x} begins in the middle")

    # ---- tables

    def _section(self, data, id_):
        data = data[1 + data[0]:]
        size = 3 + (int.from_bytes(data[1:3], "big") & 0xfff)
        if data[0] != id_ or size > len(data) or crc32(data[:size]):
            self.fault(f"a broken table {id_}")
            return None
        return data[:size - 4]

    def _pat(self, data):
        section = self._section(data, 0)
        if section is None:
            return
        self.tables.append(self.offset)
        self._pmt_pid = int.from_bytes(section[10:12], "big") & 0x1fff

    def _pmt(self, data):
        section = self._section(data, 2)
        if section is None:
            return
        self._pcr_pid = int.from_bytes(section[8:10], "big") & 0x1fff
        at = 12 + (int.from_bytes(section[10:12], "big") & 0xfff)
        types = {}
        while at < len(section):
            pid = int.from_bytes(section[at + 1:at + 3], "big") & 0x1fff
            types[pid] = section[at]
            at += 5 + (int.from_bytes(section[at + 3:at + 5], "big") & 0xfff)
        if types != self.types:
            self.pmts.append(types)
        self.types = types

    # ---- PES

    def _begin(self, pid, data, flags, at):
        self._close(pid)
        pes = Pes(pid, self.types[pid], self.offset, at)
        pes.is_random_access = bool(flags & 0x40)
        pes.is_discontinuity = bool(flags & 0x80) or pid in self._broken
        pes.pcr = self._pcr
        self._broken.discard(pid)
        self._open[pid] = [pes, data]

    def _close(self, pid):
        if pid not in self._open:
            return
        pes, *parts = self._open.pop(pid)
        data = b"".join(parts)
        if data[:3] != b"\0\0\1" or len(data) < 9:
            self.fault(f"no PES in {pid:#x}")
            return
        length = int.from_bytes(data[4:6], "big")
        if length and length != len(data) - 6:
            self.fault(f"a PES of {len(data) - 6} bytes that tells of {length}")
        if not length and pes.kind != flv.VIDEO:
            self.fault("sound in a PES without a length")
        pes.pts = self._stamp(data[9:14]) if data[7] & 0x80 else None
        pes.dts = self._stamp(data[14:19]) if data[7] & 0x40 else pes.pts
        pes.payload = data[9 + data[8]:]
        if pes.dts is None:
            self.fault("a PES without a time")
            return
        if pes.pcr is not None and ticks_between(pes.pcr // 300, pes.dts) < 0:
            self.fault(f"{pes} comes too late")
        self.pes.append(pes)

    @staticmethod
    def _stamp(b):
        return ((b[0] >> 1 & 7) << 30 | (b[1] << 7 | b[2] >> 1) << 15
                | (b[3] << 7 | b[4] >> 1))


def read(path):
    parser = Parser()
    with open(path, "rb") as f:
        parser.feed(f.read())
    return parser.end()


# ---- comparing


class Expected:
    """What was published, as it can be found in a transport stream: by kind, in
    order, (ms, composition_ms, digest)."""

    def __init__(self, tags):
        self.units = {flv.VIDEO: [], flv.AUDIO: []}
        for t in flv.as_streamed(tags):
            data = t.payload
            if t.type == flv.VIDEO:
                type_ = H264 if t.codec == flv.H264 else H265
                data = picture(lengths(data), type_)
            self.units[t.type].append((t.ms, t.composition_ms, digest(data)))

    def find(self, kind, data, near=0):
        want = digest(data)
        units = self.units[kind]
        return next((i for i in range(near, len(units)) if units[i][2] == want), None)


def digest(data):
    return hashlib.md5(data).hexdigest()


def lengths(data):
    """NAL units behind 4-byte lengths."""
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        found.append(data[at + 4:at + 4 + size])
        at += 4 + size
    return found


def constant_of(pes, unit):
    """How far its times are from the published ones; both must be the same."""
    ms, composition_ms, _ = unit
    by = ticks_between(ms * 90 % WRAP, pes.dts)
    pts = ticks_between((ms + composition_ms) * 90 % WRAP, pes.pts)
    assert pts == by, f"{pes}: DTS is {by} ticks off, PTS {pts}"
    return by % WRAP


def follow(want, pes, kind, what):
    """Its access units in order: (PES, place in it, place in what was published,
    how many are missing before it). Silence that was put over a seam is passed over."""
    at = None
    for p in (x for x in pes if x.kind == kind):
        for i, data in enumerate(p.units):
            found = want.find(kind, data, at or 0)
            if found is None and kind == flv.AUDIO and data in flv.SILENCE:
                continue
            assert found is not None, f"{what}: {p} was not published, or before"
            yield p, i, found, 0 if at is None else found - at
            at = found + 1


def missing(reference, pes, what="what came"):
    """How many access units are missing where it skipped: a list, by skips, of both
    kinds together; a skip of one kind alone stands alone."""
    want, found = Expected(reference), {}
    for kind in {p.kind for p in pes}:
        skips = [n for _, _, _, n in follow(want, pes, kind, what) if n]
        for i, count in enumerate(skips):
            found[i] = found.get(i, 0) + count
    return list(found.values())


def assert_same(reference, pes, what="what came", to_end=True, skips=0):
    """Every access unit of every track, in order; video in each PES and audio in
    the first AU of each PES at the published time plus one constant for all, to
    the tick. Each track may skip ahead `skips` times. Returns the constant."""
    want, constants = Expected(reference), set()
    assert pes, f"{what}: no media at all"
    for kind in {p.kind for p in pes}:
        skipped = end = 0
        for p, i, at, gap in follow(want, pes, kind, what):
            skipped, end = skipped + (gap > 0), at + 1
            if i == 0:
                constants.add(constant_of(p, want.units[kind][at]))
        left = len(want.units[kind]) - end
        assert not (to_end and left), f"{what}: the last {left} are missing"
        assert skipped <= skips, f"{what}: it skips {skipped} times"
    assert len(constants) == 1, f"{what}: times differ: {sorted(constants)[:5]}"
    return constants.pop()
