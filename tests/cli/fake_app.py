"""The real application on the fake backend, as a process of its own: `python tests/cli/fake_app.py run GOAL`.

PATIENCE is how many seconds the run works, BLOCKED for how many of them it holds the event loop.
"""

from __future__ import annotations

import os

from support.fake_backend import FakeBackend

from swarm.cli.main import create_app

if __name__ == "__main__":
    fake = FakeBackend(
        patience=float(os.environ.get("PATIENCE", "0")), blocked=float(os.environ.get("BLOCKED", "0"))
    )
    create_app(lambda: fake)(prog_name="swarm")
