"""What the planner is told of a repository, and that it never grows beyond a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from swarm.domain.goal import Brief
from swarm.planning.brief import brief
from swarm.planning.outline import outline
from swarm.planning.tree import listing

BASE = "b" * 40


class Files:
    """A tree in memory that counts how often and how much is read."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self.files = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        self.largest_batch = 0

    def read_many(self, paths: Sequence[str]) -> dict[str, bytes]:
        self.largest_batch = max(self.largest_batch, len(paths))
        return {path: self.files[path] for path in paths if path in self.files}


def brief_of(files: Mapping[str, str | bytes]) -> Brief:
    return brief(BASE, sorted(files), Files(files).read_many)


def size(made: Brief) -> int:
    return len(made.tree) + len(made.modules) + sum(len(p) + len(t) for p, t in made.conventions.items())


def test_an_empty_repository_has_an_empty_brief() -> None:
    made = brief_of({})
    assert made == Brief(base=BASE)
    assert made.empty


def test_a_small_repository_is_told_whole() -> None:
    made = brief_of({"AGENTS.md": "Be brief.\n", "src/a.py": "def f(): ...\n", "web/x.ts": "a\nb\nc"})
    assert made.tree == "AGENTS.md\nsrc/a.py\nweb/x.ts"
    assert made.languages == {"TypeScript": 3, "Python": 1}
    assert made.conventions == {"AGENTS.md": "Be brief."}
    assert made.modules == "src/a.py: def f()"
    assert made.files == ("AGENTS.md", "src/a.py", "web/x.ts")


def test_lines_count_the_last_one_without_an_end() -> None:
    assert brief_of({"a.py": "1\n2", "b.py": "", "c.go": "x\n"}).languages == {"Python": 2, "Go": 1}


def test_a_huge_repository_stays_within_a_prompt() -> None:
    files: dict[str, str | bytes] = {
        f"pkg{n % 60}/module_{n}/file_{n}.py": f"def function_{n}(a: int, b: str) -> None:\n    pass\n" * 30
        for n in range(3_000)
    }
    files |= dict.fromkeys(("AGENTS.md", "CLAUDE.md", "README.md", "Makefile", "go.mod"), "rule " * 20000)
    made = brief_of(files)
    assert size(made) < 40_000
    assert "… and " in made.modules
    assert "files)" in made.tree
    assert len(made.files) == 3_005


def test_lines_of_very_many_files_are_estimated_and_never_read_at_once() -> None:
    files = Files({f"f{n}.go": "x\n" * 10 for n in range(10_000)})
    made = brief(BASE, sorted(files.files), files.read_many)
    assert made.languages["Go"] == pytest.approx(100_000, rel=0.01)
    assert files.largest_batch <= 400


# --- conventions ---


def test_what_binds_an_agent_has_room_before_what_describes_the_project() -> None:
    names = ["README.md", "AGENTS.md", "CLAUDE.md", "pyproject.toml", "Makefile"]
    made = brief_of(dict.fromkeys(names, "x" * 50000))
    assert list(made.conventions)[:3] == ["AGENTS.md", "CLAUDE.md", "pyproject.toml"]
    assert made.conventions["AGENTS.md"].endswith("(50,000 characters in all)")


def test_manifests_count_at_the_top_only_and_agents_files_everywhere() -> None:
    made = brief_of(
        {"package.json": "{}", "web/package.json": "{}", "web/AGENTS.md": "Web.", "docs/README.md": "x"}
    )
    assert set(made.conventions) == {"package.json", "web/AGENTS.md"}


@pytest.mark.parametrize(
    "name", ["README", "README.rst", "readme.md", "Makefile", "GNUmakefile", "Cargo.toml"]
)
def test_conventions_are_found_by_their_usual_names(name: str) -> None:
    assert brief_of({name: "text"}).conventions == {name: "text"}


def test_binary_and_empty_files_are_no_conventions() -> None:
    assert brief_of({"README.md": b"\x00\x01", "AGENTS.md": " \n", "CLAUDE.md": b"\xff ok"}).conventions == {
        "CLAUDE.md": "\ufffd ok"
    }


# --- modules ---


def test_code_comes_before_its_tests_and_shallow_before_deep() -> None:
    made = brief_of({"tests/test_a.py": "", "a/b/deep.py": "", "top.py": "", "a/test_near.py": ""})
    assert made.modules.splitlines() == ["top.py", "a/b/deep.py", "a/test_near.py", "tests/test_a.py"]


def test_a_module_shows_signatures_and_public_methods() -> None:
    source = b"""
import os
LIMIT = 3
class Store(Base, metaclass=Meta):
    def __init__(self, path: str = ":memory:") -> None: ...
    async def get(self, key: str, /, *, default: int | None = None) -> int: ...
    def _hidden(self): ...
async def main(*args: str, **options: object) -> int: ...
def _helper(): ...
"""
    assert outline("s.py", source) == (
        "s.py: class Store(Base, metaclass=Meta): __init__(self, path: str=':memory:') -> None, "
        "get(self, key: str, /, *, default: int | None=None) -> int; "
        "async def main(*args: str, **options: object) -> int; def _helper()"
    )


@pytest.mark.parametrize("source", [b"def f(:\n", b"a\x00b", b"\xff\xfe", b"(" * 5000, b"-" * 100_000 + b"1"])
def test_a_module_that_does_not_parse_is_said_to(source: bytes) -> None:
    assert outline("bad.py", source).startswith("bad.py: (does not parse")


def test_a_doubtful_escape_in_a_module_is_no_warning_of_ours() -> None:
    assert outline("a.py", b"PATTERN = '\\d'\ndef f(): ...\n") == "a.py: def f()"


def test_a_long_module_is_one_line_cut() -> None:
    line = outline("a.py", b"".join(b"def function_%d(argument: int): ...\n" % n for n in range(100)))
    assert len(line) == 400
    assert line.endswith("…")
    assert "\n" not in line


# --- tree ---


def test_folders_that_do_not_fit_are_counted() -> None:
    paths = [f"big/{n}.txt" for n in range(100)] + ["small/a", "small/b", "top"]
    assert listing(paths, lines=10, characters=1000).splitlines() == [
        "big/ (100 files)",
        "small/a",
        "small/b",
        "top",
    ]


def test_one_file_is_one_file() -> None:
    assert listing(["a/b", "c/d"], lines=2, characters=100).splitlines() == ["a/b", "c/d"]
    assert listing(["a/1", "a/2", "b/x/y"], lines=2, characters=100) == "a/ (2 files)\nb/x/y"


def test_a_top_folder_with_too_many_files_is_cut_with_a_count() -> None:
    text = listing([f"{n:04}.txt" for n in range(1000)], lines=10, characters=95)
    assert text.splitlines()[-1] == "… 990 more lines, 1000 files in all"
    assert len(text.splitlines()) == 11


def test_a_listing_does_not_depend_on_the_order_of_its_paths() -> None:
    paths = [f"{a}/{b}/{c}.py" for a in "xyz" for b in "ab" for c in range(30)]
    assert listing(paths, lines=70, characters=9000) == listing(paths[::-1], lines=70, characters=9000)
