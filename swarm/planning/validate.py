"""What is wrong with a plan, made or edited by hand: every problem one exact sentence with its field."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches

import networkx as nx

from swarm.domain.goal import Strategy
from swarm.domain.ids import slug
from swarm.domain.plan import Plan, Role, Task
from swarm.planning.assemble import EVERYTHING
from swarm.planning.paths import path_problem
from swarm.planning.scaffold import SCAFFOLD
from swarm.planning.symbol_rules import symbol_problems

WRITING = frozenset({Role.CODER, Role.TEST_WRITER, Role.SOLO})


def validate_plan(plan: Plan, existing_paths: Collection[str]) -> tuple[str, ...]:
    """Every problem of a plan for a repository with these files, one sentence each; empty when it can be run."""
    existing = frozenset(existing_paths)
    problems = [
        *_whole_problems(plan),
        *_id_problems(plan),
        *_dependency_problems(plan),
        *_path_problems(plan),
        *_shared_problems(plan, existing),
        *_contract_problems(plan),
    ]
    return tuple(dict.fromkeys(problems))


def _whole_problems(plan: Plan) -> Iterator[str]:
    if not plan.tasks:
        yield "tasks: there is none; a plan has at least one task."
    if not any(a.strip() for a in plan.acceptance):
        yield "acceptance: there is no command; name one that exits 0 on the finished tree, like `python -m pytest -q`."
    if plan.strategy is Strategy.AUTO:
        yield "strategy: auto is no outcome; say solo or swarm."
    if plan.strategy is Strategy.SOLO and len(plan.tasks) > 1:
        yield f"strategy: solo is one task, but there are {len(plan.tasks)}; say swarm."


def _id_problems(plan: Plan) -> Iterator[str]:
    for kind, names in (("tasks", [t.id for t in plan.tasks]), ("contracts", [c.id for c in plan.contracts])):
        for name, times in sorted(Counter(names).items()):
            if times > 1:
                yield f"{kind}: the id `{name}` is used {times} times; ids are unique."
            if not name or slug(name) != name:
                yield f"{kind}: the id `{name}` is not in canonical form; write `{slug(name) or 'a-name'}`."
    for task in plan.tasks:
        if task.id == SCAFFOLD:
            yield f"tasks: `{SCAFFOLD}` is the name of the scaffold; call the task something else."
        if task.role not in WRITING:
            roles = ", ".join(sorted(r.value for r in WRITING))
            yield f"task {task.id}, role: {task.role.value} doesn't write files; use one of {roles}."


def _dependency_problems(plan: Plan) -> Iterator[str]:
    known = {t.id for t in plan.tasks}
    graph: nx.DiGraph[str] = nx.DiGraph()
    for task in plan.tasks:
        for field, names in (("depends_on", task.depends_on), ("soft_depends_on", task.soft_depends_on)):
            for name in names:
                if name == task.id:
                    yield f"task {task.id}, {field}: it depends on itself."
                elif name not in known:
                    yield f"task {task.id}, {field}: there is no task `{name}`{_near(name, known)}."
                else:
                    graph.add_edge(task.id, name)
        for name in sorted(set(task.depends_on) & set(task.soft_depends_on)):
            yield f"task {task.id}: `{name}` is in depends_on and in soft_depends_on; keep one."
    for circle in sorted(sorted(c) for c in nx.strongly_connected_components(graph) if len(c) > 1):
        cycle = [edge[0] for edge in nx.find_cycle(graph.subgraph(circle), circle[0])]
        shown = " → ".join([*cycle, cycle[0]])
        yield f"task {cycle[0]}: dependency cycle {shown} (depends_on and soft_depends_on together); drop one of them."


def _near(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(known), n=2)
    return f"; near: {', '.join(close)}" if close else ""


def _path_problems(plan: Plan) -> Iterator[str]:
    claims: list[tuple[str, str]] = []
    for task in plan.tasks:
        if not task.owns:
            yield f"task {task.id}, owns: it owns no path, so it can't change anything."
        for path in task.owns:
            problem = "" if path == EVERYTHING else path_problem(path)
            if problem:
                yield f"task {task.id}, owns: {path!r} {problem}."
            else:
                claims.append((path, f"task {task.id}"))
    if any(path == EVERYTHING for path, _ in claims):
        claims = [(p, who) for p, who in claims if who != f"task {plan.tasks[0].id}" or p == EVERYTHING]
    else:
        claims += [(s.path, "the scaffold (shared)") for s in plan.shared]
        claims += [(c.path, "the scaffold (contract)") for c in plan.contracts if c.provider == SCAFFOLD]
    yield from _overlaps(claims)


def _overlaps(claims: list[tuple[str, str]]) -> Iterator[str]:
    """Paths that two claim, `dir/` prefixes taken into account."""
    seen: list[tuple[str, str]] = []
    for path, who in claims:
        for other, whose in seen:
            if covers(path, other) or covers(other, path):
                both = f"`{path}`" if path == other else f"`{path}` and `{other}`"
                if who == whose:
                    yield f"{who}, owns: {both} is claimed twice; keep one."
                else:
                    yield f"{who}, owns: {both} belongs to {whose} too; owned paths are disjoint."
        seen.append((path, who))


def covers(owned: str, path: str) -> bool:
    """Whether an owned path or `dir/` prefix covers a path (or a narrower prefix)."""
    return owned in (path, EVERYTHING) or (owned.endswith("/") and path.startswith(owned))


def _shared_problems(plan: Plan, existing: frozenset[str]) -> Iterator[str]:
    for shared in plan.shared:
        if problem := path_problem(shared.path):
            yield f"shared: {shared.path!r} {problem}."
        elif shared.path in existing:
            yield f"shared: `{shared.path}` exists; the scaffold replaces no file, so give it to a task."
    for path, times in sorted(Counter(s.path for s in plan.shared).items()):
        if times > 1:
            yield f"shared: `{path}` is listed {times} times."


def _contract_problems(plan: Plan) -> Iterator[str]:
    tasks = {t.id: t for t in plan.tasks}
    contracts = {c.id: c for c in plan.contracts}
    for contract in plan.contracts:
        where = f"contract {contract.id}"
        if problem := path_problem(contract.path):
            yield f"{where}, path: {contract.path!r} {problem}."
        if not contract.symbols:
            yield f"{where}, symbols: there is none; drop the contract or say what it promises."
        if contract.provider != SCAFFOLD and contract.provider not in tasks:
            yield f"{where}, provider: there is no task `{contract.provider}`{_near(contract.provider, tasks)}."
        elif contract.provider != SCAFFOLD and not any(
            covers(o, contract.path) for o in tasks[contract.provider].owns
        ):
            yield f"{where}, path: its provider `{contract.provider}` doesn't own `{contract.path}`."
        yield from (f"{where}, {p}" for p in symbol_problems(contract.path, contract.symbols))
    for path, ids in _by_path(plan).items():
        if len(ids) > 1:
            yield f"contracts: {', '.join(ids)} are all for `{path}`; one contract a file."
    for task in plan.tasks:
        yield from _link_problems(task, {c.id: c.provider for c in contracts.values()})


def _by_path(plan: Plan) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for contract in plan.contracts:
        found[contract.path].append(contract.id)
    return found


def _link_problems(task: Task, providers: Mapping[str, str]) -> Iterator[str]:
    for field, names in (("provides", task.provides), ("consumes", task.consumes)):
        for name in names:
            if name not in providers:
                yield f"task {task.id}, {field}: there is no contract `{name}`{_near(name, providers)}."
    for name in task.provides:
        if providers.get(name, task.id) != task.id:
            yield f"task {task.id}, provides: the provider of `{name}` is `{providers[name]}`."
    for name, provider in sorted(providers.items()):
        if provider == task.id and name not in task.provides:
            yield f"task {task.id}, provides: `{name}` is missing, though that contract names this task as provider."
    for name in task.consumes:
        provider = providers.get(name, SCAFFOLD)
        waits = {*task.depends_on, *task.soft_depends_on, SCAFFOLD, task.id}
        if provider not in waits:
            yield f"task {task.id}, soft_depends_on: it consumes `{name}`, so it has to be merged after `{provider}`."
