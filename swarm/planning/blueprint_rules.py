"""What is wrong with a blueprint: every problem one exact sentence with file and field, for the planner to mend."""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from pathlib import PurePosixPath

import networkx as nx

from swarm.domain.blueprint import Blueprint, FileSpec, FileState, Use
from swarm.planning.paths import (
    folders,
    is_javascript,
    is_python,
    is_test,
    module_name,
    path_problem,
)
from swarm.planning.symbol_rules import field_order_problems, name_problems, symbol_problems
from swarm.planning.symbols import Defined, complete_uses, defined_names

_PIP = re.compile(
    r"^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\[[\w,. -]+\])?"
    r"(?:\s*(?:===?|>=|<=|~=|!=|<|>)\s*[\w.*+!-]+(?:\s*,\s*(?:===?|>=|<=|~=|!=|<|>)\s*[\w.*+!-]+)*)?$"
)
_NPM = re.compile(r"^(@[a-z0-9._-]+/)?[a-z0-9._-]+(@[\w.^~<>=*| -]+)?$")


def validate_blueprint(blueprint: Blueprint, existing_paths: Collection[str]) -> tuple[str, ...]:
    """Every problem of a blueprint for a repository with these files, one sentence each; empty when it is sound."""
    existing = frozenset(existing_paths)
    problems = [*_whole_problems(blueprint), *_path_problems(blueprint, existing)]
    defined = defined_names(blueprint)
    known = any(is_python(p) for p in existing)
    for file in blueprint.files:
        problems += _state_problems(file, existing)
        problems += _use_problems(file, blueprint, existing, defined)
        problems += symbol_problems(file.path, file.symbols)
        if not known:
            problems += name_problems(file, defined, blueprint.dependencies)
    problems += field_order_problems(blueprint)
    problems += _test_problems(blueprint)
    problems += _cycle_problems(blueprint)
    return tuple(dict.fromkeys(problems))


def _whole_problems(blueprint: Blueprint) -> Iterator[str]:
    if not any(f.state is not FileState.EXISTING for f in blueprint.files):
        yield "files: none is new or changed; list every file that the goal makes or changes."
    if not any(a.strip() for a in blueprint.acceptance):
        yield (
            "acceptance: there is none; name at least one command that exits 0 on the finished tree, "
            "for example `python -m pytest -q`."
        )
    npm = any(is_javascript(f.path) for f in blueprint.files)
    for text in blueprint.dependencies:
        if not (_PIP.match(text.strip()) or (npm and _NPM.match(text.strip()))):
            yield f"dependencies: `{text}` is no package requirement; write it like `httpx>=0.27`."
        elif text.strip().lower() in sys.stdlib_module_names:
            yield f"dependencies: `{text}` is in Python's standard library; leave it out."


def _path_problems(blueprint: Blueprint, existing: frozenset[str]) -> Iterator[str]:
    paths = [f.path for f in blueprint.files]
    every = sorted({*paths, *(t for f in blueprint.files for t in f.tests)})
    for path in every:
        if problem := path_problem(path):
            yield f"{path!r}, path: it {problem}."
        elif path.endswith("/"):
            yield f"{path!r}, path: it is a folder; name files."
    for path, times in sorted(Counter(paths).items()):
        if times > 1:
            yield f"{path}, path: it is listed {times} times; merge the entries."
    tree = {*every, *existing}
    for path in every:
        clash = next((folder for folder in folders(path) if folder in tree), "")
        if clash:
            yield f"{path}, path: `{clash}` is a file, so nothing can lie under it."
    yield from _module_problems(blueprint, tree)


def _module_problems(blueprint: Blueprint, tree: set[str]) -> Iterator[str]:
    packages = {folder for path in tree if is_python(path) for folder in folders(path)}
    used = {u.path for f in blueprint.files for u in f.uses}
    for file in blueprint.files:
        if not is_python(file.path) or is_test(file.path) or file.state is not FileState.NEW:
            continue
        module = module_name(file.path)
        first = module.split(".", maxsplit=1)[0]
        if first in sys.stdlib_module_names:
            yield f"{file.path}, path: `{first}` would hide the standard library's module of that name; rename it."
        if file.path.removesuffix(".py") in packages:
            yield f"{file.path}, path: module and folder `{file.path.removesuffix('.py')}/` would have one import name."
        if file.path in used and not all(part.isidentifier() for part in module.split(".")):
            yield f"{file.path}, path: it is used but can't be imported; use letters, digits and underscores only."


