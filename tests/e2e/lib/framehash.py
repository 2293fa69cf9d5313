"""framehash - what ffmpeg says that it received: a hash for each packet."""

from lib import flv

KIND = {"video": flv.VIDEO, "audio": flv.AUDIO}


def play(t, url, *filters):
    """Start ffmpeg; process.file is its list. It ends with the stream (or file).
    `filters`: options that bring what a container asks for to one form."""
    out = t.file(f"list-{t.name}-{abs(hash(url))}")
    process = t.run("ffmpeg", "-hide_banner", "-loglevel", "warning", "-nostdin",
                    "-copyts", "-i", url, "-c", "copy", *filters, "-f", "framehash",
                    "-hash", "md5", "-", output=out, name="ffmpeg-play")
    process.file = out
    return process


def read(path):
    """{type: [(dts_ms, pts_ms, md5)]}"""
    kinds, per_s, found = {}, {}, {flv.VIDEO: [], flv.AUDIO: []}
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.startswith("#media_type "):
                index, _, kind = line[12:].partition(":")
                kinds[int(index)] = KIND[kind.strip()]
            elif line.startswith("#tb "):
                index, _, base = line[4:].partition(":")
                a, _, b = base.strip().partition("/")
                per_s[int(index)] = int(b) / int(a)
            elif not line.startswith("#"):
                index, dts, pts, _, _, digest = [w.strip() for w in line.split(",")[:6]]
                scale = 1000 / per_s[int(index)]
                found[kinds[int(index)]].append(
                    (int(dts) * scale, int(pts) * scale, digest))
    return found


def of_flv(tags):
    """The same of an FLV file, as it can be seen live."""
    found = {flv.VIDEO: [], flv.AUDIO: []}
    for t in flv.as_streamed(tags):
        found[t.type].append((t.ms, t.ms + t.composition_ms, t.digest))
    return found


def assert_same(want, got):
    """From the first packet of each kind on; one constant for all."""
    constants = set()
    for type_, list_ in got.items():
        assert list_, f"no {flv.KINDS[type_]} at all"
        digests = [d for _, _, d in want[type_]]
        begin = digests.index(list_[0][2])
        rest = want[type_][begin:]
        assert [d for _, _, d in list_] == [d for _, _, d in rest], (
            f"{flv.KINDS[type_]}: {len(list_)} packets, not {len(rest)}, or others")
        for (dts, pts, _), (want_dts, want_pts, _) in zip(list_, rest):
            constants |= {dts - want_dts, pts - want_pts}
    assert len(constants) == 1, f"times differ by {sorted(constants)[:5]} ms"

