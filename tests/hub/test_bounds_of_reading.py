"""Few bytes from an agent can unpack to many: what the host reads is bounded, and the hub's lock is the host's."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.stranger import Agent, git

from swarm.adapters.hub import BareHub
from swarm.adapters.hub.lock import HubLock
from swarm.adapters.hub.quarantine import ImportLimits
from swarm.domain.errors import BundleRefused, HubFault

REF = "refs/swarm/tasks/one"


def many_names(hub: BareHub, parent: str, text: str, count: int) -> str:
    """A commit with one blob under many names."""
    blob = git(hub.path, "hash-object", "-w", "--stdin", given=text.encode())
    listed = "".join(f"100644 blob {blob}\tf{number:04}\n" for number in range(count))
    tree = git(hub.path, "mktree", given=listed.encode())
    return hub.commit_tree(tree, parents=[parent], message="m")


def test_one_file_under_many_names_counts_for_each_of_them(hub: BareHub, agent: Agent) -> None:
    bundle = agent.bundle(agent.commit({f"copies/{number}": "0" * 100_000 for number in range(30)}))
    assert len(bundle) < 10_000
    small = BareHub(hub.path, limits=ImportLimits(paths=2_900_000))
    with pytest.raises(BundleRefused, match=r"3,000,000 bytes over 30 paths.*copies/.*gitignore"):
        small.receive(bundle, ref=REF)
    assert hub.ref(REF) == ""
    assert BareHub(hub.path, limits=ImportLimits(paths=3_000_000)).receive(bundle, ref=REF)


def test_a_file_of_more_than_20_mb_does_not_come_in(hub: BareHub, agent: Agent) -> None:
    bundle = agent.bundle(agent.commit({"sparse": "\0" * 20_000_001}))
    with pytest.raises(BundleRefused, match="unpacks to"):
        hub.receive(bundle, ref=REF)


def test_files_above_2_mb_are_left_out_of_a_reading(
    hub: BareHub, base: str, caplog: pytest.LogCaptureFixture
) -> None:
    files: dict[str, str | None] = {"large": "x" * 2_000_001, "most": "x" * 2_000_000, "z": "z"}
    commit = hub.commit_files(files, parent=base, message="m")
    assert set(hub.read_many(commit, ["large", "most", "absent", "docs", "z", "z"])) == {"most", "z"}
    assert hub.read(commit, "large") is None
    assert "large" in caplog.text


def test_a_reading_holds_200_mb_at_most(hub: BareHub, base: str) -> None:
    commit = many_names(hub, base, "x" * 1_900_000, 120)
    read = hub.read_many(commit, hub.paths(commit))
    assert sum(map(len, read.values())) == 105 * 1_900_000


def test_a_long_diff_is_cut_and_says_so(hub: BareHub, base: str) -> None:
    commit = many_names(hub, base, "x\n" * 900_000, 12)
    text = hub.diff(base, commit)
    assert 19_000_000 < len(text) < 20_001_000
    assert text.endswith("[the diff is cut here: it is longer than 20,000,000 bytes]\n")
    assert "cut here" not in hub.diff(base, commit, paths=["f0001"])


def test_a_diff_does_not_show_files_above_2_mb(hub: BareHub, base: str) -> None:
    commit = hub.commit_files({"large": "x\n" * 1_000_001}, parent=base, message="m")
    assert "Binary files /dev/null and b/large differ" in hub.diff(base, commit)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Locked by somebody who may only read it."""
    held = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def test_no_file_that_sandboxes_see_can_lock_the_hub(hub: BareHub, base: str) -> None:
    with contextlib.ExitStack() as stack:
        for path in hub.path.rglob("*"):
            stack.enter_context(locked(path))
        with HubLock(hub.path, wait=0.2).writing():
            pass
    beside = hub.path.with_name("hub.git.lock")
    assert stat.S_IMODE(beside.stat().st_mode) == 0o600
    assert base


def test_a_lock_that_is_never_released_is_a_fault_and_no_waiting(hub: BareHub, base: str) -> None:
    lock = HubLock(hub.path, wait=0.2)
    beside = hub.path.with_name("hub.git.lock")
    with (
        locked(beside),
        pytest.raises(HubFault, match=r"locked for 0\.2 s .*hub\.git\.lock"),
        lock.writing(),
    ):
        pass
    with lock.writing():
        assert hub.tree(base)
