#!/usr/bin/env python3
"""Live HLS for MINUTES (10): returns of the publisher, deaths of a packager and of
the home, as in tests/e2e/hls_test.py; the validator must stay quiet."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))

from lib import hls_story  # noqa: E402  pylint: disable=wrong-import-position
from lib.weirtest import case, main  # noqa: E402  pylint: disable=wrong-import-position


@case
def the_validator_stays_quiet_for_long(t):
    minutes = float(os.environ.get("MINUTES", "10"))
    hls_story.tell(t, minutes * 60, 60, {"cluster.publish_grace_ms": 10000})


if __name__ == "__main__":
    main()
