"""What a sandbox profile may say."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.benches import ROOT

from swarm.adapters.sandbox.profile import SHARED_MEMORY, load_profile
from swarm.domain.errors import EnvironmentFault

GOOD = """
name = "small"
network = "none"
[limits]
memory = "1g"
cpus = 0.5
pids = 64
[tmpfs]
work = "256m"
tmp = "64m"
home = "1024k"
"""


def assets(folder: Path, text: str) -> Path:
    target = folder / "sandboxes" / "small" / "profile.toml"
    target.parent.mkdir(parents=True)
    target.write_text(text)
    return folder


def test_sizes_come_out_in_bytes(tmp_path: Path) -> None:
    profile = load_profile("small", assets(tmp_path, GOOD))
    assert (profile.memory, profile.work, profile.tmp, profile.home) == (
        2**30,
        256 * 2**20,
        64 * 2**20,
        2**20,
    )
    assert (profile.cpus, profile.pids) == (0.5, 64)


def test_the_shipped_profile_leaves_room_for_processes() -> None:
    profile = load_profile("python", ROOT)
    assert profile.work + profile.tmp + profile.home + SHARED_MEMORY <= 0.6 * profile.memory


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('work = "256m"', 'work = "700m"', "tmpfs and shared memory take 81% of the memory; at most 60%"),
        ('network = "none"', 'network = "host"', "network is 'host', and 'none' is the only one"),
        ('memory = "1g"', 'memory = "plenty"', "'plenty' is not a size such as 512m or 2g"),
        ("pids = 64", "", "'pids' is missing"),
        ("pids = 64", 'pids = "few"', "valid integer"),
        ("[tmpfs]", "[tmpfs", "Expected"),
    ],
)
def test_a_profile_that_is_wrong_is_explained(tmp_path: Path, old: str, new: str, reason: str) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        load_profile("small", assets(tmp_path, GOOD.replace(old, new)))
    assert reason in str(caught.value)
    assert "profile.toml" in str(caught.value)


def test_an_unknown_profile_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"no sandbox profile 'rust'.*Choose one of these: small"):
        load_profile("rust", assets(tmp_path, GOOD))
