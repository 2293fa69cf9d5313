#!/usr/bin/env python3
"""Write the made_*.bin vectors: peers that cannot be recorded here.

Each imitates the byte forms of one family of clients: which chunk formats,
chunk streams and commands they use. Run it in this folder.
"""
import hashlib
import hmac
import struct

PLAYER_KEY = b"Genuine Adobe Flash Player 001"


def noise(n, seed=7):
    out = bytearray()
    for _ in range(n):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        out.append(seed >> 16 & 0xFF)
    return bytes(out)


def handshake(version=0, digest_base=None, c0=3):
    c1 = bytearray(struct.pack(">II", 1000, version) + noise(1528))
    if digest_base is not None:
        at = digest_base + 4 + sum(c1[digest_base:digest_base + 4]) % 728
        rest = bytes(c1[:at] + c1[at + 32:])
        c1[at:at + 32] = hmac.new(PLAYER_KEY, rest, hashlib.sha256).digest()
    return bytes([c0]) + bytes(c1) + noise(1536, 9)


def string(s):
    return b"\2" + struct.pack(">H", len(s)) + s.encode()


def number(n):
    return b"\0" + struct.pack(">d", n)


def boolean(b):
    return b"\1" + bytes([b])


NULL, UNDEFINED = b"\5", b"\6"


def properties(**kv):
    out = b""
    for k, v in kv.items():
        out += struct.pack(">H", len(k)) + k.encode() + v
    return out


def obj(**kv):
    return b"\3" + properties(**kv) + b"\0\0\t"


def basic(fmt, csid):
    if csid < 64:
        return bytes([fmt << 6 | csid])
    if csid < 320:
        return bytes([fmt << 6, csid - 64])
    return bytes([fmt << 6 | 1]) + struct.pack("<H", csid - 64)


def chunks(csid, fmt, time, kind, msid, body, size, repeat=True):
    """One message; the time is what stands in the header."""
    field = min(time, 0xFFFFFF)
    ext = struct.pack(">I", time) if time >= 0xFFFFFF else b""
    out = basic(fmt, csid)
    if fmt <= 2:
        out += struct.pack(">I", field)[1:]
    if fmt <= 1:
        out += struct.pack(">I", len(body))[1:] + bytes([kind])
    if fmt == 0:
        out += struct.pack("<I", msid)
    if fmt <= 2 or repeat:
        out += ext
    out += body[:size]
    for at in range(size, len(body), size):
        out += basic(3, csid) + (ext if repeat else b"") + body[at:at + size]
    return out


def command(name, txn, *args):
    return string(name) + number(txn) + b"".join(args)


def obs():
    """OBS Studio: librtmp with fmt 0, then 1 and 2 with deltas, one chunk
    stream for all media, its own chunk size behind connect."""
    url = "rtmp://127.0.0.1/live"
    out = handshake()
    out += chunks(3, 0, 0, 20, 0, command("connect", 1, obj(
        app=string("live"), type=string("nonprivate"),
        flashVer=string("FMLE/3.0 (compatible; FMSc/1.0)"),
        swfUrl=string(url), tcUrl=string(url))), 128)
    out += chunks(2, 0, 0, 1, 0, struct.pack(">I", 4096), 128)
    out += chunks(3, 1, 0, 20, 0, command(
        "releaseStream", 2, NULL, string("cam1")), 4096)
    out += chunks(3, 1, 0, 20, 0, command(
        "FCPublish", 3, NULL, string("cam1")), 4096)
    out += chunks(3, 1, 0, 20, 0, command("createStream", 4, NULL), 4096)
    out += chunks(4, 0, 0, 20, 1, command(
        "publish", 5, NULL, string("cam1"), string("live")), 4096)
    meta = string("@setDataFrame") + string("onMetaData") + b"\x08" + \
        struct.pack(">I", 3) + properties(
            width=number(1280), height=number(720),
            encoder=string("obs-output module")) + b"\0\0\t"
    out += chunks(4, 0, 0, 18, 1, meta, 4096)
    out += chunks(4, 0, 0, 8, 1, b"\xaf\0\x11\x90", 4096)
    out += chunks(4, 0, 0, 9, 1, b"\x17\0\0\0\0" + noise(40), 4096)
    out += chunks(4, 0, 0, 9, 1, b"\x17\1\0\0\0" + noise(5000), 4096)
    out += chunks(4, 1, 21, 8, 1, b"\xaf\1" + noise(20, 3), 4096)
    out += chunks(4, 1, 12, 9, 1, b"\x27\1\0\0\0" + noise(300, 4), 4096)
    out += chunks(4, 1, 9, 8, 1, b"\xaf\1" + noise(20, 5), 4096)
    out += chunks(4, 2, 21, 8, 1, b"\xaf\1" + noise(20, 6), 4096)
    out += chunks(4, 3, 0, 8, 1, b"\xaf\1" + noise(20, 8), 4096)
    out += chunks(3, 1, 0, 20, 0, command(
        "FCUnpublish", 6, NULL, string("cam1")), 4096)
    out += chunks(3, 1, 0, 20, 0, command(
        "deleteStream", 7, NULL, number(1)), 4096)
    return out


