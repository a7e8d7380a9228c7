from __future__ import annotations

import logging
from pathlib import Path

import pytest

from swarm.adapters.durable.database import redirected_logging


def test_a_log_that_cannot_be_written_leaves_the_terminal_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dbos.log").symlink_to("/dev/full")
    with redirected_logging(tmp_path):
        logging.getLogger("dbos").error("no room for this")
    assert capfd.readouterr() == ("", "")
