#!/usr/bin/env python3
"""Transport streams of our mux, as other people's tools see them.

They are the vectors that a unit test holds our mux to, byte for byte."""

import glob
import os
import re
import subprocess

from lib.env import ROOT
from lib.weirtest import case, main

VECTORS = sorted(glob.glob(os.path.join(ROOT, "proto/ts/vectors/*.weir.ts")))


def said(*words):
    """What a tool says, on both of its outputs; it must be content."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, check=False, text=True, errors="replace")
    assert done.returncode == 0, done.stdout
    return done.stdout


def codecs(path):
    return os.path.basename(path).split(".")[0].upper().split("_")


@case
def ffmpeg_decodes_them_without_a_word(t):
    assert len(VECTORS) == 3, VECTORS
    for path in VECTORS:
        assert said("ffmpeg", "-v", "warning", "-i", path, "-f", "null", "-") == ""
        assert said("ffmpeg", "-v", "warning", "-i", path, "-c", "copy", "-f", "null", "-") == ""


@case
def tstools_find_every_stream_and_no_broken_counter(t):
    for path in VECTORS:
        info = said("tsinfo", path)
        assert "PCR PID 0100" in info and info.count("Stream type") == 2, info
        report = said("tsreport", "-b", path)
        assert "Discontinuity flags: *1" in report, report
        assert "duplicate packets: 0" in report, report
        assert "Bad (>.1s) gaps: 0" in report, report
        assert "###" not in report, report


@case
def tstools_find_pcrs_at_most_40_ms_apart(t):
    for path in VECTORS:
        report = said("tsreport", "-timing", path)
        pcrs = [int(v) for v in re.findall(r"PCR +(\d+) Mean", report)]
        assert len(pcrs) > 15, report
        gaps = [b - a for a, b in zip(pcrs, pcrs[1:])]
        assert 0 < min(gaps) and max(gaps) <= 27000000 * 40 // 1000, gaps


@case
def mediainfo_names_every_codec(t):
    names = {"H264": "AVC", "H265": "HEVC", "AAC": "AAC", "MP3": "MPEG Audio", "OPUS": "Opus"}
    for path in VECTORS:
        info = said("mediainfo", path)
        for codec in codecs(path):
            assert re.search(rf"Format +: {names[codec]}", info), info


if __name__ == "__main__":
    main(at_once=2)
