"""The tag of a sandbox image names exactly what went into it."""

from __future__ import annotations

import json
import shutil
import tarfile
import tomllib
from pathlib import Path

import pytest

from swarm.adapters.sandbox.recipe import Recipe, read_recipe
from swarm.domain.errors import EnvironmentFault

ROOT = Path(__file__).resolve().parents[2]
MEBIBYTES = {"m": 1, "g": 1024}


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """The repository's sandbox files, free to be changed, with a tool server of two modules."""
    shutil.copytree(ROOT / "sandboxes", tmp_path / "sandboxes", ignore=shutil.ignore_patterns("tool_server"))
    (tmp_path / "sandboxes" / "tool_server").mkdir()
    for name in ("__main__.py", "jobs.py"):
        (tmp_path / "sandboxes" / "tool_server" / name).write_text("print('tool server')\n")
    return tmp_path


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "corporate.crt").write_text("one")
    return folder


def read(assets: Path, certificates: Path) -> Recipe:
    return read_recipe("python", assets, certificates)


def test_the_same_files_give_the_same_tag(assets: Path, certificates: Path) -> None:
    first, second = read(assets, certificates), read(assets, certificates)
    assert first.tag == second.tag
    assert first.tag.startswith("swarm-sandbox-python:")


@pytest.mark.parametrize(
    "changed",
    [
        "tool_server/__main__.py",
        "tool_server/jobs.py",
        "python/Dockerfile",
        "python/profile.toml",
        "python/requirements.txt",
        "base/make-base.sh",
    ],
)
def test_a_change_to_any_ingredient_changes_the_tag(assets: Path, certificates: Path, changed: str) -> None:
    before = read(assets, certificates).tag
    with (assets / "sandboxes" / changed).open("a") as file:
        file.write("# changed\n")
    assert read(assets, certificates).tag != before


def test_a_new_certificate_of_the_host_changes_the_tag(assets: Path, certificates: Path) -> None:
    before = read(assets, certificates).tag
    (certificates / "another.crt").write_text("two")
    assert read(assets, certificates).tag != before


def test_the_tool_server_leaves_the_base_image_alone(assets: Path, certificates: Path) -> None:
    before = read(assets, certificates).base_tag
    (assets / "sandboxes" / "tool_server" / "jobs.py").write_text("print('another')\n")
    assert read(assets, certificates).base_tag == before


def test_two_files_do_not_run_together_into_the_digest_of_others() -> None:
    together = Recipe(profile="p", files={"ab": b"c"}, base={})
    apart = Recipe(profile="p", files={"a": b"bc"}, base={})
    assert together.tag != apart.tag


def test_a_missing_tool_server_is_the_environments_fault(assets: Path, certificates: Path) -> None:
    (assets / "sandboxes" / "tool_server" / "__main__.py").unlink()
    with pytest.raises(EnvironmentFault, match=r"tool_server/__main__\.py is missing"):
        read(assets, certificates)


def test_an_unknown_profile_is_answered_with_the_known_ones(assets: Path, certificates: Path) -> None:
    with pytest.raises(EnvironmentFault, match="Profiles found: python"):
        read_recipe("cobol", assets, certificates)


def test_the_context_holds_everything_the_dockerfile_copies(
    assets: Path, certificates: Path, tmp_path: Path
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "ruff.whl").write_bytes(b"wheel")
    with tarfile.open(fileobj=read(assets, certificates).context(wheels)) as tar:
        names = set(tar.getnames())
    assert {
        "Dockerfile",
        "requirements.txt",
        "tool_server/jobs.py",
        "ca/corporate.crt",
        "wheels/ruff.whl",
    } <= names


def test_a_host_without_certificates_still_gives_the_folder_the_dockerfile_copies(
    assets: Path, tmp_path: Path
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with tarfile.open(fileobj=read(assets, tmp_path / "nowhere").context(wheels)) as tar:
        assert {"ca", "wheels"} <= set(tar.getnames())


def test_every_python_tool_of_the_sandbox_is_pinned() -> None:
    lines = (ROOT / "sandboxes/python/requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert all("==" in pin for pin in pins)


def test_in_memory_file_systems_take_at_most_sixty_percent_of_the_memory_limit() -> None:
    profile = tomllib.loads((ROOT / "sandboxes/python/profile.toml").read_text())
    sizes = [int(size[:-1]) * MEBIBYTES[size[-1]] for size in profile["tmpfs"].values()]
    memory = int(profile["limits"]["memory"][:-1]) * MEBIBYTES[profile["limits"]["memory"][-1]]
    assert sum(sizes) <= 0.6 * memory


def test_the_seccomp_profile_allows_neither_io_uring_nor_a_hidden_socket_domain() -> None:
    rules = json.loads((ROOT / "sandboxes/seccomp.json").read_text())["syscalls"]
    allowed = {name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}
    assert allowed.isdisjoint({"io_uring_setup", "io_uring_enter", "io_uring_register", "socketcall"})
    assert "read" in allowed
