#!/usr/bin/env python3
# serial
# timeout 400
"""The short form of `make chaos`: once each row that is marked as short, and the
judge itself."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    status = 0
    for words in (["judge_test.py"], ["chaos.py", "--short", *sys.argv[1:]]):
        argv = [sys.executable, os.path.join(HERE, words[0]), *words[1:]]
        status |= subprocess.run(argv, check=False).returncode
    return status


if __name__ == "__main__":
    sys.exit(main())