def _state_problems(file: FileSpec, existing: frozenset[str]) -> Iterator[str]:
    there = file.path in existing
    if file.state is FileState.NEW and there:
        yield f"{file.path}, state: it says new, but the file exists; say changed (or existing, where it is only used)."
    elif file.state is not FileState.NEW and not there:
        near = get_close_matches(file.path, sorted(existing), n=2)
        hint = f"; near: {', '.join(near)}" if near else ""
        yield f"{file.path}, state: it says {file.state.value}, but there is no such file{hint}; say new or mend it."


def _use_problems(
    file: FileSpec, blueprint: Blueprint, existing: frozenset[str], defined: Defined
) -> Iterator[str]:
    specs = {f.path: f for f in blueprint.files}
    for use in file.uses:
        if use.path == file.path:
            continue
        spec = specs.get(use.path)
        if spec is not None:
            yield from _unknown_symbols(file, use, spec, defined)
        elif use.path not in existing:
            near = get_close_matches(use.path, sorted(specs), n=2, cutoff=0.5)
            hint = f"; near: {', '.join(near)}" if near else ""
            yield f"{file.path}, uses: `{use.path}` is no file of the blueprint or the repository{hint}."


def _unknown_symbols(file: FileSpec, use: Use, spec: FileSpec, defined: Defined) -> Iterator[str]:
    own = {s.name for s in spec.symbols} | {
        n for u in spec.uses for n in u.symbols if spec.path.endswith("__init__.py")
    }
    if spec.state is not FileState.NEW or not is_python(spec.path):
        return
    for name in use.symbols:
        if name in own:
            continue
        elsewhere = [p for p in defined.get(name, ()) if p != spec.path]
        if elsewhere:
            yield f"{file.path}, uses: `{name}` isn't defined in {use.path} but in {', '.join(elsewhere)}."
            continue
        near = get_close_matches(name, list(defined), n=3, cutoff=0.6)
        hint = "; near: " + ", ".join(f"`{n}` ({', '.join(defined[n])})" for n in near) if near else ""
        yield f"{file.path}, uses: `{name}` of {use.path} is defined nowhere{hint}."


def _test_problems(blueprint: Blueprint) -> Iterator[str]:
    owners: dict[str, list[str]] = defaultdict(list)
    for file in blueprint.files:
        for test in file.tests:
            owners[test].append(file.path)
    for test, files in sorted(owners.items()):
        if len(files) > 1:
            yield (
                f"{test}, tests: it is listed under {' and '.join(sorted(files))}; a test across modules is a file "
                "of its own with `uses`, listed under none."
            )
        if test in files:
            yield f"{test}, tests: a file can't be its own test."
        if (is_python(test) or is_javascript(test)) and not is_test(test):
            yield f"{test}, tests: test runners don't collect it; name it `test_<module>.py` or `<module>.test.js`."
    yield from _same_names(sorted({*owners, *(f.path for f in blueprint.files if is_test(f.path))}))


def _same_names(tests: Sequence[str]) -> Iterator[str]:
    """Two Python tests of one base name can't be collected together outside packages."""
    names: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        if is_python(test):
            names[PurePosixPath(test).name].append(test)
    for same in names.values():
        if len(same) > 1:
            yield f"{same[1]}, path: pytest can't collect it beside {same[0]}; give test files names of their own."


def _cycle_problems(blueprint: Blueprint) -> Iterator[str]:
    graph: nx.DiGraph[str] = nx.DiGraph()
    for file in complete_uses(blueprint).files:
        graph.add_edges_from((file.path, use.path) for use in file.uses)
    for group in sorted(sorted(c) for c in nx.strongly_connected_components(graph) if len(c) > 1):
        inside = graph.subgraph(group)
        cycle = min((_cycle_from(inside, start) for start in group), key=lambda c: (len(c), c))
        shown = " → ".join([*cycle, cycle[0]])
        yield f"{cycle[0]}, uses: import cycle {shown}; move what both need into a file of its own."


def _cycle_from(graph: nx.DiGraph[str], start: str) -> list[str]:
    """A shortest cycle through a node of a strongly connected graph."""
    paths = nx.single_source_shortest_path(graph, start)
    return min((paths[p] for p in sorted(graph.predecessors(start))), key=lambda p: (len(p), p))
