"""The search for the best cut: communities first, then merging, splitting and lifting out while T falls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, combinations

import networkx as nx

from swarm.domain.plan import Estimate
from swarm.planning.cuts import Blocks, Cutter, blocks
from swarm.planning.graph import WorkGraph

SEED = 7
"""Louvain visits nodes in a random order; the same one each time."""
MANY = 16
"""Before the search, small groups are joined until there are at most this many, or as many as agents."""
FEW = 12
"""With more groups than this, only merges with one of the smallest are tried."""
PROMISING = 3
"""For so many numbers of groups, the cheapest ones, the search goes on to the bottom."""
WIDE = 40
"""Beyond so many files only those at the rim of their group are tried elsewhere."""
HALVES = 12
"""A group is cut in two at no more places than this."""
EFFORT = 300_000
"""The search prices so many cuts divided by the number of files: a count and no clock, so that plans repeat."""


class Search:
    """All cuts that were looked at, the best one for each number of groups."""

    def __init__(self, graph: WorkGraph, agents: int) -> None:
        self.graph = graph
        self.cutter = Cutter(graph, agents)
        self.best: dict[int, Blocks] = {}
        self._agents = agents

    def run(self) -> None:
        """Fills `best` for one group up to at most as many as there are agents, and one more as a neighbour."""
        if not self.graph.early:
            return
        groups = self._packed(self.cutter.acyclic(self._communities()))
        self._note(groups)
        for count in range(1, self._agents + 1):
            self._note(self.cutter.acyclic(self._even(count)))
        while len(groups) > 1:
            groups = self._lowest(self._merged(groups))
        for count in range(1, self._agents + 1):
            if count in self.best:
                self._lowest(self._split(self.best[count]))
        seeds = sorted((g for c, g in self.best.items() if c <= self._agents), key=self._rank)
        for seed in seeds[:PROMISING]:
            self._descend(seed)

    def pick(self, at_least: int) -> Blocks | None:
        """The best cut with so many groups or more, at most one per agent; None when there is none."""
        found = [g for count, g in sorted(self.best.items()) if at_least <= count <= self._agents]
        return min(found, key=self._rank) if found else None

    def estimate(self, count: int) -> Estimate | None:
        """The estimate of the best cut into so many groups."""
        return self.cutter.price(self.best[count]) if count in self.best else None

    def _rank(self, groups: Blocks) -> tuple[float, int, Blocks]:
        return (self.cutter.price(groups).cost, len(groups), groups)

    def _note(self, groups: Blocks) -> Blocks:
        before = self.best.get(len(groups))
        if before is None or self._rank(groups) < self._rank(before):
            self.best[len(groups)] = groups
        return groups

    def _lowest(self, candidates: Iterable[Blocks]) -> Blocks:
        """The cheapest of some cuts, all of them noted; the empty cut where there are none."""
        noted = []
        for candidate in candidates:
            noted.append(self._note(candidate))
            if self.cutter.priced * len(self.graph.early) > EFFORT:
                break
        return min(noted, key=self._rank) if noted else ()

    def _descend(self, groups: Blocks) -> None:
        """Follows the best change while T falls."""
        while True:
            changed = self._lowest(chain(self._merged(groups), self._split(groups), self._lifted(groups)))
            if not changed or self._rank(changed) >= self._rank(groups):
                return
            groups = changed

    def _communities(self) -> Blocks:
        """Hubs alone, the rest by Louvain on numbered nodes: sets of text are visited in another order each time."""
        graph = self.graph.communities()
        found = (
            nx.community.louvain_communities(graph, weight="weight", seed=SEED)
            if graph.number_of_nodes()
            else []
        )
        parts = [[self.graph.core[i] for i in sorted(community)] for community in found]
        return blocks([*parts, *([hub] for hub in self.graph.hubs)])

    def _even(self, count: int) -> Blocks:
        """The dependency order in so many stretches of about the same size: balanced, and without circles."""
        order = self._order(self.graph.early)
        share = sum(self.graph.lines(p) for p in order) / count
        stretches: list[list[str]] = [[]]
        filled = 0.0
        for path in order:
            if filled >= share * len(stretches) and len(stretches) < count:
                stretches.append([])
            stretches[-1].append(path)
            filled += self.graph.lines(path)
        return blocks(stretches)

    def _packed(self, groups: Blocks) -> Blocks:
        """Fewer groups where there are very many: the smallest two joined, again and again."""
        while len(groups) > max(MANY, self._agents):
            small = self._by_size(groups)
            groups = self.cutter.acyclic(blocks([[*small[0], *small[1]], *small[2:]]))
        return groups

    def _by_size(self, groups: Blocks) -> list[tuple[str, ...]]:
        return sorted(groups, key=lambda g: (sum(self.graph.lines(p) for p in g), g))

    def _merged(self, groups: Blocks) -> Iterator[Blocks]:
        chosen = set(groups if len(groups) <= FEW else self._by_size(groups)[:2])
        for one, other in combinations(groups, 2):
            if one not in chosen and other not in chosen:
                continue
            rest = [g for g in groups if g not in (one, other)]
            yield self.cutter.acyclic(blocks([[*one, *other], *rest]))

    def _split(self, groups: Blocks) -> Iterator[Blocks]:
        """Each group cut in two at each place of its dependency order, which leaves no circle between the halves."""
        for group in groups:
            rest = [g for g in groups if g != group]
            order = self._order(group)
            for at in range(1, len(order), 1 + len(order) // HALVES):
                yield from self._valid(blocks([order[:at], order[at:], *rest]), len(groups) + 1)

    def _lifted(self, groups: Blocks) -> Iterator[Blocks]:
        """Single files moved to another group or to one of their own."""
        for group in groups:
            for path in self._movable(group):
                left = [p for p in group if p != path]
                rest = [g for g in groups if g != group]
                if left:
                    yield from self._valid(blocks([left, [path], *rest]), len(groups) + 1)
                for target in rest:
                    others = [g for g in rest if g != target]
                    count = len(groups) if left else len(groups) - 1
                    yield from self._valid(blocks([left, [*target, path], *others]), count)

    def _valid(self, groups: Blocks, count: int) -> Iterator[Blocks]:
        sound = self.cutter.acyclic(groups)
        if len(sound) == count:
            yield sound

    def _movable(self, group: tuple[str, ...]) -> list[str]:
        if len(self.graph.early) <= WIDE:
            return list(group)
        inside = set(group)
        degree = {p: len(inside & set(self.graph.uses[p])) for p in group}
        for path in group:
            for used in inside & set(self.graph.uses[path]):
                degree[used] += 1
        return [p for p in group if degree[p] <= 1][:WIDE]

    def _order(self, group: tuple[str, ...]) -> list[str]:
        """The group's files, used ones before their users."""
        inside: nx.DiGraph[str] = nx.DiGraph()
        inside.add_nodes_from(group)
        for path in group:
            inside.add_edges_from((used, path) for used in self.graph.uses[path] if used in group)
        if not nx.is_directed_acyclic_graph(inside):
            return list(group)
        return list(nx.lexicographical_topological_sort(inside))
