"""Starts the tool server: `python3 -I -S <folder> [--work DIR] [--hub DIR] [--tmp DIR] [--socket PATH] [--ttl S]`.

It runs as PID 1 of a sandbox and speaks newline-delimited JSON over its standard input and output; the local fake
runs it as an ordinary process that listens on a unix socket. Standard library only, Python 3.11.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Isolated mode knows this folder alone, and the modules import each other by their path in the repository.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from sandboxes.tool_server.server import main  # noqa: E402 - the line above makes it findable

if __name__ == "__main__":
    main(sys.argv[1:])
