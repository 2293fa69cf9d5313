#!/usr/bin/env python3
"""bench - weir beside the kernel's limit and nginx-rtmp, on this machine.

usage: tests/bench/bench.py [--build DIR] [--rounds N] [--window S] [PART ...]

Parts: fan tls curve jump streams light join memory hls; none: all of them.
Servers run on processor 0, load on processor 1. What is compared runs in turns
within each round; a figure is the median of the rounds (least - most). Only
ratios within one run mean anything. Results: tests/bench/results/.
"""

import argparse
import datetime
import json
import math
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SERVER, LOAD = ["taskset", "-c", "0"], ["taskset", "-c", "1"]
# A list of authorities that the environment names is read whole: 2 MB.
os.environ.pop("SSL_CERT_FILE", None)
GOP_MS = 2000  # of the clips
NGINX_MODULE = os.environ.get(
    "NGINX_RTMP_MODULE", "/usr/lib/nginx/modules/ngx_rtmp_module.so")
ROLES = ("ingest", "origin", "edge", "packager", "dispatch")


# ---- clips

CLIPS = {
    # name: (picture, its kb/s, sound's kb/s)
    "hi": ("1280x720", 2370, 128),
    "lo": ("640x360", 432, 64),
    "sound": (None, 0, 40),
    "hls": ("1280x720", 1780, 128),  # 2 s are 500 kB
}


def make_clip(folder, name):
    path = os.path.join(folder, name + ".flv")
    size, video, audio = CLIPS[name]
    if os.path.exists(path):
        return path
    part = f"{path}.{os.getpid()}"
    words = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y"]
    if size:
        words += ["-f", "lavfi", "-i",
                  f"testsrc2=s={size}:r=30,noise=alls=12:allf=t"]
    words += ["-f", "lavfi", "-i", "anoisesrc=c=pink:r=48000:a=0.3", "-t", "60"]
    if size:
        words += ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p",
                  "-b:v", f"{video}k", "-maxrate", f"{video}k",
                  "-bufsize", f"{video}k", "-bf", "2", "-g", "60",
                  "-keyint_min", "60", "-sc_threshold", "0"]
    words += ["-c:a", "aac", "-ac", "2", "-b:a", f"{audio}k",
              "-flvflags", "no_duration_filesize", "-f", "flv", part]
    subprocess.run(words, check=True)
    os.rename(part, path)
    return path


def make_identity(folder):
    """A certificate of our own and its key."""
    files = [os.path.join(folder, name) for name in ("cert.pem", "key.pem")]
    if not all(map(os.path.exists, files)):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
                        "-subj", "/CN=localhost", "-out", files[0],
                        "-keyout", files[1]], check=True, capture_output=True)
    return files


# ---- servers

class Weir:
    """A cluster of one process of each role."""

    name = "weir"

    def __init__(self, build, settings=(), roles=ROLES):
        self.dir = tempfile.mkdtemp(prefix="weir-bench-")
        words = SERVER + [os.path.join(build, "bin", "weir"), "up", "--json",
                          "--no-restart", "--dir", self.dir, "--base-port", "0"]
        for role in ROLES:
            words += ["--" + role, "1" if role in roles else "0"]
        # It is measured how much a process can do, also when it is all too busy.
        for s in ("limits.busy_percent=0", *settings):
            words += ["--set", s]
        with open(os.path.join(self.dir, "up.log"), "w", encoding="utf-8") as log:
            self.up = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log,
                                       text=True)
        self.nodes = json.loads(self.up.stdout.readline())["nodes"]
        edge = self.node("edge")["addresses"]
        self.ports = {"rtmp": edge["rtmp"], "flv": edge["http"],
                      "ts": edge["http"], "ws": edge["http"]}
        if "rtmps" in edge:
            self.ports.update({"rtmps": edge["rtmps"], "flvs": edge["https"],
                               "tss": edge["https"], "wss": edge["https"]})
        self.rtmp, self.http = edge["rtmp"], edge["http"]

    def node(self, role):
        return next(n for n in self.nodes if n["role"] == role)

    def pids(self):
        return [(n["role"], n["pid"]) for n in self.nodes]

    def metrics(self, role):
        url = "http://" + self.node(role)["addresses"]["admin"] + "/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()

    def stop(self):
        self.up.send_signal(signal.SIGTERM)
        try:
            self.up.wait(20)
        except subprocess.TimeoutExpired:
            self.up.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


