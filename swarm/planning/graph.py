"""The graph of the work: which files agents write, who uses whom, and which files stand apart from the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import networkx as nx

from swarm.domain.blueprint import Blueprint, FileSpec, FileState, Symbol, Use
from swarm.planning.manifests import is_shared
from swarm.planning.paths import (
    in_tests,
    is_entry,
    is_init,
    is_python,
    is_test,
    stem,
    tested_stem,
)
from swarm.planning.stubs import is_data
from swarm.planning.symbols import complete_uses

HUB_SHARE = 0.6
"""A hub is used by, or uses, at least this share of the other files."""
HUB_FILES = 3
"""And at least this many of them."""
RENDERED_USERS = 2
"""Plain data used by so many files is written by the scaffold; with one user it belongs to that user."""
WIRING_LINES = 120
"""A file that uses nearly all is left for last only while it is this short; a longer one is worth starting at once."""
TEST_SHARE = 0.6
"""Expected lines of a test file per line of what it tests, where the blueprint doesn't say."""


@dataclass(frozen=True)
class ModuleTest:
    """A test file; `home` is the file that it tests (empty: several), `uses` the files of the graph that it needs."""

    path: str
    lines: int
    home: str
    uses: tuple[str, ...]


@dataclass(frozen=True)
class WorkGraph:
    """The files of a blueprint, sorted into what agents write and what the scaffold writes.

    `hubs`, `core` and `late` together are what agents write; `rendered` are plain-data modules that the scaffold
    renders from their contracts, `shared` package inits and manifests that it writes with their content.
    """

    specs: Mapping[str, FileSpec]
    rendered: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    hubs: tuple[str, ...] = ()
    core: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    tests: tuple[ModuleTest, ...] = ()
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def early(self) -> tuple[str, ...]:
        """What can be cut into parts: everything for agents but the wiring."""
        return tuple(sorted({*self.hubs, *self.core}))

    @property
    def work(self) -> tuple[str, ...]:
        """Everything that agents write, tests apart."""
        return tuple(sorted({*self.hubs, *self.core, *self.late}))

    def lines(self, path: str) -> int:
        """Expected lines of a file."""
        return max(5, self.specs[path].lines) if path in self.specs else 5

    def communities(self) -> nx.Graph[int]:
        """The undirected graph of the core by index into `core`, weighted by shared symbols."""
        graph: nx.Graph[int] = nx.Graph()
        index = {path: i for i, path in enumerate(self.core)}
        graph.add_nodes_from(range(len(self.core)))
        for user in self.core:
            for use in self.specs[user].uses:
                if use.path in index:
                    _add(graph, index[user], index[use.path], max(1, len(use.symbols)))
        for test in self.tests:
            for path in test.uses:
                if test.home in index and path in index and path != test.home:
                    _add(graph, index[test.home], index[path], 1)
        return graph


def _add(graph: nx.Graph[int], one: int, other: int, weight: int) -> None:
    before = graph.edges[one, other]["weight"] if graph.has_edge(one, other) else 0
    graph.add_edge(one, other, weight=before + weight)


def work_graph(
    blueprint: Blueprint,
    *,
    code_uses: Mapping[str, Collection[str]] | None = None,
    apart: bool = True,
) -> WorkGraph:
    """The graph of a blueprint.

    `code_uses` are imports that the existing code has, path → paths: facts that complete what the model said. With
    `apart` False no file is set apart: the way to find two parts where the hubs are all there is.
    """
    specs = {f.path: f for f in complete_uses(_with_facts(blueprint, code_uses or {})).files}
    mine = {p: s for p, s in specs.items() if s.state is not FileState.EXISTING}
    listed = {t for s in specs.values() for t in s.tests}
    work = {p: s for p, s in mine.items() if not is_test(p) and p not in listed}
    shared = tuple(sorted(p for p, s in work.items() if is_shared(s, specs)))
    files = {p: s for p, s in work.items() if p not in shared}
    rendered = _rendered(files) if apart else ()
    rest = {p: s for p, s in files.items() if p not in rendered}
    late = _late(rest) if apart else ()
    hubs = _hubs({p: s for p, s in rest.items() if p not in late}) if apart else ()
    core = tuple(sorted(p for p in rest if p not in late and p not in hubs))
    return WorkGraph(
        specs=specs,
        rendered=rendered,
        shared=shared,
        hubs=hubs,
        core=core,
        late=late,
        tests=_tests(specs, rest),
        uses={p: tuple(u.path for u in s.uses if u.path in rest) for p, s in sorted(rest.items())},
    )


