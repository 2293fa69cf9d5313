#!/usr/bin/env python3
"""One HTTP port for everything: live streams and what else there is, each kind of
connection and client, pages of other hosts, proxies before it."""

import http.client
import os
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor

from lib import clips, flv, ts, websocket
from lib.sockets import local_ports
from lib.weirtest import Cluster, Skip, case, main, wait_for

CLUSTER = Cluster(settings={"cluster.publish_grace_ms": 1000, "edge.half_open_ms": 2000})
PAGE = "http://page.example:8000"
CORS = {"access-control-allow-origin": PAGE, "vary": "Origin",
        "cross-origin-resource-policy": "cross-origin"}


class Kept:
    """A connection on which one request follows another."""

    def __init__(self, t, address):
        host, port = address.rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), 20)
        t.at_end(self.sock.close)
        self.rest = b""

    def ask(self, method, path, *fields, version="1.1"):
        lines = [f"{method} {path} HTTP/{version}", "Host: test", *fields, "", ""]
        return self.say("\r\n".join(lines).encode(), method)

    def say(self, request, method="GET"):
        """Returns (status, fields, body); of a live answer the body is empty, and
        follows in `more`."""
        self.sock.sendall(request)
        head, fields = self._head()
        status = int(head.split()[1])
        size = int(fields.get("content-length", 0))
        body = self._take(size) if method != "HEAD" else b""
        return status, fields, body

    def _head(self):
        while b"\r\n\r\n" not in self.rest:
            self.more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = {}
        for line in lines:
            name, _, value = line.partition(":")
            assert name.lower() not in fields, f"twice: {line}"
            fields[name.lower()] = value.strip()
        return first, fields

    def _take(self, size):
        while len(self.rest) < size:
            self.more()
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError(f"closed behind {self.rest[:200]!r}")
        self.rest += data

    def to_end(self):
        try:
            while True:
                self.more()
        except EOFError:
            return self.rest

    @property
    def port(self):
        return self.sock.getsockname()[1]


def assert_cors(fields, what):
    for name, value in CORS.items():
        assert fields.get(name) == value, f"{what}: {name} is {fields.get(name)}"
    assert "access-control-expose-headers" in fields, what
    assert "access-control-allow-credentials" not in fields, what


def live(t, stream, seconds=None):
    push = t.push(clips.reference(*([seconds] if seconds else [])), stream)
    t.cluster.wait_live(stream)
    return push


@case
def each_answer_may_be_read_by_a_page(t):
    """Whoever gives it: the sender of live streams, or the server of the rest."""
    live(t, "live/page")
    http_ = t.cluster.http_address()
    for method, path, status in (
            ("GET", "/live/page.flv", 200), ("HEAD", "/live/page.ts", 200),
            ("GET", "/live/page.ts", 200), ("POST", "/live/page.flv", 405),
            ("GET", "/live/../a.flv", 404), ("GET", "/nothing", 404),
            ("GET", "/-/nothing.ts", 404), ("GET", "/hls/x.flv", 404)):
        got, fields, _ = Kept(t, http_).ask(method, path, f"Origin: {PAGE}")
        assert got == status, f"{method} {path}: {got}"
        assert_cors(fields, f"{method} {path}")
        assert "date" in fields and fields["server"] == "weir", fields
        assert fields.get("cache-control") == "no-store", f"{path}: {fields}"
        if status == 405:
            assert fields["allow"] == "GET, HEAD, OPTIONS", fields


@case
def preflights_are_good_for_long(t):
    for path in ("/live/a.flv", "/live/a.ts", "/live/a.m3u8", "/nothing"):
        kept = Kept(t, t.cluster.http_address())
        status, fields, _ = kept.ask(
            "OPTIONS", path, f"Origin: {PAGE}", "Access-Control-Request-Method: GET",
            "Access-Control-Request-Headers: range")
        assert status == 204, f"{path}: {status}"
        assert_cors(fields, path)
        assert int(fields["access-control-max-age"]) >= 600, fields
        assert fields["access-control-allow-headers"] == "*", fields
        assert "GET" in fields["access-control-allow-methods"], fields


@case
def without_an_origin_nothing_is_allowed_to_anybody(t):
    _, fields, _ = Kept(t, t.cluster.http_address()).ask("GET", "/nothing")
    assert "access-control-allow-origin" not in fields, fields
    assert fields["vary"] == "Origin", fields


