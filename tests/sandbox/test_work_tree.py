"""Getting work out of a sandbox and back into it."""

from __future__ import annotations

import pytest
from support.benches import Bench, git
from support.benches import output as sh

from swarm.domain.errors import SandboxFault


def test_an_export_is_one_commit_on_the_base_with_everything_that_is_not_ignored(bench: Bench) -> None:
    sandbox = bench.open()
    sh(
        sandbox,
        "echo new > fresh.txt; mkdir -p build deep/er; echo b > build/out; echo d > deep/er/f; rm README.md",
    )
    tip = bench.hub.receive(sandbox.commit("a message"))
    assert bench.hub.files(tip) == [".gitignore", "deep/er/f", "fresh.txt", "src/app.py"]
    log = sh_git(bench, "log", "--format=%an <%ae>|%cn|%s|%P", "-1", tip)
    assert log == f"swarm <swarm@localhost>|swarm|a message|{bench.hub.base}"


def test_an_unchanged_work_tree_exports_nothing(bench: Bench) -> None:
    sandbox = bench.open()
    assert sandbox.commit("nothing") == b""
    sandbox.write("a", b"1")
    bench.hub.receive(sandbox.commit("a"))
    assert sandbox.commit("again") == b""
    sh(sandbox, "rm a")
    assert sandbox.commit("gone") != b""


def test_an_export_asked_again_by_its_call_id_is_the_same_bundle(bench: Bench) -> None:
    sandbox = bench.open()
    sandbox.write("a", b"1")
    first = sandbox.commit("a", call_id="save:1")
    bench.hub.receive(first)
    sandbox.write("b", b"2")
    assert sandbox.commit("a", call_id="save:1") == first


def test_exports_form_a_chain(bench: Bench) -> None:
    sandbox = bench.open()
    tips = []
    for number in range(3):
        sandbox.write("a", str(number).encode())
        tips.append(bench.hub.receive(sandbox.commit(f"turn {number}")))
    assert sh_git(bench, "log", "--format=%H", tips[-1]).split() == [*reversed(tips), bench.hub.base]


def test_an_export_that_never_reached_the_hub_is_part_of_the_next(bench: Bench) -> None:
    sandbox = bench.open()
    sandbox.write("a", b"1")
    lost = sandbox.commit("lost")
    assert sandbox.commit("the same again") == lost
    sandbox.write("b", b"2")
    tip = bench.hub.receive(sandbox.commit("next"))
    assert {"a", "b"} <= set(bench.hub.files(tip))
    assert sh_git(bench, "rev-list", "--count", tip) == "2"


def test_an_export_leaves_the_agents_own_git_state_alone(bench: Bench) -> None:
    sandbox = bench.open()
    sh(
        sandbox,
        "git config user.name a; git config user.email a@b; echo 1 > one; git add one; git commit -qm mine",
    )
    sh(sandbox, "echo 2 > two; git add two; echo 3 > three")
    before = sh(sandbox, "git rev-parse HEAD; git status --porcelain")
    tip = bench.hub.receive(sandbox.commit("all of it"))
    assert sh(sandbox, "git rev-parse HEAD; git status --porcelain") == before
    assert {"one", "two", "three"} <= set(bench.hub.files(tip))
    assert sh_git(bench, "log", "--format=%s", tip).split("\n") == ["all of it", "start"]


def test_hooks_filters_and_a_deleted_repository_do_not_touch_an_export(bench: Bench) -> None:
    sandbox = bench.open()
    sh(
        sandbox,
        "printf '#!/bin/sh\\ntouch $PWD/hooked\\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit",
    )
    sh(
        sandbox,
        "git config filter.x.clean 'echo filtered'; echo '*.txt filter=x' > .gitattributes; echo t > a.txt",
    )
    tip = bench.hub.receive(sandbox.commit("one"))
    assert bench.hub.text(tip, "a.txt") == "t"
    assert sandbox.read("hooked") is None
    sh(sandbox, "rm -rf .git; git init -q; echo 2 > b.txt")
    assert "b.txt" in bench.hub.files(bench.hub.receive(sandbox.commit("two")))


