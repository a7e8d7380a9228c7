"""Bundles from agents: what is right comes in once, what is wrong stays out and leaves nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.stranger import Agent, git

from swarm.adapters.hub import BareHub
from swarm.adapters.hub.quarantine import ImportLimits
from swarm.domain.errors import BundleRefused, HubFault

REF = "refs/swarm/tasks/one"
MANY = {f"many/{number}.txt": f"{number}\n" for number in range(300)}


def leftovers(hub: BareHub) -> list[Path]:
    return [path for path in hub.path.glob("swarm-work/**/*") if path.is_file()]


def refused(hub: BareHub, bundle: bytes, match: str) -> None:
    """The bundle is refused with that reason, no ref is set, and the quarantine is gone."""
    with pytest.raises(BundleRefused, match=match):
        hub.receive(bundle, ref=REF)
    assert hub.ref(REF) == ""
    assert leftovers(hub) == []


@pytest.fixture(params=[{}, MANY], ids=["loose", "pack"])
def more(request: pytest.FixtureRequest) -> dict[str, str]:
    """Few objects are stored one by one and many as a pack: both ways have the same checks."""
    files: dict[str, str] = request.param
    return files


def test_work_comes_in_and_its_ref_is_set(hub: BareHub, agent: Agent, more: dict[str, str]) -> None:
    tip = agent.commit({"app.py": "new\n", **more})
    assert hub.receive(agent.bundle(tip), ref=REF) == tip
    assert hub.ref(REF) == tip
    assert hub.read(tip, "app.py") == b"new\n"
    assert len(list(hub.path.glob("objects/pack/*.idx"))) == (1 if more else 0)
    git(hub.path, "fsck", "--strict", "--no-dangling")
    assert leftovers(hub) == []


def test_the_same_bundle_again_changes_nothing(hub: BareHub, agent: Agent, more: dict[str, str]) -> None:
    bundle = agent.bundle(agent.commit({"app.py": "new\n", **more}))
    hub.receive(bundle, ref=REF)
    before = sorted(hub.path.glob("objects/**/*"))
    hub.receive(bundle, ref=REF)
    assert sorted(hub.path.glob("objects/**/*")) == before


def test_a_later_turn_builds_on_an_earlier_one(hub: BareHub, agent: Agent) -> None:
    first = agent.commit({"app.py": "1\n"})
    hub.receive(agent.bundle(first), ref=REF)
    second = agent.commit({"app.py": "2\n"})
    assert hub.receive(agent.bundle(second, without=[first]), ref=REF) == second


def test_work_on_a_commit_that_no_ref_holds_yet_comes_in(hub: BareHub, base: str, tmp_path: Path) -> None:
    scaffold = hub.commit_files({"stub.py": "x\n"}, parent=base, message="scaffold")
    agent = Agent(hub.path, tmp_path / "late", scaffold)
    tip = agent.commit({"stub.py": "y\n"})
    assert hub.receive(agent.bundle(tip), ref=REF) == tip


@pytest.mark.usefixtures("private_umask")
def test_received_objects_can_be_read_by_sandboxes_of_another_user(
    hub: BareHub, agent: Agent, more: dict[str, str]
) -> None:
    hub.receive(agent.bundle(agent.commit({"app.py": "new\n", **more})), ref=REF)
    for path in hub.path.rglob("objects/**/*"):
        assert path.stat().st_mode & 0o004, path
        assert not path.is_dir() or path.stat().st_mode & 0o001, path


def test_links_inside_the_tree_are_welcome(hub: BareHub, agent: Agent) -> None:
    (agent.folder / "docs" / "app").symlink_to("../app.py")
    (agent.folder / "here").symlink_to("docs/readme.md")
    tip = agent.commit({})
    assert hub.receive(agent.bundle(tip), ref=REF) == tip


# --- the header ---


def test_nothing_is_no_bundle(hub: BareHub) -> None:
    refused(hub, b"", "not a git bundle")


def test_a_bundle_of_another_ref_is_refused(hub: BareHub, agent: Agent) -> None:
    refused(hub, agent.bundle(agent.commit({"a": "1"}), ref="refs/heads/main"), "must offer refs/swarm/out")


def test_a_bundle_of_two_refs_is_refused(hub: BareHub, agent: Agent) -> None:
    tip = agent.commit({"a": "1"})
    bundle = agent.bundle(tip).replace(
        b" refs/swarm/out\n", f" refs/swarm/out\n{tip} refs/heads/main\n".encode()
    )
    refused(hub, bundle, "nothing else")


def test_a_prerequisite_that_the_hub_lacks_is_named(hub: BareHub, agent: Agent) -> None:
    first = agent.commit({"app.py": "1\n"})
    second = agent.commit({"app.py": "2\n"})
    refused(hub, agent.bundle(second, without=[first]), f"builds on {first[:12]}")


def test_a_prerequisite_that_is_no_commit_is_refused(hub: BareHub, base: str, agent: Agent) -> None:
    tip = agent.commit({"app.py": "1\n"})
    objects = (tip, agent.git("rev-parse", f"{tip}^{{tree}}"), agent.git("rev-parse", f"{tip}:app.py"))
    refused(hub, agent.handmade(tip, *objects, prerequisites=[hub.tree(base)]), "not a commit of the hub")


@pytest.mark.parametrize("line", [b"@filter=blob:none", b"@object-format=sha256", b"@new=thing"])
def test_a_bundle_with_other_capabilities_is_refused(hub: BareHub, agent: Agent, line: bytes) -> None:
    bundle = agent.bundle(agent.commit({"a": "1"}))
    refused(hub, bundle.replace(b"# v2 git bundle\n", b"# v3 git bundle\n" + line + b"\n"), "not supported")


def test_a_bundle_of_version_3_comes_in(hub: BareHub, agent: Agent) -> None:
    bundle = agent.bundle(agent.commit({"a": "1"}))
    header = b"# v3 git bundle\n@object-format=sha1\n"
    assert hub.receive(bundle.replace(b"# v2 git bundle\n", header), ref=REF)


def test_a_bundle_above_the_limit_is_refused_unread(hub: BareHub, agent: Agent) -> None:
    bundle = agent.bundle(agent.commit({"a": "1"}))
    small = BareHub(hub.path, limits=ImportLimits(bundle=len(bundle) - 1))
    refused(small, bundle, "more than the")


# --- the pack ---


@pytest.mark.parametrize("kept", [0.2, 0.9])
def test_a_truncated_pack_is_refused(hub: BareHub, agent: Agent, more: dict[str, str], kept: float) -> None:
    bundle = agent.bundle(agent.commit({"app.py": "x" * 5000, **more}))
    header = bundle.index(b"PACK") + 12
    refused(hub, bundle[: header + int((len(bundle) - header) * kept)], "git refused the pack")


def test_a_flipped_bit_is_refused(hub: BareHub, agent: Agent, more: dict[str, str]) -> None:
    bundle = bytearray(agent.bundle(agent.commit({"app.py": "x" * 5000, **more})))
    bundle[-30] ^= 1
    refused(hub, bytes(bundle), "git refused the pack")


def test_a_pack_without_a_file_of_its_tree_is_refused(hub: BareHub, agent: Agent) -> None:
    tip = agent.commit({"app.py": "new\n"})
    bundle = agent.handmade(tip, tip, agent.git("rev-parse", f"{tip}^{{tree}}"))
    refused(hub, bundle, "git refused the pack|not complete")


def test_a_tip_that_the_pack_lacks_is_refused(hub: BareHub, agent: Agent) -> None:
    tip = agent.commit({"app.py": "new\n"})
    bundle = agent.handmade(tip, agent.git("rev-parse", f"{tip}:app.py"))
    refused(hub, bundle, "is missing, not a commit")


def test_an_ancestor_that_nobody_has_is_refused(hub: BareHub, agent: Agent) -> None:
    first = agent.commit({"app.py": "1\n"})
    second = agent.commit({"app.py": "2\n"})
    objects = (
        second,
        agent.git("rev-parse", f"{second}^{{tree}}"),
        agent.git("rev-parse", f"{second}:app.py"),
    )
    refused(hub, agent.handmade(second, *objects), "git refused the pack|not complete")
    assert first


def test_a_tag_as_tip_is_refused(hub: BareHub, agent: Agent) -> None:
    agent.git("tag", "-a", "-m", "t", "t", agent.commit({"app.py": "1\n"}))
    refused(hub, agent.bundle(agent.git("rev-parse", "t")), "is tag, not a commit")


def test_files_above_the_limit_are_refused_however_well_they_compress(hub: BareHub, agent: Agent) -> None:
    bundle = agent.bundle(agent.commit({"zeros": "0" * 2_000_000}))
    assert len(bundle) < 10_000
    refused(BareHub(hub.path, limits=ImportLimits(blob=1_000_000)), bundle, "unpacks to")


def test_trees_in_trees_that_list_billions_of_files_are_refused(hub: BareHub, agent: Agent) -> None:
    tree = agent.tree(("100644", "blob", agent.blob("x"), "f"))
    for _ in range(10):
        tree = agent.tree(*(("40000", "tree", tree, f"d{n}") for n in range(10)))
    bundle = agent.bundle(agent.commit_of(tree))
    assert len(bundle) < 10_000
    refused(hub, bundle, "more memory or space")


def test_too_many_commits_are_refused(hub: BareHub, agent: Agent) -> None:
    tips = [agent.commit({"a": str(number)}) for number in range(4)]
    refused(BareHub(hub.path, limits=ImportLimits(commits=3)), agent.bundle(tips[-1]), "4 commits")


# --- what the trees hold ---


@pytest.mark.parametrize("name", [".git", ".GIT", ".git ", "git~1", ".g\u200cit", "..", "."])
def test_a_tree_entry_that_means_git_or_a_parent_is_refused(
    hub: BareHub, agent: Agent, more: dict[str, str], name: str
) -> None:
    agent.commit(more)
    inner = agent.tree(("100644", "blob", agent.blob("[core]\n\tfsmonitor = touch /tmp/x\n"), "config"))
    many = agent.git("rev-parse", "HEAD^{tree}")
    tree = agent.tree(("40000", "tree", inner, name), ("40000", "tree", many, "zz"))
    refused(hub, agent.bundle(agent.commit_of(tree, agent.git("rev-parse", "HEAD"))), "git refused the pack")


def test_a_name_with_a_slash_is_refused(hub: BareHub, agent: Agent) -> None:
    tree = agent.tree(("100644", "blob", agent.blob("x"), "a/../../b"))
    tip = agent.commit_of(tree)
    refused(hub, agent.handmade(tip, tip, tree, agent.blob("x")), "git refused the pack")


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\u202eb", "a\\b", "x" * 300])
def test_a_name_that_misleads_people_or_systems_is_refused(hub: BareHub, agent: Agent, name: str) -> None:
    tree = agent.tree(("100644", "blob", agent.blob("x"), name))
    refused(hub, agent.bundle(agent.commit_of(tree)), "path")


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../outside", "docs/../../outside", "docs/../.git/config", ".git/hooks", "a\\b"]
)
def test_a_link_that_leaves_the_tree_is_refused(hub: BareHub, agent: Agent, target: str) -> None:
    (agent.folder / "link").symlink_to(target)
    refused(hub, agent.bundle(agent.commit({})), "symbolic link link")


def test_links_that_leave_the_tree_only_together_are_refused(hub: BareHub, agent: Agent) -> None:
    (agent.folder / "docs" / "s").symlink_to(".")
    (agent.folder / "docs" / "t").symlink_to("s/s/s/../../../outside")
    refused(hub, agent.bundle(agent.commit({})), "symbolic link docs/t")


def test_a_bad_link_in_an_earlier_commit_is_found_too(hub: BareHub, agent: Agent) -> None:
    (agent.folder / "link").symlink_to("/etc/passwd")
    agent.commit({})
    (agent.folder / "link").unlink()
    refused(hub, agent.bundle(agent.commit({})), "symbolic link")


def test_a_bad_link_smuggled_in_beside_the_tip_does_not_become_a_base(hub: BareHub, agent: Agent) -> None:
    link = agent.blob("/etc/passwd")
    evil_tree = agent.tree(("120000", "blob", link, "link"))
    evil = agent.commit_of(evil_tree)
    good = agent.commit({"a": "1"})
    good_objects = (good, agent.git("rev-parse", f"{good}^{{tree}}"), agent.git("rev-parse", f"{good}:a"))
    hub.receive(agent.handmade(good, *good_objects, evil, evil_tree, link), ref="refs/swarm/tasks/first")
    agent.git("checkout", "-q", "--detach", evil)
    tip = agent.commit({"b": "2"})
    refused(hub, agent.bundle(tip, without=[evil]), "symbolic link")


def test_a_submodule_is_refused(hub: BareHub, agent: Agent) -> None:
    agent.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    agent.git("commit", "-qm", "sub")
    refused(hub, agent.bundle(agent.git("rev-parse", "HEAD")), "submodule at sub")


def test_a_list_of_submodules_is_refused(hub: BareHub, agent: Agent) -> None:
    text = '[submodule "x"]\n\tpath = x\n\turl = https://example.org/x.git\n'
    refused(hub, agent.bundle(agent.commit({".gitmodules": text})), "submodule at .gitmodules")


def test_submodules_and_links_that_the_user_has_do_not_stop_an_agent(hub: BareHub, tmp_path: Path) -> None:
    entries = f"120000 blob {git(hub.path, 'hash-object', '-w', '--stdin', given=b'/data')}\tdata\n"
    entries += f"160000 commit {'1' * 40}\tsub\n"
    tree = git(hub.path, "mktree", "--missing", given=entries.encode())
    base = hub.commit_tree(tree, parents=[], message="the user's")
    hub.set_ref("refs/swarm/base", base)
    agent = Agent(hub.path, tmp_path / "agent", base)
    tip = agent.commit({"a": "1"})
    assert hub.receive(agent.bundle(tip), ref=REF) == tip


# --- at the same time ---


def together(*calls: Callable[[], object]) -> list[BaseException]:
    """Runs calls at once in threads; what they raised."""
    faults: list[BaseException] = []
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        start.wait()
        try:
            call()
        except Exception as fault:  # noqa: BLE001 - whatever it is, the test shows it
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return faults


def test_several_agents_may_deliver_at_once(
    hub: BareHub, new_agent: Callable[[], Agent], more: dict[str, str]
) -> None:
    agents = [new_agent() for _ in range(4)]
    tips = [agent.commit({"app.py": f"{n}\n", **more}) for n, agent in enumerate(agents)]
    bundles = [agent.bundle(tip) for agent, tip in zip(agents, tips, strict=True)]
    calls = [lambda n=n: hub.receive(bundles[n], ref=f"refs/swarm/tasks/{n}") for n in range(4)]
    assert together(*calls) == []
    assert [hub.ref(f"refs/swarm/tasks/{n}") for n in range(4)] == tips
    git(hub.path, "fsck", "--strict", "--no-dangling")


def test_the_same_bundle_may_come_twice_at_once(hub: BareHub, agent: Agent, more: dict[str, str]) -> None:
    tip = agent.commit({"app.py": "new\n", **more})
    bundle = agent.bundle(tip)
    assert together(*[lambda: hub.receive(bundle, ref=REF)] * 4) == []
    assert hub.ref(REF) == tip
    git(hub.path, "fsck", "--strict", "--no-dangling")


def test_one_ref_may_be_set_by_many_at_once(hub: BareHub, base: str) -> None:
    commits = [hub.commit_files({"a": str(n)}, parent=base, message="m") for n in range(8)]
    assert together(*[lambda c=c: hub.set_ref("refs/swarm/x", c) for c in commits]) == []
    assert hub.ref("refs/swarm/x") in commits


# --- after a death ---


def test_locks_and_quarantines_of_the_dead_are_cleared_before_the_next_write(hub: BareHub, base: str) -> None:
    (hub.path / "refs" / "swarm" / "x.lock").touch()
    (hub.path / "packed-refs.lock").touch()
    (hub.path / "swarm-work" / "import-dead" / "pack").mkdir(parents=True)
    BareHub(hub.path).set_ref("refs/swarm/x", base)
    assert hub.ref("refs/swarm/x") == base
    assert not (hub.path / "swarm-work" / "import-dead").exists()


def test_leftovers_are_not_cleared_while_another_process_writes(hub: BareHub) -> None:
    quarantine = hub.path / "swarm-work" / "import-alive"
    with hub._lock.writing():
        quarantine.mkdir(parents=True)
        BareHub(hub.path).create()
        assert quarantine.exists()


def test_a_hub_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(HubFault, match="cannot be written"):
        BareHub(tmp_path / "none").receive(b"", ref=REF)
