#!/usr/bin/env python3
"""docs/api.md: every example is typed as it stands there, and answers as it says."""

import os
import re
import subprocess

from lib import clips
from lib.env import ROOT
from lib.weirtest import Cluster, case, main, wait_for

CLUSTER = Cluster(ingest=1, edge=2, dispatch=1, packager=0,
                  options=["--set", "dispatch.web.open=true"])
STREAM = "live/cam1"


def page():
    with open(os.path.join(ROOT, "docs", "api.md"), encoding="utf-8") as f:
        return f.read()


def examples():
    """[(command, answer)] in their order."""
    found = []
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```$", page(), re.M | re.S):
        if kind:
            continue
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, answer = part.partition("\n")
            found.append((command, answer))
    return found


VOLATILE = re.compile(r"(…)|(?<![0-9a-f])([0-9a-f]{32})(?![0-9a-f])|(-?\d+(?:\.\d+)?)|(.)")
STANDS_FOR = (".*", "[0-9a-f]{32}", r"-?\d+(?:\.\d+)?")


def as_pattern(answer):
    """Blanks say nothing, numbers and ids are others each time, "…" is anything."""
    parts = []
    for m in VOLATILE.finditer(re.sub(r"\s+", "", answer)):
        which = next(i for i, text in enumerate(m.groups()) if text)
        parts.append(STANDS_FOR[which] if which < 3 else re.escape(m.group(0)))
    return "".join(parts)


def environment(t):
    told = t.cluster.told
    subs = wait_for(lambda: t.cluster.group("cam1")["subs"], "the viewer")
    return {**os.environ, "API": told["api"], "AUTH": f"Authorization: Bearer {told['token']}",
            "JSON": "Content-Type: application/json", "SESSION": subs[0]["session_id"]}


@case
def every_example_answers_as_it_says(t):
    viewer = t.view(STREAM, edge=0)
    t.push(clips.reference(), STREAM)
    viewer.wait_media()
    wait_for(lambda: t.cluster.streams()[STREAM].get("gop_ms"), "a second key frame")
    wait_for(lambda: len(t.cluster.group("cam1")["in_frame_per_sec"]) > 1, "two whole seconds")
    env, kicked = environment(t), False
    for command, answer in examples():
        if kicked and "subs" not in command:
            t.view(STREAM, edge=0).wait_media()
            kicked = False
        done = subprocess.run(["bash", "-c", command], env=env, text=True, timeout=60,
                              capture_output=True, check=True)
        said = re.sub(r"\s+", "", done.stdout)
        assert re.fullmatch(as_pattern(answer), said), f"{command}\n{said}\n{answer}"
        kicked = "kick_session" in command
    t.note(f"{len(examples())} examples")
    wait_for(lambda: "edge-2" not in [n["id"] for n in t.cluster.api("/api/nodes")["nodes"]],
             "the drained edge to be gone", 30)
    t.cluster.nodes.remove(t.cluster.node("edge-2"))


@case
def every_operation_is_named(t):
    text = page()
    for path in t.cluster.api("/api/openapi.json")["paths"]:
        if path.startswith("/api/v1/rules/"):
            path = "/api/v1/rules/{kind}/{id}"
        assert path in text, path


if __name__ == "__main__":
    main(CLUSTER)