@case
def only_pages_that_are_named_may_read(t):
    with Cluster(packager=0, settings={"edge.http.origins": PAGE}) as cluster:
        t.cluster = cluster
        live(t, "live/named", 6)
        for path in ("/live/named.flv", "/nothing"):
            _, fields, _ = Kept(t, cluster.http_address()).ask(
                "GET", path, "Origin: http://other.example")
            assert "access-control-allow-origin" not in fields, fields
            _, fields, _ = Kept(t, cluster.http_address()).ask(
                "GET", path, f"Origin: {PAGE}")
            assert fields["access-control-allow-origin"] == PAGE, fields
        # A page's WebSocket asks nobody whether it may.
        for origin, status in (("http://other.example", 403), (PAGE, 101)):
            head, _ = websocket.request("/live/named.flv", "test", f"Origin: {origin}")
            assert Kept(t, cluster.http_address()).say(head)[0] == status
        cluster.stop()


@case
def the_head_of_a_live_stream(t):
    live(t, "live/head")
    for suffix, type_ in (("flv", "video/x-flv"), ("ts", "video/mp2t")):
        for version in ("1.0", "1.1"):
            kept = Kept(t, t.cluster.http_address())
            status, fields, _ = kept.ask("HEAD", f"/live/head.{suffix}", version=version)
            assert status == 200 and fields["content-type"] == type_, fields
            assert fields["x-accel-buffering"] == "no", fields
            assert fields["connection"] == "close", fields
            assert "transfer-encoding" not in fields, fields
            assert kept.to_end() == b"", "HEAD with a body"
            kept = Kept(t, t.cluster.http_address())
            kept.ask("GET", f"/live/head.{suffix}", version=version)
            while len(kept.rest) < 188 * 2:
                kept.more()
            assert kept.rest[:1] == (b"F" if suffix == "flv" else b"\x47")


@case
def unknown_paths_are_told_so_on_a_connection_that_stays(t):
    kept = Kept(t, t.cluster.http_address())
    for _ in range(3):
        status, fields, body = kept.ask("GET", "/what/is/here")
        assert status == 404 and fields["content-type"] == "application/json", fields
        assert b'"error_code":404' in body, body
        status, _, body = kept.ask("HEAD", "/what/is/here")
        assert status == 404 and not body


@case
def a_live_stream_on_a_connection_that_was_kept(t):
    """It has asked for something else before: the whole stream comes all the same,
    and the session is that of the true peer."""
    stream, clip = "live/kept", clips.reference()
    before = [Kept(t, t.cluster.http_address()) for _ in range(2)]
    for kept in before:
        assert kept.ask("GET", "/nothing")[0] == 404
        assert kept.ask("GET", "/nothing/else")[0] == 404
    t.push(clip, stream)
    t.cluster.wait_live(stream)
    for kept, suffix in zip(before, ("flv", "ts")):
        status, fields, _ = kept.ask("GET", f"/live/%6bept.{suffix}?token=%61",
                                     f"Origin: {PAGE}")
        assert status == 200 and fields["connection"] == "close", fields
        assert_cors(fields, suffix)
    ports = {s["remote_addr"].rpartition(":")[2] for s in t.cluster.group(stream)["subs"]}
    assert ports == {str(kept.port) for kept in before}, ports
    with ThreadPoolExecutor(2) as pool:
        bodies = [pool.submit(kept.to_end) for kept in before]
    tags, packets = flv.Parser(), ts.Parser()
    tags.feed(bodies[0].result())
    packets.feed(bodies[1].result())
    flv.assert_same(flv.read(clip), tags.tags)
    ts.assert_same(flv.read(clip), packets.end().pes)
    assert not packets.faults, packets.faults


@case
def a_websocket_on_a_connection_that_was_kept(t):
    live(t, "live/keptws")
    kept = Kept(t, t.cluster.http_address())
    assert kept.ask("GET", "/nothing")[0] == 404
    head, accept = websocket.request("/live/keptws.ts", "test")
    status, fields, _ = kept.say(head)
    assert status == 101 and fields["sec-websocket-accept"] == accept, fields
    frames = websocket.Parser()
    found = frames.feed(kept.rest)
    while len(found) < 20:
        kept.rest = b""
        kept.more()
        found += frames.feed(kept.rest)
    assert all(op == websocket.BINARY and data[0] == 0x47 for op, data in found), found