def flash():
    """Flash Player with object encoding 3: digest in the handshake, AMF3
    commands and data, chunk streams of two and three bytes, empty and one-byte
    media, publish without a type."""
    out = handshake(0x80000702, 8)
    out += chunks(3, 0, 0, 20, 0, command("connect", 1, obj(
        app=string("app?vhost=example.org"), flashVer=string("WIN 11,2,202,233"),
        swfUrl=UNDEFINED, tcUrl=string("rtmp://127.0.0.1/app?vhost=example.org"),
        fpad=boolean(0), capabilities=number(239), pageUrl=UNDEFINED,
        objectEncoding=number(3))), 128)
    out += chunks(2, 0, 0, 5, 0, struct.pack(">I", 10000), 128)
    out += chunks(3, 1, 0, 17, 0, b"\0" + command("createStream", 2, NULL), 128)
    out += chunks(3, 1, 0, 17, 0, b"\0" + command("createStream", 3, NULL), 128)
    out += chunks(8, 0, 0, 17, 2, b"\0" + command(
        "publish", 0, NULL, string("cam1?token=t")), 128)
    out += chunks(300, 0, 0, 15, 2, b"\0" + string("@setDataFrame") +
                  string("onMetaData") + obj(fps=number(30)), 128)
    out += chunks(300, 0, 0, 18, 2, string("|RtmpSampleAccess") +
                  boolean(1) + boolean(1), 128)
    out += chunks(64, 0, 0, 9, 2, b"", 128)
    out += chunks(64, 0, 1, 9, 2, b"\x17", 128)
    out += chunks(65599, 0, 5, 8, 2, b"\xaf\1" + noise(5000), 128)
    out += chunks(65599, 3, 0, 8, 2, b"\xaf\1" + noise(5000, 2), 128)
    out += chunks(2, 0, 0, 4, 0, struct.pack(">HI", 6, 77), 128)
    out += chunks(8, 1, 0, 17, 2, b"\0" + command("closeStream", 0, NULL), 128)
    out += chunks(64, 0, 40, 9, 2, b"\x27\1\0\0\0" + noise(9), 128)
    return out


def tag(kind, time, body):
    head = bytes([kind]) + struct.pack(">I", len(body))[1:]
    head += struct.pack(">I", time & 0xFFFFFF)[1:] + bytes([time >> 24])
    return head + b"\0\0\0" + body + struct.pack(">I", 11 + len(body))


