"""A hub with one commit, and agents that work on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.stranger import Agent

from swarm.adapters.hub import BareHub

FILES = {"app.py": "def f():\n    return 1\n", "docs/readme.md": "one\ntwo\nthree\n", ".gitignore": "*.log\n"}


@pytest.fixture
def private_umask() -> Iterator[None]:
    """A user whose files nobody else may read, unless a program says otherwise."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def hub(tmp_path: Path) -> BareHub:
    made = BareHub(tmp_path / "run" / "hub.git")
    made.create()
    return made


@pytest.fixture
def base(hub: BareHub) -> str:
    commit = hub.commit_files(FILES, parent="", message="base")
    hub.set_ref("refs/swarm/base", commit)
    return commit


@pytest.fixture
def new_agent(hub: BareHub, base: str, tmp_path: Path) -> Callable[[], Agent]:
    count = iter(range(1000))
    return lambda: Agent(hub.path, tmp_path / f"agent-{next(count)}", base)


@pytest.fixture
def agent(new_agent: Callable[[], Agent]) -> Agent:
    return new_agent()