def test_files_in_a_nested_repository_are_exported_as_files(bench: Bench) -> None:
    sandbox = bench.open()
    sh(
        sandbox,
        "git init -q fixture; echo 1 > fixture/one; git init -q fixture/inner; echo 2 > fixture/inner/two",
    )
    identity = "-c user.name=a -c user.email=a@b"
    sh(sandbox, f"git init -q vendored; cd vendored; echo 3 > three; git add .; git {identity} commit -qm x")
    files = bench.hub.files(bench.hub.receive(sandbox.commit("nested")))
    assert {"fixture/one", "fixture/inner/two", "vendored/three"} <= set(files)
    assert not [path for path in files if ".swarm-probe" in path]


def test_restore_makes_the_work_tree_equal_to_a_commit_and_keeps_ignored_files(bench: Bench) -> None:
    sandbox = bench.open()
    sh(sandbox, "echo 1 > one; echo changed > src/app.py; mkdir build; echo kept > build/out")
    first = bench.hub.receive(sandbox.commit("first"))
    sh(
        sandbox,
        "rm one src/app.py; echo 2 > two; mkdir sub; echo 3 > sub/three; git init -q repo; echo 4 > repo/four",
    )
    bench.hub.receive(sandbox.commit("second"))
    sh(sandbox, "echo 5 > five")
    sandbox.restore(first)
    listed = sh(sandbox, "find . -name .git -prune -o -type f -print | sort").split()
    assert listed == ["./.gitignore", "./README.md", "./build/out", "./one", "./src/app.py"]
    assert sandbox.read("src/app.py") == b"changed\n"


def test_a_restored_work_tree_follows_the_ignore_rules_of_its_commit(bench: Bench) -> None:
    sandbox = bench.open()
    sh(sandbox, "echo '*.tmp' >> .gitignore; touch a.tmp b.log; git init -q nested; touch nested/c.tmp")
    sandbox.restore(bench.hub.base)
    assert sh(sandbox, "git status --porcelain --untracked-files=all").strip() == ""
    assert sandbox.read("a.tmp") is None
    assert sandbox.read("b.log") == b""


def test_after_a_restore_an_export_continues_from_the_last_one(bench: Bench) -> None:
    sandbox = bench.open()
    sandbox.write("a", b"1")
    first = bench.hub.receive(sandbox.commit("first"))
    sandbox.write("a", b"2")
    second = bench.hub.receive(sandbox.commit("second"))
    sandbox.restore(first)
    assert sandbox.commit("nothing new since the restore") == b""
    sandbox.write("a", b"2")
    third = bench.hub.receive(sandbox.commit("the same as the second"))
    assert sh_git(bench, "rev-parse", f"{third}^") == second
    assert bench.hub.text(third, "a") == "2"


def test_restoring_a_commit_that_the_hub_lacks_changes_nothing(bench: Bench) -> None:
    sandbox = bench.open()
    sandbox.write("a", b"1")
    with pytest.raises(SandboxFault, match="hub has no commit 2222222"):
        sandbox.restore("2" * 40)
    assert sandbox.read("a") == b"1"


def test_a_bundle_larger_than_one_reply_arrives_whole(bench: Bench) -> None:
    sandbox = bench.open()
    sh(sandbox, "head -c 8000000 /dev/urandom > noise.bin; sha256sum noise.bin > sum.txt")
    bundle = sandbox.commit("noise")
    assert len(bundle) > 8_000_000
    tip = bench.hub.receive(bundle)
    assert int(sh_git(bench, "cat-file", "-s", f"{tip}:noise.bin")) == 8_000_000


@pytest.mark.docker
def test_a_file_that_git_cannot_read_is_left_out_and_the_rest_exported(
    docker_bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox = docker_bench.open()
    sh(sandbox, "echo 1 > secret; chmod 000 secret; echo 2 > open")
    files = docker_bench.hub.files(docker_bench.hub.receive(sandbox.commit("m")))
    assert "open" in files
    assert "secret" not in files
    assert "secret" in caplog.text


def sh_git(bench: Bench, *arguments: str) -> str:
    return git(bench.hub.path, *arguments)
