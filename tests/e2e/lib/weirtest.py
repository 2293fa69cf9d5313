"""weirtest - what the end-to-end tests share: cases, a cluster, programs.

A test file has functions that are decorated with @case; the name of a case is a
sentence. Each gets a Case `t`, through which it starts what it needs; all of
that is ended after it. At the bottom stands

    main(Cluster(edge=2, settings={"cluster.publish_grace_ms": 1000}))

and the cases share that cluster as t.cluster (without an argument they start
their own). `./exact_test.py NAME` runs the cases with NAME in their names.

Nobody sleeps to let something happen: wait_for() asks for the state itself.
"""

import os
import shutil
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from lib.client import HttpViewer, RtmpViewer, TsViewer, WsFlvViewer, WsTsViewer
from lib.cluster import Cluster
from lib.env import BIN, LOGS
from lib.process import Process
from lib.waiting import wait_for

E2E = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
__all__ = ["Cluster", "Skip", "case", "main", "wait_for"]


class Skip(Exception):
    """This case cannot be run here; why."""


# ---- cases

_cases = []
_print_lock = threading.Lock()


def case(run):
    _cases.append(run)
    return run


class Case:
    """One case while it runs: what it has started, and a folder of its own."""

    def __init__(self, name, cluster):
        self.name, self.cluster = name, cluster
        self.logs = os.path.join(LOGS, name)
        os.makedirs(self.logs, exist_ok=True)
        self.folder = tempfile.mkdtemp(prefix=f"{name[:24]}-")
        self.notes = []
        self._enders = []
        self._count = 0

    def note(self, text):
        """A figure worth knowing, shown behind the case's name."""
        self.notes.append(text)

    def file(self, name):
        return os.path.join(self.folder, name)

    def at_end(self, call):
        self._enders.append(call)

    def end(self):
        for call in reversed(self._enders):
            call()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- what a case starts

    def run(self, *argv, name=None, output=None):
        """Any program; it does not outlive the case."""
        self._count += 1
        name = f"{self._count:02}-{name or os.path.basename(str(argv[0]))}"
        process = Process(argv, os.path.join(self.logs, name + ".log"), output)
        self.at_end(process.kill)
        return process

    def weir(self, *words, name=None):
        return self.run(os.path.join(BIN, "weir"), *words,
                        name=name or f"weir-{words[0]}")

    def push(self, clip, stream, *options, ingest=None, url=None):
        """Publish a file exactly; returns when it was let in."""
        process = self.try_push(clip, stream, *options, ingest=ingest, url=url)
        wait_for(lambda: "push.start" in process.text() or process.has_ended(),
                 f"{stream} to be published")
        assert "push.start" in process.text(), f"push of {stream}: {process.text()}"
        return process

    def try_push(self, clip, stream, *options, ingest=None, url=None):
        url = url or self.cluster.publish_url(stream, ingest)
        return self.weir("push", *options, clip, url)

    def ffmpeg(self, *words, name="ffmpeg"):
        return self.run("ffmpeg", "-hide_banner", "-loglevel", "warning", "-nostdin",
                        *words, name=name)

    def ffmpeg_push(self, clip, stream, ingest=None):
        """Publish a file as encoders do."""
        return self.ffmpeg("-re", "-i", clip, "-c", "copy", "-f", "flv",
                           self.cluster.publish_url(stream, ingest),
                           name="ffmpeg-push")

    def pull(self, url, *options):
        """Play into process.file with weir's own player."""
        out = self.file(f"pulled-{self._count}.flv")
        process = self.weir("pull", *options, url, out)
        process.file = out
        return process

    def view(self, stream, edge=None, **options):
        """Play by HTTP-FLV into memory."""
        viewer = HttpViewer(self.cluster.flv_url(stream, edge), **options)
        self.at_end(viewer.close)
        return viewer

    def view_ts(self, stream, edge=None, **options):
        """Play by HTTP-TS into memory."""
        return self._view(TsViewer, self.cluster.ts_url(stream, edge), options)

    def view_ws_flv(self, stream, edge=None, **options):
        return self._view(WsFlvViewer, self.cluster.flv_url(stream, edge), options)

    def view_ws_ts(self, stream, edge=None, **options):
        return self._view(WsTsViewer, self.cluster.ts_url(stream, edge), options)

    def _view(self, make, url, options):
        viewer = make(url, **options)
        self.at_end(viewer.close)
        return viewer

    def view_rtmp(self, stream, edge=None, **options):
        """Play by RTMP into memory."""
        viewer = RtmpViewer(self.cluster.rtmp_address(edge), stream, **options)
        self.at_end(viewer.close)
        return viewer


# ---- running them


def report(line):
    with _print_lock:
        print(line, flush=True)


def run_case(function, cluster):
    name = function.__name__
    t = Case(name, cluster)
    begin = time.monotonic()
    try:
        try:
            function(t)
            if cluster and cluster.up:
                cluster.assert_all_alive()
        finally:
            t.end()
    except Skip as e:
        report(f"skip {name} {one_line(e)}")
        return True
    except Exception as e:  # pylint: disable=broad-except
        report(f"not ok {name} {one_line(e)}\n{where(e)}")
        return False
    notes = "".join(f"; {n}" for n in t.notes)
    report(f"ok {name} {time.monotonic() - begin:.1f} s{notes}")
    return True


def where(e):
    """The lines of the tests that led there."""
    frames = [f for f in traceback.extract_tb(e.__traceback__) if E2E in f.filename]
    lines = [f"#   {os.path.relpath(f.filename, E2E)}:{f.lineno} {f.line}"
             for f in frames]
    return "\n".join([f"# {type(e).__name__}"] + lines)


def one_line(e):
    text = " ".join(str(e).split()) or type(e).__name__
    return text[:500]


def end_cluster(cluster):
    """The end of the shared cluster is a case of its own."""
    def the_cluster_ends_and_leaves_nothing(_):
        cluster.stop()
    return the_cluster_ends_and_leaves_nothing


def main(cluster=None, at_once=1):
    """Run the cases, `at_once` of them at a time; exit as run-tests wants it."""
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [c for c in _cases if part in c.__name__]
    good = bool(chosen)
    try:
        if cluster:
            cluster.start(os.path.join(LOGS, "cluster"))
        with ThreadPoolExecutor(at_once) as pool:
            done = pool.map(lambda c: run_case(c, cluster), chosen)
            good = all(list(done)) and good
        if cluster:
            good = run_case(end_cluster(cluster), cluster) and good
    finally:
        if cluster:
            cluster.kill_all()
    sys.exit(0 if good else 1)

