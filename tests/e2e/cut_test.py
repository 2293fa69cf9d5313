#!/usr/bin/env python3
"""The network of a publisher is cut without a word, and it dials again from
another port. Runs in a network of its own, so that its rules harm nobody."""

import subprocess
import time

from lib.network import leave_the_network


def drop(port):
    for which in ("--sport", "--dport"):
        subprocess.run(["iptables", "-A", "INPUT", "-p", "tcp", which, str(port),
                        "-j", "DROP"], check=True)


if __name__ == "__main__":
    leave_the_network()

# pylint: disable=wrong-import-position
from lib import clips, flv, sockets  # noqa: E402
from lib.weirtest import Cluster, case, main, wait_for  # noqa: E402

CLUSTER = Cluster(ingest=2, settings={"cluster.publish_grace_ms": 6000})
REDIAL_S = 2
BACK_S = 5
FIRST, SECOND = 1, 2


def cut_and_redial(t, stream, ingest):
    viewers = [t.view(stream), t.view_rtmp(stream)]
    push = t.push(clips.tiny(FIRST), stream, ingest=0)
    for v in viewers:
        v.wait_after(2500)
    port = sockets.local_ports(push.pid)[0]
    drop(port)
    cut_at = time.monotonic()
    push.kill()  # its farewell is dropped, too
    wait_for(lambda: time.monotonic() - cut_at >= REDIAL_S, "the time to redial")
    again = t.push(clips.tiny(SECOND), stream, ingest=ingest)
    took_s = time.monotonic() - cut_at - REDIAL_S
    t.note(f"published again {took_s:.2f} s after dialing")
    assert took_s < BACK_S, f"published again after {took_s:.1f} s"
    assert sockets.local_ports(again.pid) != [port]
    again.finish()
    for v in viewers:
        v.wait_over()
        begin = flv.find(v.media, flv.as_streamed(flv.read(clips.tiny(SECOND)))[0])
        flv.assert_same(flv.read(clips.tiny(FIRST)), v.media[:begin], to_end=False)
        flv.assert_same(flv.read(clips.tiny(SECOND)), v.media[begin:])
        flv.assert_time_never_goes_back(v.tags)
    names = t.cluster.event_names(stream)
    assert names.count("claim.granted") == 2, names
    t.note(f"events {' '.join(names)}")


@case
def it_is_let_in_again_at_the_same_ingest(t):
    cut_and_redial(t, "live/cut", 0)


@case
def it_is_let_in_again_at_another_ingest(t):
    cut_and_redial(t, "live/cut-away", 1)


if __name__ == "__main__":
    main(CLUSTER, at_once=2)