def _with_facts(blueprint: Blueprint, code_uses: Mapping[str, Collection[str]]) -> Blueprint:
    """The blueprint with the imports of existing code among its files added as uses without names."""
    paths = {f.path for f in blueprint.files}
    files = []
    for spec in blueprint.files:
        known = {spec.path, *(u.path for u in spec.uses)}
        more = tuple(Use(path=p) for p in sorted(set(code_uses.get(spec.path, ())) & paths - known))
        files.append(spec.model_copy(update={"uses": spec.uses + more}))
    return blueprint.model_copy(update={"files": tuple(files)})


def _users(files: Mapping[str, FileSpec]) -> dict[str, set[str]]:
    users: dict[str, set[str]] = defaultdict(set)
    for path, spec in files.items():
        for use in spec.uses:
            if use.path in files:
                users[use.path].add(path)
    return users


def _rendered(files: Mapping[str, FileSpec]) -> tuple[str, ...]:
    """New Python modules of plain data that several files use and that use nothing but their like."""
    users = _users(files)
    found = {
        path
        for path, spec in files.items()
        if is_python(path)
        and spec.state is FileState.NEW
        and spec.symbols
        and not in_tests(path)
        and len(users[path]) >= RENDERED_USERS
        and all(is_data(symbol) for symbol in spec.symbols)
    }
    while found:
        leaning = {p for p in found if any(u.path not in found for u in files[p].uses)}
        if not leaning:
            break
        found -= leaning
    return tuple(sorted(found))


def _nearly_all(count: int, files: Collection[str]) -> bool:
    return count >= max(HUB_FILES, HUB_SHARE * (len(files) - 1))


def _late(files: Mapping[str, FileSpec]) -> tuple[str, ...]:
    """Short files that use nearly all or are entry points, package inits or routers, and that no other file needs."""
    users = _users(files)
    plain = {
        path
        for path, spec in files.items()
        if spec.lines <= WIRING_LINES and any(u.path in files for u in spec.uses) and _is_late(spec, files)
    }
    while needed := {p for p in plain if users[p] - plain}:
        plain -= needed
    return tuple(sorted(plain)) if len(plain) < len(files) else ()


def _is_late(spec: FileSpec, files: Mapping[str, FileSpec]) -> bool:
    used = sum(u.path in files for u in spec.uses)
    return is_entry(spec.path) or is_init(spec.path) or _nearly_all(used, files)


def _hubs(files: Mapping[str, FileSpec]) -> tuple[str, ...]:
    """Files that nearly all others use and that use none of them."""
    users = _users(files)
    return tuple(
        sorted(
            path
            for path, spec in files.items()
            if _nearly_all(len(users[path]), files) and not any(u.path in files for u in spec.uses)
        )
    )


def _tests(specs: Mapping[str, FileSpec], work: Mapping[str, FileSpec]) -> tuple[ModuleTest, ...]:
    """All test files that are written, sorted: with a spec of their own, or only listed under a file."""
    listed = {t: path for path, spec in sorted(specs.items()) for t in spec.tests}
    own = {p for p, s in specs.items() if is_test(p) and s.state is not FileState.EXISTING}
    found = []
    for path in sorted({*listed, *own}):
        spec = specs.get(path)
        if spec is not None and spec.state is FileState.EXISTING:
            continue
        uses = tuple(u.path for u in spec.uses if u.path in work) if spec else ()
        home = _home(path, listed.get(path, ""), uses, work)
        size = spec.lines if spec else round(TEST_SHARE * specs[listed[path]].lines)
        found.append(ModuleTest(path, max(10, size), home, uses))
    return tuple(found)


def _home(path: str, listed: str, uses: tuple[str, ...], work: Mapping[str, FileSpec]) -> str:
    """The file that a test is of: the one that lists it, the only one that it uses, or the one it is named after."""
    if listed in work:
        return listed
    if len(uses) == 1:
        return uses[0]
    named = [p for p in sorted(work) if stem(p) == tested_stem(path)]
    return named[0] if not uses and len(named) == 1 else ""


def symbol_lines(symbol: Symbol) -> int:
    """Lines that a symbol's contract takes in a prompt."""
    return 1 + len(symbol.fields) + len(symbol.methods) + bool(symbol.description)
