"""A cut: the files for agents in disjoint parts, with the wiring and the tests across modules as parts of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import networkx as nx

from swarm.domain.blueprint import SymbolKind
from swarm.domain.plan import Estimate
from swarm.planning.cost import Part, estimate
from swarm.planning.graph import ModuleTest, WorkGraph, symbol_lines
from swarm.planning.paths import is_document, is_python

Blocks = tuple[tuple[str, ...], ...]
"""Disjoint groups of paths, each sorted, in sorted order: the canonical form of a partition."""


def blocks(groups: Iterable[Iterable[str]]) -> Blocks:
    """Groups of paths in canonical form, empty ones dropped."""
    return tuple(sorted(g for g in (tuple(sorted(group)) for group in groups) if g))


@dataclass(frozen=True)
class Piece:
    """One part of a cut: its files and its test files. `kind` is `core`, `wiring` or `tests`."""

    kind: str
    files: tuple[str, ...]
    tests: tuple[str, ...]
    lines: int
    context: int
    hard: frozenset[int]
    soft: frozenset[int]


def _has_circle(size: int, arrows: set[tuple[int, int]]) -> bool:
    """Whether arrows among a few numbers close a circle: what nobody needs is taken away until nothing can be."""
    left = set(range(size))
    while left:
        needed = {p for u, p in arrows if u in left}
        free = left - needed
        if not free:
            return True
        left -= free
    return False


class Cutter:
    """Cuts of one work graph: from groups of files to pieces with dependencies, and their price."""

    def __init__(self, graph: WorkGraph, agents: int) -> None:
        self._graph = graph
        self._agents = agents
        self._known: dict[Blocks, Estimate] = {}

    def acyclic(self, groups: Blocks) -> Blocks:
        """The groups with those that need each other in a circle merged: soft dependencies must have an order too."""
        while True:
            owner = {p: i for i, group in enumerate(groups) for p in group}
            arrows = {(owner[u], owner[p]) for u, p in self._edges if u in owner and p in owner}
            if not _has_circle(len(groups), {(u, p) for u, p in arrows if u != p}):
                return groups
            needs: nx.DiGraph[int] = nx.DiGraph(sorted(arrows))
            needs.add_nodes_from(range(len(groups)))
            groups = blocks(
                [p for i in c for p in groups[i]] for c in nx.strongly_connected_components(needs)
            )

    @cached_property
    def _edges(self) -> list[tuple[str, str]]:
        return [(user, p) for user, used in self._graph.uses.items() for p in used]

    @property
    def priced(self) -> int:
        """How many cuts were priced so far."""
        return len(self._known)

    def price(self, groups: Blocks) -> Estimate:
        """The estimate of a cut into these groups."""
        if groups not in self._known:
            pieces = self.pieces(groups)
            parts = [Part(p.lines, p.context, p.hard) for p in pieces]
            self._known[groups] = estimate(parts, self._agents)
        return self._known[groups]

    def pieces(self, groups: Blocks) -> tuple[Piece, ...]:
        """The parts of a cut: the groups in order, then the wiring, then the tests across modules."""
        kinds = [("core", group) for group in groups]
        if self._graph.late:
            kinds.append(("wiring", self._graph.late))
        owner = {p: i for i, (_, group) in enumerate(kinds) for p in group}
        places = {test.path: self._place(test, owner) for test in self._graph.tests}
        crossing = tuple(t.path for t in self._graph.tests if places[t.path] < 0)
        found = []
        for index, (kind, files) in enumerate(kinds):
            tests = tuple(t.path for t in self._graph.tests if places[t.path] == index)
            found.append(self._piece(kind, index, files, tests, owner))
        if crossing:
            found.append(self._crossing_piece(crossing, owner, len(kinds)))
        return tuple(found)

    def _place(self, test: ModuleTest, owner: dict[str, int]) -> int:
        """The part that a test belongs to; -1 where it spans several."""
        if test.home in self._graph.late:
            return owner[test.home]  # the wiring starts from the merged others, so its tests may use them
        around = {owner[p] for p in (*test.uses, test.home) if p in owner}
        return around.pop() if len(around) == 1 else -1

    def _piece(
        self, kind: str, index: int, files: Sequence[str], tests: tuple[str, ...], owner: dict[str, int]
    ) -> Piece:
        users = [*files, *(t.path for t in self._graph.tests if t.path in tests)]
        pairs = {(p, name) for user in users for p, name in self._needs(user) if owner.get(p, -1) != index}
        used = {p for user in files for p in self._graph.uses[user]}
        used |= {p for t in self._graph.tests if t.path in tests for p in t.uses}
        hard = {owner[p] for p in used if owner[p] != index and (kind == "wiring" or self._is_needed(p))}
        soft = {owner[p] for p in used if owner[p] != index} - hard
        return Piece(
            kind=kind,
            files=tuple(files),
            tests=tests,
            lines=sum(self._graph.lines(p) for p in files) + self._test_lines(tests),
            context=self._context(pairs),
            hard=frozenset(hard),
            soft=frozenset(soft),
        )

    def _crossing_piece(self, tests: tuple[str, ...], owner: dict[str, int], index: int) -> Piece:
        chosen = [t for t in self._graph.tests if t.path in tests]
        used = {p for t in chosen for p in (*t.uses, t.home) if p in owner}
        wide = any(not t.uses and t.home not in owner for t in chosen)
        pairs = {pair for t in chosen for pair in self._needs(t.path)}
        soft = frozenset(range(index)) if wide else frozenset(owner[p] for p in used)
        return Piece("tests", (), tests, self._test_lines(tests), self._context(pairs), frozenset(), soft)

    def _is_needed(self, path: str) -> bool:
        """Whether a file has to be there, and not its contract alone: code of a language that has no stubs."""
        symbols = self._graph.specs[path].symbols
        told = symbols and all(s.kind in (SymbolKind.ROUTE, SymbolKind.COMMAND) for s in symbols)
        return not is_python(path) and not is_document(path) and not told

    def _needs(self, user: str) -> list[tuple[str, str]]:
        """The (path, symbol) pairs that a file uses; every symbol where it names none."""
        return self._wanted.get(user, [])

    @cached_property
    def _wanted(self) -> dict[str, list[tuple[str, str]]]:
        specs = self._graph.specs
        found: dict[str, list[tuple[str, str]]] = {}
        for path, spec in specs.items():
            found[path] = [
                (use.path, name)
                for use in spec.uses
                if use.path in specs
                for name in (use.symbols or tuple(s.name for s in specs[use.path].symbols))
            ]
        return found

    @cached_property
    def _sizes(self) -> dict[tuple[str, str], int]:
        return {
            (path, s.name): symbol_lines(s) for path, spec in self._graph.specs.items() for s in spec.symbols
        }

    def _context(self, pairs: Iterable[tuple[str, str]]) -> int:
        return sum(self._sizes.get(pair, 0) for pair in pairs)

    def _test_lines(self, tests: Sequence[str]) -> int:
        return sum(t.lines for t in self._graph.tests if t.path in tests)

    def solo(self) -> Estimate:
        """The estimate of one agent that writes everything, what the scaffold would write included."""
        graph = self._graph
        lines = sum(graph.lines(p) for p in (*graph.work, *graph.rendered, *graph.shared))
        lines += sum(t.lines for t in graph.tests)
        return estimate([Part(lines)], self._agents)
