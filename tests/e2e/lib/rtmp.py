"""rtmp - a small RTMP client that can also be told to misbehave.

Each step is a method of its own, so that a test can stop between two, leave one
out, or send other bytes. Calls wait, at most `timeout_s` (then socket.timeout).
Spec: Adobe RTMP 1.0.
"""

import os
import socket
import time

from lib import flv, tls

CHUNK_BYTES = 4096
SET_CHUNK_SIZE, ACK, USER_CONTROL, WINDOW = 1, 3, 4, 5
COMMAND = 20


class Refused(Exception):
    """The server answered _error or onStatus of level "error"; args: code, text."""


class Rtmp:
    def __init__(self, address, timeout_s=15.0, receive_bytes=None, has_tls=False):
        host, port = address.rsplit(":", 1)
        self.sock = socket.socket()
        if receive_bytes:  # before connecting: it decides about the window
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.sock.settimeout(timeout_s)
        self.sock.connect((host, int(port)))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if has_tls:
            self.sock = tls.wrap(self.sock)
        self.asked_at = time.monotonic()
        self.status = []  # onStatus: (level, code, description)
        self.connected = None  # what the answer to connect says of the server
        self._in, self._begun = bytearray(), {}
        self._in_chunk, self._transaction = 128, 0
        self._acked, self._received = 0, 0

    def close(self):
        self.sock.close()

    # ---- bytes

    def send(self, data):
        self.sock.sendall(data)

    def _need(self, count):
        while len(self._in) < count:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError("the server closed the connection")
            self._in += data
            self._received += len(data)
            if self._received - self._acked > 1000000:
                self._acked = self._received
                self.message(ACK, (self._acked & 0xffffffff).to_bytes(4, "big"))

    def _take(self, count):
        self._need(count)
        data = bytes(self._in[:count])
        del self._in[:count]
        return data

    def read_to_end(self):
        """Until the server closes; how many bytes came meanwhile."""
        before = self._received
        try:
            while True:
                data = self.sock.recv(65536)
                if not data:
                    break
                self._received += len(data)
        except ConnectionResetError:
            pass
        return self._received - before

    # ---- handshake and messages

    def handshake(self):
        self.send(b"\x03" + b"\0" * 8 + os.urandom(1528))
        answer = self._take(1 + 1536 + 1536)
        self.send(answer[1:1537])
        self.message(SET_CHUNK_SIZE, CHUNK_BYTES.to_bytes(4, "big"))

    def message(self, type_, payload, ms=0, stream=0):
        self.send(chunks(type_, payload, ms, stream))

    def read(self):
        """The next message: (type, ms, payload); control is dealt with."""
        while True:
            message = self._read_chunk()
            if message is None:
                continue
            type_, _, payload = message
            if type_ == SET_CHUNK_SIZE:
                self._in_chunk = int.from_bytes(payload, "big")
            elif type_ == USER_CONTROL and payload[:2] == b"\0\x06":  # ping
                self.message(USER_CONTROL, b"\0\x07" + payload[2:6])
            return message

    def _read_chunk(self):
        first = self._take(1)[0]
        form, channel = first >> 6, first & 63
        if channel < 2:
            extra = self._take(channel + 1)
            channel = 64 + int.from_bytes(extra, "little")
        head = self._begun.setdefault(channel, {"ms": 0, "data": bytearray()})
        if form < 3:
            self._read_head(head, form)
        elif head.get("extended"):
            self._take(4)
        return self._read_body(head)

    def _read_head(self, head, form):
        ms = int.from_bytes(self._take(3), "big")
        if form < 2:
            head["size"] = int.from_bytes(self._take(3), "big")
            head["type"] = self._take(1)[0]
        if form == 0:
            self._take(4)  # the stream's id
        head["extended"] = ms == 0xffffff
        if head["extended"]:
            ms = int.from_bytes(self._take(4), "big")
        head["ms"] = ms if form == 0 else head["ms"] + ms & 0xffffffff
        head["data"].clear()

    def _read_body(self, head):
        left = head["size"] - len(head["data"])
        head["data"] += self._take(min(left, self._in_chunk))
        if len(head["data"]) < head["size"]:
            return None
        payload = bytes(head["data"])
        head["data"].clear()
        return head["type"], head["ms"], payload

    # ---- commands

    def command(self, name, *values, stream=0):
        self._transaction += 1
        body = b"".join(flv.write_amf0(v) for v in (name, self._transaction) + values)
        self.message(COMMAND, body, stream=stream)

    def answer(self):
        """The values of the next _result; onStatus and others pass by."""
        while True:
            values = self._next_command()
            if values[0] == "_result":
                return values
            if values[0] == "_error":
                info = values[3] if len(values) > 3 and values[3] else {}
                raise Refused(info.get("code"), info.get("description"))

    def _next_command(self):
        while True:
            type_, _, payload = self.read()
            if type_ == COMMAND:
                values = flv.read_amf0_all(payload)
                if values[0] == "onStatus":
                    self._note(values[3])
                return values

    def _note(self, info):
        self.status.append((info.get("level"), info.get("code"),
                            info.get("description")))
        if info.get("level") == "error":
            raise Refused(info.get("code"), info.get("description"))

    def wait_status(self, code):
        while not any(s[1] == code for s in self.status):
            self._next_command()

    def connect(self, stream, **more):
        """Handshake and connect; returns the stream's name in its app. `more`:
        other properties of the connect."""
        app, _, name = stream.partition("/")
        self.handshake()
        self.command("connect", {"app": app, "flashVer": "LNX 9,0,124,2",
                                 "tcUrl": f"rtmp://127.0.0.1/{app}", **more})
        self.connected = self.answer()[2]
        self.command("createStream", None)
        self.answer()
        return name

    def publish(self, stream, **more):
        name = self.connect(stream, **more)
        self.command("publish", None, name, "live", stream=1)
        self.wait_status("NetStream.Publish.Start")

    def ask_to_play(self, stream):
        name = self.connect(stream)
        self.asked_at = time.monotonic()
        self.command("play", None, name, stream=1)

    def send_tag(self, tag):
        body = tag.body
        if tag.type == flv.SCRIPT:
            body = flv.write_amf0("@setDataFrame") + body
        self.message(tag.type, body, tag.ms, 1)

    def tags(self):
        """What a player gets, as FLV tags, until the connection ends."""
        while True:
            try:
                type_, ms, payload = self.read()
            except (EOFError, ConnectionResetError):
                return
            if type_ in flv.KINDS:
                yield flv.Tag(type_, ms, payload, time.monotonic())
            elif type_ == COMMAND:
                values = flv.read_amf0_all(payload)
                if values[0] == "onStatus":
                    self._note(values[3])


def chunks(type_, payload, ms=0, stream=0, channel=None):
    """One message, in chunks of CHUNK_BYTES (128 before that was said)."""
    channel = channel or {8: 4, 9: 6, 18: 5}.get(type_, 3 if type_ > 6 else 2)
    size = 128 if type_ == SET_CHUNK_SIZE else CHUNK_BYTES
    head = bytes([channel]) + min(ms, 0xffffff).to_bytes(3, "big")
    head += len(payload).to_bytes(3, "big") + bytes([type_])
    head += stream.to_bytes(4, "little")
    extended = ms.to_bytes(4, "big") if ms >= 0xffffff else b""
    out = head + extended + payload[:size]
    for at in range(size, len(payload), size):
        out += bytes([0xc0 | channel]) + extended + payload[at:at + size]
    return out
