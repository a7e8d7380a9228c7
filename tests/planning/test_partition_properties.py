"""Properties of every plan, over random blueprints: a package of modules whose signatures mention each other."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm.domain.blueprint import Blueprint, FileSpec, FileState, Symbol, SymbolKind, Use
from swarm.domain.goal import Brief, Strategy
from swarm.domain.plan import Plan
from swarm.planning.blueprint import validate_blueprint
from swarm.planning.partition import make_plan
from swarm.planning.scaffold import scaffold_files
from swarm.planning.symbols import complete_uses, crossing
from swarm.planning.validate import covers, validate_plan

PACKAGE = "stubbedpkg"
TYPES = (
    "int",
    "str | None",
    "datetime",
    "Sequence[Path]",
    "Callable[[int], str]",
    "dict[str, Decimal]",
    "sqlite3.Row",
)
RELAXED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def symbols(draw: st.DrawFn, index: int, known: Sequence[str]) -> tuple[Symbol, ...]:
    """Symbols of module `index`; `known` are class names of earlier modules."""
    types = st.sampled_from([*TYPES, *known])
    found = []
    for number in range(draw(st.integers(1, 3))):
        name = f"N{index}x{number}"
        kind = draw(st.sampled_from(list(SymbolKind)[:5]))
        first, second = draw(types), draw(types)
        if kind is SymbolKind.FUNCTION:
            signature = f"def {name}(a: {first}, *, b: {second} | None = None) -> {draw(types)}"
            found.append(
                Symbol(name=name, kind=kind, signature=signature, description='Says "hello" \\ twice.')
            )
        elif kind is SymbolKind.CLASS:
            methods = (f"def __init__(self, a: {first}) -> None", f"async def run(self) -> {second}")
            found.append(Symbol(name=name, kind=kind, signature=f"class {name}", methods=methods))
        elif kind is SymbolKind.MODEL:
            fields = (f"a: {first}", f"b: {second} | None = None", "c: list[int] = []")
            found.append(Symbol(name=name, kind=kind, signature=f"class {name}", fields=fields))
        elif kind is SymbolKind.ERROR:
            found.append(Symbol(name=name, kind=kind, fields=("code: int",)))
        else:
            found.append(Symbol(name=name, kind=kind, signature=f"{name}: int = {index}"))
    return tuple(found)


@st.composite
def blueprints(draw: st.DrawFn) -> Blueprint:
    files: list[FileSpec] = []
    for index in range(draw(st.integers(1, 7))):
        classes = [s.name for f in files for s in f.symbols if s.signature.startswith("class")]
        path = f"{PACKAGE}/{draw(st.sampled_from(['', 'inner/']))}m{index}.py"
        chosen = (
            draw(st.lists(st.sampled_from(files), unique_by=lambda f: f.path, max_size=3)) if files else []
        )
        uses = tuple(
            Use(path=f.path, symbols=draw(st.sampled_from([(), (f.symbols[0].name,)]))) for f in chosen
        )
        files.append(
            FileSpec(
                path=path,
                purpose=f"Module {index}.",
                symbols=draw(symbols(index, classes)),
                uses=uses,
                lines=draw(st.integers(5, 400)),
                tests=draw(st.sampled_from([(), (f"tests/test_m{index}.py",)])),
            )
        )
    return draw(finished(files))


@st.composite
def finished(draw: st.DrawFn, files: list[FileSpec]) -> Blueprint:
    """The modules with, perhaps, an entry point, a package init and tests across modules."""
    extra = []
    everything = tuple(Use(path=f.path, symbols=(f.symbols[0].name,)) for f in files)
    if draw(st.booleans()):
        main = Symbol(name="main", kind=SymbolKind.FUNCTION, signature="def main() -> int")
        extra.append(
            FileSpec(
                path=f"{PACKAGE}/__main__.py", purpose="Start.", symbols=(main,), uses=everything, lines=30
            )
        )
    if draw(st.booleans()):
        extra.append(FileSpec(path=f"{PACKAGE}/__init__.py", purpose="All.", uses=everything[:2], lines=5))
    if draw(st.booleans()):
        extra.append(FileSpec(path="tests/test_all.py", purpose="Together.", uses=everything, lines=90))
    return Blueprint(summary="A package.", files=(*files, *extra), acceptance=("python -m pytest -q",))


STRATEGIES = st.sampled_from(list(Strategy))
AGENTS = st.integers(1, 5)


def planned(blueprint: Blueprint, agents: int, strategy: Strategy) -> Plan:
    return make_plan("The goal.", blueprint, Brief(base="0"), agents=agents, strategy=strategy)


@RELAXED
@given(blueprints(), AGENTS, STRATEGIES)
def test_every_plan_of_a_sound_blueprint_is_valid(
    blueprint: Blueprint, agents: int, strategy: Strategy
) -> None:
    assert validate_blueprint(blueprint, ()) == ()
    assert validate_plan(planned(blueprint, agents, strategy), ()) == ()


@RELAXED
@given(blueprints(), AGENTS, STRATEGIES)
def test_every_file_has_exactly_one_owner(blueprint: Blueprint, agents: int, strategy: Strategy) -> None:
    plan = planned(blueprint, agents, strategy)
    shared = {s.path for s in plan.shared} | {c.path for c in plan.contracts if c.provider == "scaffold"}
    paths = {f.path for f in blueprint.files} | {t for f in blueprint.files for t in f.tests}
    for path in paths:
        owners = [t.id for t in plan.tasks if any(covers(o, path) for o in t.owns)]
        assert len(owners) + (path in shared) == 1, path


@RELAXED
@given(blueprints(), AGENTS, STRATEGIES)
def test_dependencies_have_an_order(blueprint: Blueprint, agents: int, strategy: Strategy) -> None:
    plan = planned(blueprint, agents, strategy)
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_edges_from((t.id, d) for t in plan.tasks for d in (*t.depends_on, *t.soft_depends_on))
    assert nx.is_directed_acyclic_graph(graph)
    assert [t.id for t in plan.tasks if any(d not in {x.id for x in plan.tasks} for d in t.depends_on)] == []


@RELAXED
@given(blueprints(), AGENTS, STRATEGIES)
def test_contracts_are_exactly_the_symbols_that_cross_parts(
    blueprint: Blueprint, agents: int, strategy: Strategy
) -> None:
    plan = planned(blueprint, agents, strategy)
    specs = {f.path: f for f in complete_uses(blueprint).files}
    owner = {p: t.id for t in plan.tasks for p in t.owns}
    solo = plan.strategy is Strategy.SOLO
    used = {
        (use.path, name)
        for path, spec in specs.items()
        for use in spec.uses
        for name in use.symbols or tuple(s.name for s in specs[use.path].symbols)
        if owner.get(path) != owner.get(use.path)
    }
    for path, home in ((t, f.path) for f in blueprint.files for t in f.tests):
        if owner.get(path) != owner.get(home):  # a test of a rendered module, written by another task
            used |= {(home, s.name) for s in specs[home].symbols}
    rendered = [p for p in specs if p not in owner and p not in {s.path for s in plan.shared}]
    used |= {(p, s.name) for p in rendered for s in specs[p].symbols}
    expected = {} if solo else crossing(specs, used)
    assert {c.path: tuple(s.name for s in c.symbols) for c in plan.contracts} == expected


@RELAXED
@given(blueprints(), AGENTS, STRATEGIES)
def test_what_a_task_consumes_is_merged_before_it(
    blueprint: Blueprint, agents: int, strategy: Strategy
) -> None:
    plan = planned(blueprint, agents, strategy)
    for task in plan.tasks:
        providers = {plan.contract(c).provider for c in task.consumes} - {"scaffold"}
        assert providers <= {*task.depends_on, *task.soft_depends_on}
        assert task.id not in providers


@RELAXED
@given(blueprints(), AGENTS, STRATEGIES, st.randoms(use_true_random=False))
def test_the_order_of_files_does_not_change_the_plan(
    blueprint: Blueprint, agents: int, strategy: Strategy, random: Random
) -> None:
    files = list(blueprint.files)
    random.shuffle(files)
    shuffled = blueprint.model_copy(update={"files": tuple(files)})
    assert planned(shuffled, agents, strategy) == planned(blueprint, agents, strategy)


@RELAXED
@given(blueprints(), AGENTS)
def test_at_most_as_many_parts_as_agents_beside_wiring_and_cross_tests(
    blueprint: Blueprint, agents: int
) -> None:
    plan = planned(blueprint, agents, Strategy.AUTO)
    parts = [t for t in plan.tasks if t.role == "coder" and t.id != "wiring"]
    assert len(parts) <= agents


@RELAXED
@given(blueprints())
def test_a_forced_swarm_cuts_wherever_there_are_two_files_and_a_forced_solo_never(
    blueprint: Blueprint,
) -> None:
    swarm, solo = planned(blueprint, 4, Strategy.SWARM), planned(blueprint, 4, Strategy.SOLO)
    files = [f for f in blueprint.files if not f.path.startswith("tests/") and "__init__" not in f.path]
    assert len(solo.tasks) == 1
    assert solo.strategy is Strategy.SOLO
    assert (swarm.strategy is Strategy.SWARM) == (len(files) > 1)


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in [m for m in sys.modules if m.split(".")[0] == PACKAGE]:
            del sys.modules[name]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(blueprint=blueprints(), agents=st.integers(2, 5))
def test_stubs_of_every_forced_swarm_parse_and_import(
    tmp_path_factory: pytest.TempPathFactory, blueprint: Blueprint, agents: int
) -> None:
    folder = tmp_path_factory.mktemp("stubs")
    files = scaffold_files(planned(blueprint, agents, Strategy.SWARM), {})
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    with importable(folder):
        for path, text in files.items():
            if path.endswith(".py"):
                ast.parse(text)
                assert (
                    "says not where it is defined" not in text
                )  # every name of a signature has its contract
                importlib.import_module(path.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--no-cache",
        "-q",
        "--select",
        "E9,F63,F7,F82",
        ".",
    ]
    assert subprocess.run(ruff, cwd=folder, capture_output=True, text=True, check=False).stdout == ""


@RELAXED
@given(blueprints(), st.data())
def test_existing_files_are_never_shared_and_never_lost(blueprint: Blueprint, data: st.DataObject) -> None:
    chosen = data.draw(st.sets(st.sampled_from([f.path for f in blueprint.files])))
    files = tuple(
        f.model_copy(update={"state": FileState.CHANGED}) if f.path in chosen else f for f in blueprint.files
    )
    changed = blueprint.model_copy(update={"files": files})
    brief = Brief(base="0", files=tuple(sorted(chosen)))
    plan = make_plan("g", changed, brief, agents=4, strategy=Strategy.SWARM)
    assert validate_plan(plan, brief.files) == ()
    texts = dict.fromkeys(chosen, '"""Old."""\n\nKEPT = 1\n')
    written = scaffold_files(plan, texts)
    assert all(written[p].startswith(texts[p].rstrip()) for p in chosen & written.keys())
