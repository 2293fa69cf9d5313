"""websocket - a client that can misbehave. Spec: RFC 6455."""

import base64
import hashlib
import os
import struct

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def request(path, host, *fields, key=None, version=13, upgrade="websocket",
            connection="Upgrade"):
    """The head that asks for it."""
    key = key or base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", f"Upgrade: {upgrade}",
             f"Connection: {connection}", f"Sec-WebSocket-Key: {key}",
             f"Sec-WebSocket-Version: {version}", *fields]
    return "\r\n".join(lines + ["", ""]).encode(), accept(key)


def accept(key):
    """What the server must answer to a key."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def frame(opcode, payload=b"", fin=True, is_masked=True, length=None, reserved=0):
    """One frame of a client; `length` is told in place of the true one."""
    n = len(payload) if length is None else length
    mask = os.urandom(4) if is_masked else b""
    out = bytes([fin << 7 | reserved << 4 | opcode])
    bit = 0x80 if is_masked else 0
    if n < 126:
        out += bytes([bit | n])
    elif n < 65536:
        out += bytes([bit | 126]) + struct.pack(">H", n)
    else:
        out += bytes([bit | 127]) + struct.pack(">Q", n)
    if is_masked:
        payload = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
    return out + mask + payload


def close(code=1000, reason=""):
    return frame(CLOSE, struct.pack(">H", code) + reason.encode())


class Parser:
    """A server's bytes in, cut anywhere; `feed` gives what whole frames brought:
    (opcode, payload). A server masks nothing and, here, sends whole messages."""

    def __init__(self):
        self._rest = bytearray()

    def feed(self, data):
        rest = self._rest
        rest += data
        found, used = [], 0
        while len(rest) - used >= 2:
            first, size, head = rest[used], rest[used + 1], 2
            assert first & 0xf0 == 0x80, f"no whole frame: {first:#x}"
            assert size < 128, "a masked frame"
            more = {126: 2, 127: 8}.get(size, 0)
            if len(rest) - used < 2 + more:
                break
            if more:
                size = int.from_bytes(rest[used + 2:used + 2 + more], "big")
                head += more
            if len(rest) - used < head + size:
                break
            found.append((first & 15, bytes(rest[used + head:used + head + size])))
            used += head + size
        del rest[:used]
        return found
