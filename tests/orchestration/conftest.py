from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    for name in made.sandboxes.of_run("test-run"):
        made.sandboxes.remove(name)