class Nginx:
    """nginx with its RTMP module: one process, relays as it is shipped."""

    name = "nginx"

    def __init__(self, build):
        self.dir = tempfile.mkdtemp(prefix="weir-bench-nginx-")
        port = free_port()
        conf = os.path.join(self.dir, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(f"""
load_module {NGINX_MODULE};
daemon off; master_process off; worker_rlimit_nofile 65536;
pid {self.dir}/pid; error_log {self.dir}/error.log;
events {{ worker_connections 20000; }}
rtmp {{ server {{ listen 127.0.0.1:{port}; chunk_size 4096; access_log off;
  application live {{ live on; }} }} }}
""")
        self.up = subprocess.Popen(
            SERVER + ["nginx", "-c", conf, "-p", self.dir],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.rtmp = f"127.0.0.1:{port}"
        self.ports = {"rtmp": self.rtmp}
        time.sleep(0.5)

    @staticmethod
    def missing():
        """Why there is no such peer; None: there is."""
        if not shutil.which("nginx"):
            return "nginx is not installed"
        if not os.path.exists(NGINX_MODULE):
            return "libnginx-mod-rtmp is not installed (NGINX_RTMP_MODULE names it)"
        return None

    def pids(self):
        return [("nginx", self.up.pid)]

    def stop(self):
        self.up.terminate()
        self.up.wait(10)
        shutil.rmtree(self.dir, ignore_errors=True)


class NginxFiles:
    """nginx with files in memory: one process, nothing else to do."""

    USUAL = "sendfile on; tcp_nopush on;"
    # What was fastest of all that was tried.
    TUNED = ("open_file_cache max=100; sendfile on; "
             "location ~ m3u8$ { sendfile off; }")

    def __init__(self, files, settings=USUAL):
        self.dir = tempfile.mkdtemp(prefix="weir-bench-nginx-", dir="/dev/shm")
        port = free_port()
        for path, body in files.items():
            os.makedirs(self.dir + os.path.dirname(path), exist_ok=True)
            with open(self.dir + path, "wb") as f:
                f.write(body)
        conf = os.path.join(self.dir, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(f"""
daemon off; master_process off; worker_rlimit_nofile 65536;
user root; pid {self.dir}/pid; error_log {self.dir}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off;
  types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
  keepalive_requests 1000000000;
  server {{ listen 127.0.0.1:{port}; root {self.dir}; {settings} }} }}
""")
        self.up = subprocess.Popen(
            SERVER + ["nginx", "-c", conf, "-p", self.dir],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.http = f"127.0.0.1:{port}"
        self.pid = self.up.pid
        wait_for_port(port)

    def stop(self):
        self.up.terminate()
        self.up.wait(10)
        shutil.rmtree(self.dir, ignore_errors=True)


def wait_for_port(port):
    import socket
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("nginx does not listen")


def http_get(address, path):
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
        return answer.read()


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- load

def number(text, name):
    m = re.search(r"^%s (\S+)$" % re.escape(name), text, re.M)
    return float(m.group(1)) if m else 0.0


class Watch(threading.Thread):
    """What an edge says of itself, now and then: it costs the edge something."""

    def __init__(self, weir, each_s):
        super().__init__(daemon=True)
        self.weir, self.samples, self.is_over = weir, [], False
        self.each_s = each_s

    def run(self):
        while not self.is_over:
            try:
                text = self.weir.metrics("edge")
            except OSError:
                continue
            self.samples.append((
                time.monotonic(), number(text, "weir_edge_sends_total"),
                number(text, "weir_edge_sent_bytes_total"),
                number(text, "weir_edge_send_delay_seconds"),
                number(text, "weir_edge_connections")))
            time.sleep(self.each_s)

    def window(self, begin, end):
        inside = [s for s in self.samples if begin <= s[0] <= end]
        if len(inside) < 2:
            return {}
        first, last = inside[0], inside[-1]
        sends, sent = last[1] - first[1], last[2] - first[2]
        delays = [s[3] * 1000 for s in inside]
        return {"bytes_per_send": sent / sends if sends else 0,
                "delay_ms": statistics.median(delays),
                "delay_least_ms": min(delays), "delay_most_ms": max(delays)}


class Bench:
    def __init__(self, args):
        self.args = args
        self.build = os.path.abspath(args.build)
        self.clips = os.path.join(self.build, "bench-clips")
        os.makedirs(self.clips, exist_ok=True)
        self.rows = []
        self.no_nginx = Nginx.missing()

    def load(self, server, form, viewers, clip="hi", streams=1, window=None,
             rate=400, probes=4, rest=2.0, watch_s=0.5, over_ms=0):
        """Lines of the load tool, one a step; with what the edge said."""
        window = window or self.args.window
        port = server.ports[form]
        words = LOAD + [os.path.join(self.build, "bench", "load"),
                        "-f", make_clip(self.clips, clip),
                        "-P", "rtmp:" + server.rtmp, "-V", f"{form}:{port}",
                        "-m", str(streams), "-n", ",".join(map(str, viewers)),
                        "-w", str(window), "-r", str(rate), "-k", str(probes),
                        "-s", str(rest), "-o", str(over_ms), "-p",
                        ",".join(f"{n}={pid}" for n, pid in server.pids())]
        watch = Watch(server, watch_s) if isinstance(server, Weir) else None
        if watch:
            watch.start()
        tool = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        lines = []
        for text in tool.stdout:
            end = time.monotonic()
            line = json.loads(text)
            if watch:
                line.update(watch.window(end - line["window_s"], end))
            lines.append(line)
        if tool.wait():
            raise RuntimeError("the load tool gave up")
        if watch:
            watch.is_over = True
            watch.join()
            self.last_watch = watch
        return lines

    def limit(self, sockets, each_ms, clip="hi", window=None, has_tls=False,
              delays_acks=False):
        words = [os.path.join(self.build, "bench", "limit"),
                 "-f", make_clip(self.clips, clip), "-n", str(sockets),
                 "-e", str(each_ms), "-w", str(window or self.args.window)]
        if delays_acks:
            words += ["-d"]
        if has_tls:
            words += ["-t", ",".join(make_identity(self.clips))]
        return json.loads(subprocess.run(words, check=True, text=True,
                                         capture_output=True).stdout)

    def with_server(self, make, *args, **kw):
        server = make()
        try:
            return self.load(server, *args, **kw)
        finally:
            server.stop()

    def weir(self, *settings, roles=("ingest", "origin", "edge", "dispatch")):
        return lambda: Weir(self.build, settings, roles)

    def note(self, part, what, **values):
        self.rows.append({"part": part, "what": what, **values})
        print(part, what, " ".join(f"{k}={v:.4g}" if isinstance(v, float)
                                   else f"{k}={v}" for k, v in values.items()),
              file=sys.stderr, flush=True)

    # ---- parts

    def fan(self, viewers):
        """Cost of a gigabyte, against the limit at equal bytes a send."""
        for form in ("rtmp", "flv", "ws", "ts"):
            self.beside_limit(f"fan {viewers}", form, viewers)
        real = self.limit(viewers, 0)
        self.note(f"fan {viewers}", "limit, each tag",
                  cost=real["cpu_s"] / real["gb"])
        if not self.no_nginx:
            line = self.with_server(lambda: Nginx(self.build), "rtmp", [viewers])[0]
            self.note(f"fan {viewers}", "nginx rtmp",
                      cost=line["cpu_s"] / line["gb"], p50_ms=line["p50_ms"],
                      p99_ms=line["p99_ms"], worst=line["worst_1_percent"],
                      load_percent=line["load_percent"])

    def beside_limit(self, part, form, viewers, settings=(), has_tls=False):
        line = self.with_server(self.weir(*settings), form, [viewers])[0]
        cost = line["cpu_s"] / line["gb"]
        edge = line["edge_cpu_s"] / line["gb"]
        per_s = line["gb"] * 1e9 / line["viewers"] / line["window_s"]
        each = max(round(line["bytes_per_send"] / per_s * 1000), 1)
        tag_each = self.tag_bytes("hi") * 1.15
        if line["bytes_per_send"] < tag_each:
            each = 0
        floor = self.limit(viewers, each, has_tls=has_tls,
                           delays_acks=has_tls or form == "rtmp")
        floor_cost = floor["cpu_s"] / floor["gb"]
        self.note(part, form, cost=cost, edge_cost=edge,
                  limit=floor_cost, ratio=cost / floor_cost,
                  edge_ratio=edge / floor_cost,
                  bytes_per_send=line["bytes_per_send"],
                  limit_each_ms=each, delay_ms=line["delay_ms"],
                  p50_ms=line["p50_ms"], p99_ms=line["p99_ms"],
                  worst=line["worst_1_percent"],
                  load_percent=line["load_percent"])

    def tag_bytes(self, clip):
        size = os.path.getsize(make_clip(self.clips, clip))
        return size / (60 * (30 + 48000 / 1024))

    def part_fan(self):
        for viewers in (1000, 2000):
            self.fan(viewers)

    def part_tls(self):
        """The same through TLS, against a loop of SSL_write."""
        cert, key = make_identity(self.clips)
        settings = ("edge.tls.cert=" + cert, "edge.tls.key=" + key,
                    "edge.rtmps.listen=127.0.0.1:0",
                    "edge.https.listen=127.0.0.1:0")
        for form in ("rtmps", "flvs", "tss", "wss"):
            self.beside_limit("tls 1000", form, 1000, settings, has_tls=True)
        few, many = self.with_server(self.weir(*settings), "rtmps", [10, 2000],
                                     clip="sound", window=3)
        grown = many["edge_uss_kb"] - few["edge_uss_kb"]
        self.note("tls memory", "rtmps", viewers=many["alive"],
                  kb_per_viewer=grown * 1.024 / (many["alive"] - 10),
                  worst=many["worst_1_percent"])

    def part_curve(self):
        steps = [10, 50, 100, 250, 500, 1000, 1500, 2000, 3000, 4000, 6000,
                 8000, 10000, 12000]
        for line in self.with_server(self.weir(), "rtmp", steps):
            self.note("curve", str(line["viewers"]),
                      cpu_percent=line["cpu_percent"],
                      cost=line["cpu_s"] / line["gb"], p50_ms=line["p50_ms"],
                      p99_ms=line["p99_ms"],
                      bytes_per_send=line["bytes_per_send"],
                      delay_ms=line["delay_ms"], worst=line["worst_1_percent"],
                      load_percent=line["load_percent"])

    def part_jump(self):
        """From 100 viewers to many at once: when does the delay settle?"""
        for many in (1000, 3000):
            self.with_server(self.weir(), "rtmp", [100, many], rate=2 * many,
                             rest=0.1, window=12, watch_s=0.1)
            samples = self.last_watch.samples
            begin = next(t for t, _, _, _, n in samples if n > 150)
            late = [s[3] * 1000 for s in samples
                    if begin + 5 <= s[0] <= begin + 12]
            mid = statistics.median(late)
            inside = sum(0.8 * mid <= d <= 1.2 * mid for d in late) / len(late)
            self.note("jump", f"100 to {many}", delay_ms=mid, least_ms=min(late),
                      most_ms=max(late), share_within_20_percent=inside)

    STREAMS_KEPT_1_S = ("ingest.retain_ms=1000", "origin.retain_ms=1000",
                        "edge.viewer_max_lag_ms=750")  # and 250 more

    def streams_servers(self):
        """What is compared: name, server, in how many ms its publishers begin, for
        how many s it runs before: with the default retention until the origin's
        logs are full (30 s)."""
        nginx = "nginx", lambda: Nginx(self.build), GOP_MS, 4
        if not self.no_nginx:
            yield nginx
        for flush in (0, 1, 2, 3, 5):
            yield (f"flush {flush} ms", self.weir(f"bus.flush_ms={flush}"),
                   GOP_MS, 31)
        for flush in (0, 3, 5, 8):
            yield (f"flush {flush} ms, retention 1 s",
                   self.weir(f"bus.flush_ms={flush}", *self.STREAMS_KEPT_1_S),
                   GOP_MS, 4)
        yield "retention 1 s, in step", self.weir(*self.STREAMS_KEPT_1_S), 0, 4
        if not self.no_nginx:
            yield nginx

    def part_streams(self):
        """One viewer each; publishers whose key frames are as far apart as those
        of strangers. Three windows of each, beside nginx at the beginning and at
        the end of the same round."""
        for streams in (200, 500):
            lines = [(name, line)
                     for name, server, over_ms, rest in self.streams_servers()
                     for line in self.with_server(
                         server, "rtmp", [streams] * 3, clip="lo",
                         streams=streams, probes=8, over_ms=over_ms, rest=rest)]
            beside = [x["cpu_percent"] for name, x in lines if name == "nginx"]
            for name, line in lines:
                self.note_streams(streams, name, line,
                                  statistics.median(beside) if beside else None)

    def note_streams(self, streams, name, line, beside):
        roles = [r for r in ("ingest", "origin", "edge") if r + "_cpu_s" in line]
        over = {"over_nginx": line["cpu_percent"] / beside} if beside else {}
        self.note(
            f"streams {streams}", name, cpu_percent=line["cpu_percent"], **over,
            p50_ms=line["p50_ms"], p99_ms=line["p99_ms"],
            worst=line["worst_1_percent"], pss_mb=line["pss_kb"] * 1.024 / 1000,
            **{r + "_percent": line[r + "_cpu_s"] / line["window_s"] * 100
               for r in roles},
            **{r + "_uss_mb": line[r + "_uss_kb"] * 1.024 / 1000 for r in roles})

    def part_light(self):
        """Publish to play through three processes, ten viewers."""
        for form in ("rtmp", "flv", "ws", "ts"):
            server = self.weir()()
            early = {}
            # Frames that waited for the tracks to be known are no hop's age.
            timer = threading.Timer(2, lambda: early.update(ages_of(server)))
            timer.start()
            try:
                line = self.load(server, form, [10])[0]
                late = ages_of(server)
            finally:
                timer.join()
                server.stop()
            ages = {}
            for role, now in late.items():
                ages[role + "_age_ms"], ages[role + "_age_p99_ms"] = between(
                    early[role], now)
            self.note("light", form, p50_ms=line["p50_ms"], p99_ms=line["p99_ms"],
                      max_ms=line["max_ms"], **ages)

    def part_join(self):
        """2,000 viewers within 2 s."""
        for form in ("rtmp", "flv"):
            line = self.with_server(self.weir(), form, [2000], clip="lo",
                                    rate=1000)[0]
            self.note("join 2000 in 2 s", form, start_p50_ms=line["start_p50_ms"],
                      start_p99_ms=line["start_p99_ms"], began=line["began"])

    def part_memory(self):
        """8,000 viewers of sound only; and a process without any."""
        for form in ("rtmp", "flv"):
            few, many = self.with_server(self.weir(), form, [10, 8000],
                                         clip="sound", rate=1500, window=3)
            grown = many["edge_uss_kb"] - few["edge_uss_kb"]
            self.note("memory", form, viewers=many["alive"],
                      kb_per_viewer=grown * 1.024 / (many["alive"] - 10),
                      worst=many["worst_1_percent"])
            self.note("memory", form + ", ten viewers",
                      edge_uss_mb=few["edge_uss_kb"] * 1.024 / 1000,
                      edge_rss_mb=few["edge_rss_kb"] * 1.024 / 1000)


    def part_hls(self):
        """Playlist and segments from an edge's cache, and as nginx's files."""
        if not shutil.which("nginx"):
            print("hls is left out: nginx is not installed", file=sys.stderr)
            return
        servers = [Weir(self.build, HLS_SETTINGS)]
        weir = servers[0]
        push = push_live(make_clip(self.clips, "hls"), weir.rtmp)
        try:
            things = hls_things(weir.http)
            servers.append(NginxFiles(things))
            servers.append(NginxFiles(things, NginxFiles.TUNED))
            turns = list(zip(("weir edge", "nginx", "nginx, tuned"), servers,
                             (weir.node("edge")["pid"], *(s.pid for s in servers[1:]))))
            list_, *segments = things
            for part, paths, connections in (
                    ("playlist, 8 connections", [list_], 8),
                    ("playlist, 64 connections", [list_], 64),
                    ("one segment, 16 connections", segments[:1], 16),
                    ("ten segments in turn, 16 connections", segments, 16)):
                self.ask_in_turns("hls " + part, turns, paths, connections)
        finally:
            push.kill()
            push.wait()
            for server in servers:
                server.stop()

    def ask_in_turns(self, part, turns, paths, connections):
        """Requests for each second of the server's processor; the edge's is first."""
        edge_per_s = None
        for name, server, pid in turns:
            line = self.ask(server.http, paths, pid, connections)
            per_s = line["requests"] / line["cpu_s"]
            edge_per_s = edge_per_s or per_s
            self.note(part, name, requests_per_cpu_s=per_s,
                      edge_times=edge_per_s / per_s,
                      body_bytes=line["bytes"] / line["requests"],
                      requests_per_s=line["requests"] / line["window_s"],
                      cpu_percent=line["cpu_s"] / line["window_s"] * 100,
                      load_percent=line["load_percent"])

    def ask(self, address, paths, pid, connections):
        words = LOAD + [os.path.join(self.build, "bench", "ask"), "-a", address,
                        "-n", str(connections), "-p", str(pid),
                        "-w", str(self.args.window)]
        for path in paths:
            words += ["-u", path]
        return json.loads(subprocess.run(words, check=True, text=True,
                                         stdout=subprocess.PIPE).stdout)


# ---- HLS

# A playlist of about 1 kB: so many segments of 2 s.
HLS_SEGMENTS = 10
HLS_SETTINGS = ("cluster.fragment_duration_ms=1500",
                f"hls.fragment_num={HLS_SEGMENTS}")


def push_live(clip, rtmp):
    return subprocess.Popen(
        LOAD + ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-re",
                "-stream_loop", "-1", "-i", clip, "-c", "copy", "-f", "flv",
                f"rtmp://{rtmp}/live/s0"])


def hls_things(address):
    """Bodies by path: the playlist, once it is long; then its segments."""
    end = time.monotonic() + 20 * HLS_SEGMENTS
    path = "/live/s0.m3u8"
    while time.monotonic() < end:
        try:
            text = http_get(address, path)
        except OSError:
            text = b""
        uris = [u for u in text.decode().splitlines() if u and u[0] != "#"]
        if len(uris) >= HLS_SEGMENTS:
            return {p: http_get(address, p) for p in [path, *uris]}
        time.sleep(0.2)
    raise RuntimeError("the playlist does not grow")


def ages_of(server):
    """Of each hop: how many ages at most so high, by bound in ms; and their sum."""
    out = {}
    for role in ("ingest", "origin", "edge"):
        name = f"weir_{role}_frame_age_seconds"
        text = server.metrics(role)
        bounds = {float(m[1]) * 1000: float(m[2]) for m in re.finditer(
            r'^%s_bucket\{le="([^"]+)"\} (\S+)$' % name, text, re.M)}
        out[role] = bounds, number(text, name + "_sum") * 1000
    return out


def between(before, after):
    """Mean, and the bound below which 99 % were, of the ages in between."""
    bounds = {b: n - before[0][b] for b, n in after[0].items()}
    count = bounds[math.inf]
    if not count:
        return -1.0, -1.0
    return ((after[1] - before[1]) / count,
            min(b for b, n in bounds.items() if n >= 0.99 * count))


# ---- what comes of it

def spread(values):
    mid = statistics.median(values)
    if len(values) == 1:
        return f"{mid:.4g}"
    return f"{mid:.4g} ({min(values):.4g}-{max(values):.4g})"


def table(rows):
    """Median (least-most) of each figure, a table for each part."""
    out, parts = [], {}
    for row in rows:
        parts.setdefault(row["part"], {}).setdefault(row["what"], []).append(row)
    for part, whats in parts.items():
        keys = []
        for many in whats.values():
            for key in many[0]:
                if key not in keys and key not in ("part", "what"):
                    keys.append(key)
        out += ["", f"| {part} | " + " | ".join(keys) + " |",
                "|---" * (len(keys) + 1) + "|"]
        for what, many in whats.items():
            cells = [spread([r[k] for r in many if k in r])
                     if any(k in r for r in many) else "" for k in keys]
            out.append(f"| {what} | " + " | ".join(cells) + " |")
    return "\n".join(out) + "\n"


def facts(commit):
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    return {"commit": commit, "date": datetime.date.today().isoformat(),
            "kernel": platform.release(),
            "processor": model.group(1) if model else platform.machine(),
            "processors": os.cpu_count(),
            "load_before": os.getloadavg()[0]}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--window", type=float, default=6)
    p.add_argument("--out", default=os.path.join(HERE, "results"))
    p.add_argument("parts", nargs="*")
    args = p.parse_args()
    b = Bench(args)
    parts = args.parts or ["fan", "tls", "curve", "jump", "streams", "light",
                           "join", "memory", "hls"]
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"],
                            text=True, capture_output=True).stdout.strip()
    told = facts(commit)
    if b.no_nginx:
        print(f"nginx-rtmp is left out: {b.no_nginx}", file=sys.stderr)
    for _ in range(args.rounds):
        for part in parts:
            getattr(b, "part_" + part)()
    told["load_after"] = os.getloadavg()[0]
    text = table(b.rows)
    print(", ".join(f"{k} {v}" for k, v in told.items()))
    print(text)
    os.makedirs(args.out, exist_ok=True)
    name = os.path.join(args.out, f"{told['date']}-{commit}-{'-'.join(parts)}")
    with open(name + ".json", "w", encoding="utf-8") as f:
        json.dump({"facts": told, "nginx": b.no_nginx or "there",
                   "rounds": args.rounds, "rows": b.rows}, f, indent=1)
    with open(name + ".md", "w", encoding="utf-8") as f:
        f.write("".join(f"{k}: {v}\n" for k, v in told.items()) + text)


if __name__ == "__main__":
    main()
