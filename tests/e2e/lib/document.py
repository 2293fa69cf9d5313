"""document - what the pages of docs/ show, to be run."""

import os
import re

from lib.env import ROOT


def block(page, kind, mark, hosts):
    """The block of this kind ("json", "sh") with these words in it; hosts NAME of
    NAME.example.org become addresses here."""
    with open(os.path.join(ROOT, page), encoding="utf-8") as f:
        blocks = re.findall(rf"^```{kind}\n(.*?)^```", f.read(), re.M | re.S)
    text = next(b for b in blocks if mark in b)
    for host, address in hosts.items():
        text = text.replace(host + ".example.org", address)
    return text


def commands(text):
    """Those of a block of sh, each in one line."""
    return text.replace("\\\n", "").splitlines()