def fmle():
    """Flash Media Live Encoder and relays behind it: the other digest, calls
    that want an answer, aggregates, a stream that is left and taken up."""
    out = handshake(0x0A000C02, 772)
    out += chunks(3, 0, 0, 20, 0, command("connect", 1, obj(
        app=string("live"), flashVer=string("FMLE/3.0 (compatible; FMSc/1.0)"),
        tcUrl=string("rtmp://127.0.0.1/live"))), 128)
    out += chunks(3, 1, 0, 20, 0, command(
        "FCPublish", 2, NULL, string("a")), 128)
    out += chunks(3, 1, 0, 20, 0, command("createStream", 3, NULL), 128)
    out += chunks(3, 1, 0, 20, 0, command("_checkbw", 4, NULL), 128)
    out += chunks(4, 0, 0, 20, 1, command(
        "publish", 5, NULL, string("a"), string("live")), 128)
    parts = tag(8, 0xFFFFF0, b"\xaf\0\x12\x10")
    parts += tag(9, 0xFFFFF0, b"\x17\0\0\0\0" + noise(30))
    parts += tag(9, 0x1000010, b"\x17\1\0\0\0" + noise(200))
    parts += tag(18, 0x1000010, string("@setDataFrame") + string("onCuePoint")
                 + NULL)
    out += chunks(4, 0, 0x12345678, 22, 1, parts, 128)
    out += chunks(4, 0, 0x12345700, 22, 1, parts[:-4], 128, repeat=False)
    out += chunks(3, 1, 0, 20, 0, command(
        "FCUnpublish", 6, NULL, string("a")), 128)
    out += chunks(3, 1, 0, 20, 0, command(
        "deleteStream", 0, NULL, number(1)), 128)
    out += chunks(3, 1, 0, 20, 0, command("createStream", 7, NULL), 128)
    out += chunks(4, 0, 0, 20, 1, command(
        "publish", 8, NULL, string("b"), string("record")), 128)
    out += chunks(4, 0, 9, 8, 1, b"\xaf\1" + noise(9), 128)
    return out


def player():
    """A player that asks for much: lengths, buffers, pauses, seeks."""
    out = handshake(c0=6)
    out += chunks(3, 0, 0, 20, 0, command("connect", 1, obj(
        app=string("live/"), tcUrl=string("rtmp://127.0.0.1/live/"))), 128)
    out += chunks(3, 1, 0, 20, 0, command("createStream", 2, NULL), 128)
    out += chunks(3, 1, 0, 20, 0, command(
        "getStreamLength", 3, NULL, string("cam1")), 128)
    out += chunks(8, 0, 0, 20, 1, command("play", 4, NULL, string("")), 128)
    out += chunks(8, 0, 0, 20, 1, command(
        "play", 5, NULL, string("cam1?x=1?y=2"), number(-2)), 128)
    out += chunks(2, 0, 0, 4, 0, struct.pack(">HII", 3, 1, 3000), 128)
    out += chunks(8, 0, 0, 20, 1, command(
        "pause", 0, NULL, boolean(1), number(0)), 128)
    out += chunks(8, 0, 0, 20, 1, command("seek", 0, NULL, number(1000)), 128)
    out += chunks(8, 0, 0, 20, 1, command(
        "receiveVideo", 0, NULL, boolean(0)), 128)
    out += chunks(2, 0, 0, 3, 0, struct.pack(">I", 5000), 128)
    out += chunks(8, 0, 0, 20, 1, command("closeStream", 0, NULL), 128)
    return out


def early():
    """Media before publish."""
    out = handshake()
    out += chunks(3, 0, 0, 20, 0, command("connect", 1, obj(
        app=string("live"))), 128)
    out += chunks(4, 0, 0, 9, 1, b"\x17", 128)
    return out


def commandless():
    """A command before connect."""
    return handshake() + chunks(3, 0, 0, 20, 0, command(
        "createStream", 1, NULL), 128)


def aggregated():
    """An aggregate whose second part promises more than there is."""
    out = handshake()
    out += chunks(3, 0, 0, 20, 0, command("connect", 1, obj(
        app=string("live"))), 128)
    out += chunks(3, 0, 0, 20, 1, command("publish", 0, NULL, string("x")), 128)
    out += chunks(4, 0, 5, 22, 1, tag(8, 0, b"\xaf\1a") + tag(8, 9, b"x" * 50)[:30],
                  128)
    return out


for name, make in (("obs_publish", obs), ("flash_publish", flash),
                   ("fmle_publish", fmle), ("player", player),
                   ("media_before_publish", early),
                   ("command_before_connect", commandless),
                   ("broken_aggregate", aggregated)):
    with open("made_" + name + ".bin", "wb") as f:
        f.write(make())
