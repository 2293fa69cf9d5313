"""env - where the binaries are, and how fast they may be expected to be."""

import os
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
BIN = os.path.abspath(os.environ.get("WEIR_BIN", os.path.join(ROOT, "build/bin")))
BUILD = os.path.dirname(BIN)
MODE = os.environ.get("WEIR_TEST_MODE", "")  # "san", "cov", "lto"
SLOWER = {"": 1, "lto": 1, "san": 4, "cov": 3}[MODE]  # as scripts/run-tests has it
# A sanitizer keeps what was freed: its memory says nothing about ours.
IS_MEMORY_TRUE = MODE != "san"


def _logs_folder():
    """Of this run; what is left there is for people."""
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    return (os.environ.get("WEIR_TEST_LOGS")
            or tempfile.mkdtemp(prefix=f"weir-{name}-"))


LOGS = _logs_folder()
