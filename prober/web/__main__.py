"""Starts the web process: `python -OO -m prober.web FD`; only `prober.publish.link` does that."""

from __future__ import annotations

import signal
import sys

# Ctrl-C goes to the whole process group, and the prober decides what it means. Before the imports below,
# which take long enough for one to come in between.
signal.signal(signal.SIGINT, signal.SIG_IGN)

from prober.web.process import run  # noqa: E402

if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdecimal():
        sys.exit("expected the number of an inherited socket; this program is started by `prober run`")
    sys.exit(run(int(sys.argv[1])))
