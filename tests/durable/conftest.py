"""The run's folder that each test of the durable engine works on."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.durable_sessions import Sessions


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(tmp_path)
