"""A repository of a user, and the hub of a run on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.stranger import new_repository

from swarm.adapters.hub import BareHub
from swarm.adapters.repository import UserRepository


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of a user, and not those of whoever runs the tests."""
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\n\tname = Jo\n\temail = jo@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def where(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    new_repository(folder, {"app.py": "1\n", "docs/readme.md": "hello\n"})
    return folder


@pytest.fixture
def user(where: Path) -> UserRepository:
    return UserRepository.open(where)


@pytest.fixture
def hub(tmp_path: Path, user: UserRepository) -> BareHub:
    made = BareHub(tmp_path / "hub.git")
    made.create()
    made.mirror(user.path, user.resolve(""))
    return made
