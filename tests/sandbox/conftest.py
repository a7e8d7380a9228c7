"""Two sandbox engines, one contract: each test runs on the local fake and, marked `docker`, on real containers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.benches import ROOT, Bench, HubFolder, KillableDocker, make_hub

from swarm.adapters.fakes.sandbox import LocalSandboxes
from swarm.adapters.sandbox.image import ensure_image


@pytest.fixture(scope="session")
def hub_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_hub(tmp_path_factory.mktemp("repositories"))


@pytest.fixture
def hub(tmp_path: Path, hub_template: Path) -> HubFolder:
    shutil.copytree(hub_template, tmp_path / "hub.git")
    return HubFolder(tmp_path / "hub.git")


@pytest.fixture(scope="session")
def built_image() -> Callable[[], str]:
    """Built when a test with a container asks for it, and not before."""
    return lambda: ensure_image("python", ROOT, lambda _: None)


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
def bench(
    request: pytest.FixtureRequest, hub: HubFolder, tmp_path: Path, built_image: Callable[[], str]
) -> Iterator[Bench]:
    if request.param == "local":
        made = Bench("local", LocalSandboxes(tmp_path / "sandboxes"), hub, "none")
    else:
        made = Bench("docker", KillableDocker(ROOT), hub, built_image())
    yield made
    made.clean()


@pytest.fixture
def docker_bench(hub: HubFolder, built_image: Callable[[], str]) -> Iterator[Bench]:
    """For tests that carry the mark `docker`."""
    made = Bench("docker", KillableDocker(ROOT), hub, built_image())
    yield made
    made.clean()
