"""rtmp_server - a small RTMP server that lets one publisher after the other come
so far as a test wants."""

import os
import socket
import ssl

from lib import flv
from lib.env import SLOWER
from lib.rtmp import CHUNK_BYTES, COMMAND, SET_CHUNK_SIZE, Rtmp


class Guest(Rtmp):
    """A publisher that has connected: what it says of itself is in `connect`."""

    def __init__(self, sock):  # pylint: disable=super-init-not-called
        self.sock, self.status = sock, []
        self._in, self._begun = bytearray(), {}
        self._in_chunk, self._transaction = 128, 0
        self._acked, self._received = 0, 0
        self._shake()
        self.connect = self.wait_command("connect")[2]

    def _shake(self):
        hello = self._take(1537)
        self.send(b"\x03" + b"\0" * 8 + os.urandom(1528) + hello[1:])
        self._take(1536)
        self.message(SET_CHUNK_SIZE, CHUNK_BYTES.to_bytes(4, "big"))

    def wait_command(self, name):
        """The values of the next command of that name; others pass by."""
        while True:
            type_, _, payload = self.read()
            if type_ == COMMAND:
                values = flv.read_amf0_all(payload)
                if values[0] == name:
                    return values

    def say(self, name, transaction, *values):
        body = b"".join(flv.write_amf0(v) for v in (name, transaction) + values)
        self.message(COMMAND, body)

    def reject(self, description):
        """Refuse connect, and close."""
        self.say("_error", 1, None, {"level": "error", "description": description,
                                     "code": "NetConnection.Connect.Rejected"})
        self.sock.close()

    def let_publish(self):
        """The stream's name as it is asked for; media is on its way then."""
        self.say("_result", 1, {}, {"level": "status",
                                    "code": "NetConnection.Connect.Success"})
        create = self.wait_command("createStream")
        self.say("_result", create[1], None, 1)
        name = self.wait_command("publish")[3]
        self.say("onStatus", 0, None, {"level": "status", "description": "",
                                       "code": "NetStream.Publish.Start"})
        return name


class Server:
    """With an identity (tls.make_identity) it speaks RTMPS."""

    def __init__(self, t, port, identity=None):
        self.identity, self.guests = identity, []
        self.listener = socket.create_server(("127.0.0.1", port))
        self.listener.settimeout(20 * SLOWER)
        t.at_end(self.listener.close)

    def accept(self):
        sock, _ = self.listener.accept()
        sock.settimeout(20 * SLOWER)
        if self.identity:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.identity)
            sock = context.wrap_socket(sock, server_side=True)
        self.guests.append(Guest(sock))
        return self.guests[-1]
