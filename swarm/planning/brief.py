"""What the planner is told of a repository: shape, languages, conventions, Python symbols; under 40,000 characters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from swarm.domain.goal import Brief
from swarm.planning.outline import outline
from swarm.planning.paths import in_tests, is_python, is_test
from swarm.planning.tree import listing

ReadMany = Callable[[Sequence[str]], Mapping[str, bytes]]
"""Reads files of the base commit, several at once; absent ones are left out."""

_TREE_LINES = 300
_TREE_CHARACTERS = 9_000
_CONVENTION = 5_000
_CONVENTIONS = 16_000
_MODULES = 13_000
_MODULE_FILES = 400
_COUNTED_FILES = 4_000
_BATCH = 400

_CONVENTION_FILES = re.compile(
    r"AGENTS\.md|CLAUDE\.md|README(\.\w+)?|pyproject\.toml|setup\.cfg|package\.json|go\.mod|Cargo\.toml|(GNU)?[Mm]akefile",
    re.IGNORECASE,
)
# In the order in which they are given room: what binds an agent comes before what describes the project.
_CONVENTION_ORDER = (
    "agents.md",
    "claude.md",
    "pyproject.toml",
    "package.json",
    "go.mod",
    "cargo.toml",
    "setup.cfg",
)

_LANGUAGES = {
    language: suffixes.split()
    for language, suffixes in {
        "Python": "py pyi",
        "JavaScript": "js mjs cjs jsx",
        "TypeScript": "ts tsx mts cts",
        "Go": "go",
        "Rust": "rs",
        "Java": "java",
        "Kotlin": "kt kts",
        "C": "c h",
        "C++": "cc cpp cxx hpp hh",
        "C#": "cs",
        "Ruby": "rb",
        "PHP": "php",
        "Swift": "swift",
        "Scala": "scala",
        "Shell": "sh bash",
        "SQL": "sql",
        "HTML": "html htm",
        "CSS": "css scss less",
        "Vue": "vue",
        "Svelte": "svelte",
        "Elixir": "ex exs",
        "Haskell": "hs",
        "Lua": "lua",
        "R": "r",
        "Julia": "jl",
        "Dart": "dart",
        "Zig": "zig",
        "Terraform": "tf",
    }.items()
}
_LANGUAGE_OF = {suffix: language for language, suffixes in _LANGUAGES.items() for suffix in suffixes}


def brief(base: str, paths: Sequence[str], read_many: ReadMany) -> Brief:
    """The brief of a base commit with these paths."""
    return Brief(
        base=base,
        tree=listing(paths, lines=_TREE_LINES, characters=_TREE_CHARACTERS),
        languages=_languages(paths, read_many),
        conventions=_conventions(paths, read_many),
        modules=_modules(paths, read_many),
        files=tuple(paths),
    )


def _languages(paths: Sequence[str], read_many: ReadMany) -> dict[str, int]:
    """Lines by language, most first. Beyond 4,000 files of source, an estimate from that many, evenly chosen."""
    sources = [path for path in paths if _language(path)]
    step = -(-len(sources) // _COUNTED_FILES) or 1
    lines: Counter[str] = Counter()
    for path, data in _read(sources[::step], read_many):
        lines[_language(path)] += step * (data.count(b"\n") + (not data.endswith(b"\n") and bool(data)))
    return dict(sorted(lines.items(), key=lambda item: (-item[1], item[0])))


def _language(path: str) -> str:
    return _LANGUAGE_OF.get(PurePosixPath(path).suffix.removeprefix(".").lower(), "")


def _conventions(paths: Sequence[str], read_many: ReadMany) -> dict[str, str]:
    """Texts of the files that say how things are done here, each cut, while there is room."""
    wanted = sorted((p for p in paths if _is_convention(p)), key=_convention_rank)
    found, room = {}, _CONVENTIONS
    for path, data in _read(wanted, read_many):
        if room < 200:  # less than that says nothing
            break
        text = _cut(data.decode("utf-8", "replace").strip(), min(_CONVENTION, room))
        if text and "\0" not in text:
            found[path] = text
            room -= len(text)
    return found


def _is_convention(path: str) -> bool:
    """Files at the top; AGENTS.md and CLAUDE.md of a folder speak for that folder."""
    folder, _, name = path.rpartition("/")
    return bool(_CONVENTION_FILES.fullmatch(name)) and (not folder or name in {"AGENTS.md", "CLAUDE.md"})


def _convention_rank(path: str) -> tuple[int, int, str]:
    name = path.rpartition("/")[2].lower()
    order = _CONVENTION_ORDER.index(name) if name in _CONVENTION_ORDER else len(_CONVENTION_ORDER)
    return path.count("/"), order, path


def _modules(paths: Sequence[str], read_many: ReadMany) -> str:
    """One line per Python file: the code before its tests, the shallow before the deep; what is cut is counted."""
    python = sorted((p for p in paths if is_python(p)), key=lambda p: (_is_testing(p), p.count("/"), p))
    lines, room = [], _MODULES
    for path, data in _read(python[:_MODULE_FILES], read_many):
        line = outline(path, data)
        if len(line) + 1 > room:
            break
        lines.append(line)
        room -= len(line) + 1
    if len(lines) < len(python):
        lines.append(f"… and {len(python) - len(lines)} more Python files")
    return "\n".join(lines)


def _is_testing(path: str) -> bool:
    return is_test(path) or in_tests(path)


def _read(paths: Sequence[str], read_many: ReadMany) -> Iterator[tuple[str, bytes]]:
    """Files in the order of `paths`, a batch at a time, so that a large repository is never in memory as a whole."""
    for start in range(0, len(paths), _BATCH):
        some = paths[start : start + _BATCH]
        found = read_many(some)
        yield from ((path, found[path]) for path in some if path in found)


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    mark = f"\n… ({len(text):,} characters in all)"
    return text[: limit - len(mark)] + mark