@case
def a_live_stream_that_is_not_there_yet_on_a_kept_connection(t):
    """It waits there as it would anywhere, longer than others may be idle."""
    kept = Kept(t, t.cluster.http_address())
    assert kept.ask("GET", "/nothing")[0] == 404
    kept.sock.sendall(b"GET /live/later.flv HTTP/1.1\r\nHost: test\r\n\r\n")
    wait_for(lambda: t.cluster.total("edge", "weir_edge_waiting") >= 1, "it to wait")
    live(t, "live/later", 6)
    head, _ = kept._head()  # pylint: disable=protected-access
    assert " 200 " in head, head


# ---- proxies

NGINX = """
daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 100; }}
http {{
  access_log off;
  client_body_temp_path {dir}/1; proxy_temp_path {dir}/2; fastcgi_temp_path {dir}/3;
  uwsgi_temp_path {dir}/4; scgi_temp_path {dir}/5;
  upstream edge {{ server {edge}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://edge; proxy_http_version 1.1;
                 proxy_set_header Connection ""; }}
    location /ws/ {{ proxy_pass http://edge/; proxy_http_version 1.1;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection "Upgrade"; }}
  }}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_nginx(t):
    """Returns (its address, its process)."""
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    if not os.path.exists(binary):
        raise Skip("nginx is not installed")
    port, conf = free_port(), t.file("nginx.conf")
    os.chmod(t.folder, 0o755)
    with open(conf, "w", encoding="ascii") as f:
        f.write(NGINX.format(dir=t.folder, edge=t.cluster.http_address(), port=port))
    nginx = t.run(binary, "-c", conf, "-p", t.folder, "-e", t.file("error.log"))

    def answers():
        assert not nginx.has_ended(), nginx.text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            return False
        return True
    wait_for(answers, "nginx")
    return f"127.0.0.1:{port}", nginx


def get(address, path):
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


@case
def a_proxy_that_keeps_its_connections(t):
    """What nginx has kept from another request carries a live stream."""
    stream, clip = "live/proxied", clips.reference()
    address, nginx = start_nginx(t)
    push = t.push(clip, stream)
    t.cluster.wait_live(stream)
    for suffix, parser in (("flv", flv.Parser()), ("ts", ts.Parser())):
        assert get(address, "/nothing")[0] == 404
        kept = {str(p) for p in local_ports(nginx.pid)}
        viewer = Kept(t, address)
        status, fields, _ = viewer.ask("GET", f"/{stream}.{suffix}", version="1.0")
        assert status == 200, fields
        wait_for(lambda s=suffix: subs(t, stream, s.upper()), "its session")
        port = subs(t, stream, suffix.upper())[0]
        assert port in kept, f"{port} is none of those that were kept: {kept}"
        while len(viewer.rest) < 100000:
            viewer.more()
        parser.feed(viewer.rest)
        if suffix == "flv":
            flv.assert_same(flv.read(clip), parser.tags, to_end=False)
        else:
            ts.assert_same(flv.read(clip), parser.pes, to_end=False)
            assert not parser.faults, parser.faults
        viewer.sock.close()
        wait_for(lambda s=suffix: not subs(t, stream, s.upper()), "the end of it")
    push.stop()


@case
def a_websocket_through_a_proxy(t):
    live(t, "live/tunnel")
    address, _ = start_nginx(t)
    head, accept = websocket.request("/ws/live/tunnel.flv", "test")
    kept = Kept(t, address)
    status, fields, _ = kept.say(head)
    assert status == 101 and fields["sec-websocket-accept"] == accept, fields
    frames, parser = websocket.Parser(), flv.Parser()
    while len(flv.media(parser.tags)) < 20:
        for opcode, data in frames.feed(kept.rest):
            assert opcode == websocket.BINARY
            parser.feed(data)
        kept.rest = b""
        kept.more()


def subs(t, stream, protocol):
    listed = (t.cluster.group(stream) or {}).get("subs") or []
    return [s["remote_addr"].rpartition(":")[2] for s in listed
            if s["protocol"] == protocol]


if __name__ == "__main__":
    main(CLUSTER, at_once=6)
