"""Blueprint → plan: the model says which files and symbols; code decides who writes what, and if a swarm is worth it.

After Co-Coder (arXiv 2606.00953): shared files apart, Louvain communities, leaves lifted out, parts merged or split
while T(P) = W(P) + α·C(P) falls. One part is a legal outcome, and then one agent does it all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from swarm.domain.blueprint import Blueprint
from swarm.domain.goal import Brief, Strategy
from swarm.domain.plan import Contract, Estimate, Plan, SharedFile, Task
from swarm.planning.assemble import Assembly, solo_task
from swarm.planning.cost import PRICES
from swarm.planning.cuts import Blocks
from swarm.planning.graph import WorkGraph, work_graph
from swarm.planning.manifests import ignore_file, shared_files
from swarm.planning.search import Search
from swarm.planning.symbols import complete_uses


@dataclass(frozen=True)
class Decision:
    """Solo (no groups) or a cut, why, and what was compared."""

    groups: Blocks
    reason: str
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True)
class Parts:
    """The parts of a plan that depend on how it is cut."""

    tasks: tuple[Task, ...]
    contracts: tuple[Contract, ...]
    shared: tuple[SharedFile, ...]


def make_plan(
    goal_text: str,
    blueprint: Blueprint,
    brief: Brief,
    *,
    agents: int,
    strategy: Strategy,
    code_uses: Mapping[str, Collection[str]] | None = None,
) -> Plan:
    """The plan of a validated blueprint for a repository, for at most `agents` parts at a time.

    `strategy` auto leaves solo or swarm to the cost model; swarm cuts wherever there are two files to cut. `code_uses`
    (path → imported paths) completes the blueprint with the dependencies of existing code. The same input, in whatever
    order its files are listed, gives the same plan.
    """
    blueprint = complete_uses(blueprint)
    forced = strategy is Strategy.SWARM
    graph = work_graph(blueprint, code_uses=code_uses)
    if forced and len(graph.early) < 2:
        graph = work_graph(blueprint, code_uses=code_uses, apart=False)
    limit = min(max(1, agents), 64) if not forced else max(2, min(agents, 64))
    search = Search(graph, limit)
    search.run()
    decision = _decide(search, graph, strategy)
    parts = (
        _swarm_parts(blueprint, brief, search, decision)
        if decision.groups
        else _solo_parts(blueprint, brief, graph)
    )
    return Plan(
        goal=goal_text,
        summary=_summary(blueprint),
        rationale=decision.reason,
        strategy=Strategy.SWARM if decision.groups else Strategy.SOLO,
        tasks=parts.tasks,
        contracts=parts.contracts,
        shared=parts.shared,
        acceptance=blueprint.acceptance,
        dependencies=blueprint.dependencies,
        estimates=decision.estimates,
    )


def _decide(search: Search, graph: WorkGraph, strategy: Strategy) -> Decision:
    solo = search.cutter.solo()
    cut = search.pick(at_least=2)
    if cut is None:
        reason = "Solo: " + _why_one(graph, strategy)
        return Decision((), reason, (solo.model_copy(update={"chosen": True}),))
    swarm = search.cutter.price(cut)
    worth = swarm.cost <= solo.cost * (1 - PRICES.margin)
    chosen = strategy is Strategy.SWARM or (strategy is Strategy.AUTO and worth)
    compared = (
        f"one agent is predicted at {solo.cost:.0f} turns and {solo.tokens:,} tokens, "
        f"the best cut into {swarm.parts} tasks at {swarm.cost:.0f} turns and {swarm.tokens:,} tokens"
    )
    asked = " (asked for)" if strategy is not Strategy.AUTO else ""
    reason = f"{'Swarm' if chosen else 'Solo'}{asked}: {compared}."
    return Decision(cut if chosen else (), reason, _estimates(search, solo, cut, swarmed=chosen))


def _why_one(graph: WorkGraph, strategy: Strategy) -> str:
    if len(graph.work) < 2:
        return "there is one file for an agent to write, so there is nothing to cut."
    asked = ", although a swarm was asked for" if strategy is Strategy.SWARM else ""
    return f"the files depend on each other too closely to be cut{asked}."


def _estimates(search: Search, solo: Estimate, cut: Blocks, *, swarmed: bool) -> tuple[Estimate, ...]:
    """Solo, the best cut, and the best ones with one part less and one more."""
    found = [solo.model_copy(update={"chosen": not swarmed})]
    for count in (len(cut) - 1, len(cut), len(cut) + 1):
        neighbour = search.estimate(count) if count > 1 else None
        if neighbour is not None:
            found.append(neighbour.model_copy(update={"chosen": swarmed and count == len(cut)}))
    return tuple(found)


def _solo_parts(blueprint: Blueprint, brief: Brief, graph: WorkGraph) -> Parts:
    return Parts((solo_task(graph, blueprint, brief.files),), (), ignore_file(brief.files, graph.specs))


def _swarm_parts(blueprint: Blueprint, brief: Brief, search: Search, decision: Decision) -> Parts:
    graph = search.graph
    assembly = Assembly(graph, search.cutter.pieces(decision.groups), brief.files)
    shared = shared_files(graph.shared, graph.specs, blueprint, brief.files)
    return Parts(assembly.tasks(), assembly.contracts(), shared)


def _summary(blueprint: Blueprint) -> str:
    notes = f"Decisions: {blueprint.notes.strip()}" if blueprint.notes.strip() else ""
    return "\n".join(t for t in (blueprint.summary.strip(), notes) if t)
