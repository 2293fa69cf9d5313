"""client - viewers in memory: they note what came and when, and can be told to
stop reading. Each has a thread of its own.
"""

import select
import socket
import threading
import time
import urllib.parse

from lib import flv, tls, ts, websocket
from lib.rtmp import Refused, Rtmp
from lib.waiting import wait_for


class Viewer:
    """`tags` grows while it plays. When it is over, `error` says why, None: the
    server ended it in order."""

    def __init__(self):
        self.sock = None
        self.tags = []
        self.error = None
        self.asked_at = time.monotonic()
        self.over_at = None
        self.is_over = threading.Event()
        self._may_read = threading.Event()
        self._may_read.set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            self.play()
            self.played()
        except Exception as e:  # pylint: disable=broad-except
            if not self._closing.is_set():
                self.error = e
        self.over_at = time.monotonic()
        self.is_over.set()

    def play(self):
        raise NotImplementedError

    def played(self):
        """The server ended it in order."""

    def pause(self):
        """Stop reading; what is under way piles up."""
        self._may_read.clear()

    def resume(self):
        self._may_read.set()

    def close(self):
        self._closing.set()
        self._may_read.set()
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._thread.join(10)
        self.sock.close()

    # ---- what it has seen

    @property
    def media(self):
        return flv.media(self.tags)

    @property
    def first_key_ms(self):
        """From asking to play until the first key frame was here."""
        for t in self.tags:
            if t.is_key:
                return (t.at - self.asked_at) * 1000
        return None

    def wait_media(self, count=1, timeout_s=30):
        """Until so many packets are here."""
        wait_for(lambda: len(self.media) >= count or self.is_over.is_set(),
                 f"{count} packets at a viewer", timeout_s)
        assert len(self.media) >= count, (
            f"a viewer ended after {len(self.media)} packets: {self.error}")
        return self

    def wait_after(self, ms, timeout_s=30):
        """Until the stream's time has passed `ms` here."""
        wait_for(lambda: (self.tags and self.tags[-1].ms >= ms) or self.is_over.is_set(),
                 f"{ms} ms of the stream at a viewer", timeout_s)
        return self

    def wait_over(self, timeout_s=40):
        """Until the server ended it."""
        wait_for(self.is_over.is_set, "the end of a viewer", timeout_s)
        return self


class HttpViewer(Viewer):
    """HTTP-FLV (https: by TLS). `status` and `headers` once the head has come. Behind the head it
    reads so much at a time, and rests for pace_s then."""

    def __init__(self, url, receive_bytes=None, bytes_per_read=65536, pace_s=0):
        super().__init__()
        parts = urllib.parse.urlsplit(url)
        self.status, self.headers, self.head_at = None, {}, None
        self.body = b""  # when the answer is not 200
        self.parser = flv.Parser()
        self.tags = self.parser.tags
        self.received_bytes = 0
        self._read_bytes, self._pace_s = bytes_per_read, pace_s
        self.sock = socket.socket()
        if receive_bytes:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.sock.settimeout(20)
        self.sock.connect((parts.hostname, parts.port))
        if parts.scheme == "https":
            self.sock = tls.wrap(self.sock)
        self.asked_at = time.monotonic()
        self.sock.sendall(self.request(parts))
        self.sock.settimeout(None)
        self._thread.start()

    def request(self, url):
        target = url.path + ("?" + url.query if url.query else "")
        return (f"GET {target} HTTP/1.1\r\nHost: {url.netloc}\r\n"
                "User-Agent: weirtest\r\nAccept: */*\r\n\r\n").encode()

    def play(self):
        rest = self._read_head()
        while rest is not None:
            if self.status == 200:
                self._take(rest)
            else:
                self.body += rest
                if len(self.body) >= int(self.headers.get("content-length", 1 << 30)):
                    return
            self._closing.wait(self._pace_s)
            rest = self._read(self._read_bytes)

    def _take(self, data):
        self.parser.feed(data, time.monotonic())

    def _read(self, count=4096):
        self._may_read.wait()
        data = self.sock.recv(count)
        self.received_bytes += len(data)
        return data or None

    def _read_head(self):
        head = b""
        while b"\r\n\r\n" not in head:
            data = self._read()
            if data is None:
                raise EOFError(f"closed before the head's end: {head!r}")
            head += data
        self.head_at = time.monotonic()
        head, _, rest = head.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.status = int(lines[0].split()[1])
        return rest

    def wait_head(self, timeout_s=40):
        wait_for(lambda: self.status or self.is_over.is_set(), "an HTTP head", timeout_s)
        return self

    @property
    def flags(self):
        return self.parser.flags


class TsViewer(HttpViewer):
    """HTTP-TS: `pes` grows."""

    def __init__(self, url, **options):
        self.ts = ts.Parser()
        super().__init__(url, **options)

    def played(self):
        self.ts.end()

    def _take(self, data):
        self.ts.feed(data, time.monotonic())

    @property
    def pes(self):
        return self.ts.pes

    def wait_pes(self, count=1, timeout_s=30):
        wait_for(lambda: len(self.pes) >= count or self.is_over.is_set(),
                 f"{count} PES packets at a viewer", timeout_s)
        assert len(self.pes) >= count, (
            f"a viewer ended after {len(self.pes)} PES packets: {self.error}")
        return self


class _Socket:
    """By WebSocket. `opcodes` of what came besides media, `close_code` at its end."""

    def request(self, url):
        self.frames, self.opcodes, self.close_code = websocket.Parser(), [], None
        self.media_frames = 0
        head, self.accept = websocket.request(url.path, url.netloc)
        return head

    def play(self):
        rest = self._read_head()
        assert self.status == 101, f"{self.status}: {rest}"
        assert self.headers["sec-websocket-accept"] == self.accept
        while rest is not None:
            for opcode, payload in self.frames.feed(rest):
                self._frame(opcode, payload)
            rest = self._read(65536)

    def _frame(self, opcode, payload):
        if opcode == websocket.BINARY:
            self.media_frames += 1
            self._take(payload)
            return
        self.opcodes.append((opcode, payload))
        if opcode == websocket.CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big") if payload else None

    def say(self, opcode, payload=b"", **lies):
        self.sock.sendall(websocket.frame(opcode, payload, **lies))


class WsFlvViewer(_Socket, HttpViewer):
    pass


class WsTsViewer(_Socket, TsViewer):
    pass


class RtmpViewer(Viewer):
    """RTMP. `status` are the onStatus messages; a refusal is in `refused`."""

    def __init__(self, address, stream, receive_bytes=None, has_tls=False):
        super().__init__()
        self.refused = None  # (code, description)
        self.status = []
        self._stream = stream
        self.rtmp = Rtmp(address, receive_bytes=receive_bytes, has_tls=has_tls)
        self.sock = self.rtmp.sock
        self.status = self.rtmp.status
        self._thread.start()

    def play(self):
        try:
            self.rtmp.ask_to_play(self._stream)
            self.asked_at = self.rtmp.asked_at
            self.rtmp.sock.settimeout(None)
            for tag in self.rtmp.tags():
                self.tags.append(tag)
                self._may_read.wait()
        except Refused as e:
            self.refused = e.args



def is_closed_by_peer(sock, timeout_s):
    """Does the peer close within the time? Reads and forgets what it says."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        ready, _, _ = select.select([sock], [], [], max(0, end - time.monotonic()))
        if not ready:
            continue
        try:
            if not sock.recv(65536):
                return True
        except ConnectionError:
            return True
    return False
