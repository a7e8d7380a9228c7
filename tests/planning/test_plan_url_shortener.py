"""The golden example: a realistic blueprint of a URL shortener becomes a sensible, wide plan."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from swarm.domain.blueprint import Blueprint, FileSpec, FileState, Symbol, SymbolKind, Use
from swarm.domain.goal import Brief, Strategy
from swarm.domain.plan import Plan, Role
from swarm.planning.blueprint import parse_blueprint, validate_blueprint
from swarm.planning.graph import work_graph
from swarm.planning.partition import make_plan
from swarm.planning.scaffold import contract_text, scaffold_files
from swarm.planning.schedule import ready
from swarm.planning.search import Search
from swarm.planning.validate import validate_plan


@pytest.fixture(scope="module")
def blueprint() -> Blueprint:
    parsed = parse_blueprint(Path(__file__).with_name("url_shortener.json").read_text(encoding="utf-8"))
    assert isinstance(parsed, Blueprint)
    return parsed


@pytest.fixture(scope="module")
def plan(blueprint: Blueprint) -> Plan:
    return make_plan("A URL shortener.", blueprint, Brief(base="0"), agents=4, strategy=Strategy.AUTO)


def test_the_blueprint_and_its_plan_are_sound(blueprint: Blueprint, plan: Plan) -> None:
    assert validate_blueprint(blueprint, ()) == ()
    assert validate_plan(plan, ()) == ()


def test_a_swarm_is_chosen_and_at_least_three_tasks_start_at_once(plan: Plan) -> None:
    assert plan.strategy is Strategy.SWARM
    assert len(ready(plan, (), (), ())) >= 3
    assert "Swarm: one agent is predicted" in plan.rationale


def test_data_and_errors_are_complete_in_the_scaffold(plan: Plan) -> None:
    scaffolded = {c.path for c in plan.contracts if c.provider == "scaffold"}
    assert scaffolded == {"shortener/models.py", "shortener/errors.py"}


def test_the_entry_point_waits_for_what_it_wires(plan: Plan) -> None:
    wiring = plan.task("wiring")
    assert wiring.owns == ("shortener/__main__.py",)
    providers = {plan.contract(c).provider for c in wiring.consumes} - {"scaffold"}
    assert set(wiring.depends_on) >= {"server", "storage"}
    assert providers <= {*wiring.depends_on, *wiring.soft_depends_on}


def test_module_tests_belong_to_their_module_and_cross_tests_to_a_test_writer(plan: Plan) -> None:
    storage = plan.task("storage")
    assert "tests/test_storage.py" in storage.owns
    assert any("tests/test_storage.py" in command for command in storage.tests)
    writer = next(t for t in plan.tasks if t.role is Role.TEST_WRITER)
    assert writer.owns == ("tests/test_end_to_end.py",)
    assert writer.depends_on == ()
    assert {"server", "storage"} <= set(writer.soft_depends_on)


def test_estimates_show_solo_the_choice_and_its_neighbours(plan: Plan) -> None:
    assert plan.estimates[0].strategy is Strategy.SOLO
    chosen = [e for e in plan.estimates if e.chosen]
    assert len(chosen) == 1
    assert chosen[0].cost < plan.estimates[0].cost
    assert all(e.cost >= chosen[0].cost for e in plan.estimates)
    assert len(plan.estimates) >= 3


def test_descriptions_say_files_symbols_tests_and_company(plan: Plan) -> None:
    service = plan.task("service").description
    assert (
        "## shortener/service.py (new, replaces the stub that stands there, about 170 lines of code)"
        in service
    )
    assert "def resolve(self, code: str) -> str" in service
    assert "`shortener/storage.py` (by task storage): `LinkStore`" in service
    assert "tests/test_service.py" in service
    assert "Written by others while you work: storage, validation" in service


def test_the_same_goal_asked_as_solo_is_one_task_that_owns_everything(blueprint: Blueprint) -> None:
    plan = make_plan("g", blueprint, Brief(base="0"), agents=4, strategy=Strategy.SOLO)
    (task,) = plan.tasks
    assert (task.role, task.owns) == (Role.SOLO, ("./",))
    assert plan.contracts == ()
    assert [s.path for s in plan.shared] == [".gitignore"]
    assert validate_plan(plan, ()) == ()


def test_the_scaffold_imports_in_a_bare_interpreter_and_passes_the_linter(plan: Plan, tmp_path: Path) -> None:
    files = scaffold_files(plan, {})
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    modules = ", ".join(p[:-3].replace("/", ".") for p in files if p.endswith(".py") and "__" not in p)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {modules}"
    bare = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert bare.stderr == ""
    rules = ["--select", "E9,F,I", "--line-length", "110"]
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "-q", *rules, str(tmp_path)]
    assert subprocess.run(ruff, capture_output=True, text=True, check=False).stdout == ""


def test_a_contract_reads_as_code_for_python_and_as_lines_for_routes(plan: Plan) -> None:
    text = contract_text(plan.contract("shortener-server"))
    assert "provided by task `server`" in text
    assert "def make_server(service: LinkService, host: str, port: int) -> ThreadingHTTPServer:" in text
    models = contract_text(plan.contract("shortener-models"))
    assert "the scaffold (complete)" in models
    assert "    expires_at: datetime | None = None" in models


def module(name: str, *uses: str, lines: int = 40) -> FileSpec:
    """A module `pkg/<name>.py` with one function and a test of its own."""
    symbol = Symbol(name=f"do_{name}", kind=SymbolKind.FUNCTION, signature=f"def do_{name}() -> int")
    used = tuple(Use(path=f"pkg/{u}.py", symbols=(f"do_{u}",)) for u in uses)
    path = f"pkg/{name}.py"
    return FileSpec(
        path=path, purpose=name, symbols=(symbol,), uses=used, lines=lines, tests=(f"tests/test_{name}.py",)
    )


def plan_of(
    *files: FileSpec,
    agents: int = 4,
    strategy: Strategy = Strategy.AUTO,
    brief: Brief | None = None,
    code_uses: dict[str, tuple[str, ...]] | None = None,
) -> Plan:
    blueprint = Blueprint(summary="s", files=files, acceptance=("python -m pytest -q",))
    brief = brief or Brief(base="0")
    return make_plan("g", blueprint, brief, agents=agents, strategy=strategy, code_uses=code_uses)


def test_a_small_goal_of_three_independent_modules_saturates_and_stays_solo() -> None:
    plan = plan_of(module("a"), module("b"), module("c"))
    assert plan.strategy is Strategy.SOLO
    assert "Solo: one agent is predicted" in plan.rationale


def test_the_same_three_modules_at_five_times_the_size_become_a_swarm() -> None:
    plan = plan_of(module("a", lines=300), module("b", lines=300), module("c", lines=300))
    assert plan.strategy is Strategy.SWARM
    assert len(plan.tasks) == 3


def test_a_swarm_asked_for_with_one_file_is_solo_and_says_why() -> None:
    plan = plan_of(module("a"), strategy=Strategy.SWARM)
    assert plan.strategy is Strategy.SOLO
    assert "one file" in plan.rationale


def test_a_swarm_asked_for_is_cut_even_where_it_costs_more() -> None:
    plan = plan_of(module("a"), module("b", "a"), strategy=Strategy.SWARM)
    assert [t.id for t in plan.tasks] == ["a", "b"]
    assert plan.task("b").soft_depends_on == ("a",)
    assert "Swarm (asked for)" in plan.rationale


def test_one_agent_never_makes_a_swarm_by_itself() -> None:
    plan = plan_of(module("a", lines=900), module("b", lines=900), agents=1)
    assert plan.strategy is Strategy.SOLO


def test_code_without_stubs_is_waited_for() -> None:
    core = FileSpec(
        path="web/core.js",
        purpose="core",
        lines=300,
        symbols=(Symbol(name="core", kind=SymbolKind.FUNCTION),),
    )
    view = FileSpec(
        path="web/view.js", purpose="view", lines=300, uses=(Use(path="web/core.js", symbols=("core",)),)
    )
    plan = plan_of(core, view, strategy=Strategy.SWARM)
    assert plan.task("view").depends_on == ("core",)
    assert set(scaffold_files(plan, {})) == {".gitignore", "docs/contracts/web-core-js.md"}


def test_a_changed_file_is_owned_and_an_existing_one_is_not() -> None:
    old = FileSpec(path="pkg/old.py", purpose="old", state=FileState.EXISTING, symbols=module("old").symbols)
    changed = module("a", "old", lines=300).model_copy(update={"state": FileState.CHANGED})
    brief = Brief(base="0", files=("pkg/__init__.py", "pkg/a.py", "pkg/old.py"))
    plan = plan_of(old, changed, module("b", lines=300), strategy=Strategy.SWARM, brief=brief)
    owned = {p for t in plan.tasks for p in t.owns}
    assert "pkg/a.py" in owned
    assert "pkg/old.py" not in owned
    assert plan.shared == ()
    assert plan.contracts == ()


def test_imports_of_existing_code_order_tasks_that_the_model_left_apart() -> None:
    files = [module(n, lines=300).model_copy(update={"state": FileState.CHANGED}) for n in ("a", "b")]
    brief = Brief(base="0", files=("pkg/a.py", "pkg/b.py"))
    plan = plan_of(*files, strategy=Strategy.SWARM, brief=brief, code_uses={"pkg/a.py": ("pkg/b.py",)})
    assert plan.task("a").soft_depends_on == ("b",)


def test_a_package_init_that_reexports_is_written_by_the_scaffold() -> None:
    names = tuple(
        Symbol(name=n, kind=SymbolKind.FUNCTION, signature=f"def {n}() -> int") for n in ("do_a", "do_b")
    )
    init = FileSpec(path="pkg/__init__.py", purpose="All there is.", symbols=names)
    plan = plan_of(init, module("a", lines=300), module("b", lines=300), strategy=Strategy.SWARM)
    (text,) = (s.content for s in plan.shared if s.path == "pkg/__init__.py")
    assert "from pkg.a import do_a" in text
    assert '__all__ = ["do_a", "do_b"]' in text
    assert {c.path for c in plan.contracts} == {"pkg/a.py", "pkg/b.py"}


def test_a_source_root_is_on_the_path_of_the_tests() -> None:
    files = [module(n, lines=300) for n in ("a", "b")]
    moved = [f.model_copy(update={"path": f"src/{f.path}"}) for f in files]
    plan = plan_of(*moved, strategy=Strategy.SWARM)
    assert plan.task("a").tests == ("PYTHONPATH=src python -m pytest -q tests/test_a.py",)


def test_a_test_of_the_entry_point_belongs_to_the_wiring_whatever_it_uses() -> None:
    main = module("main", "a", "b")
    test = FileSpec(
        path="tests/test_main.py",
        purpose="t",
        uses=tuple(Use(path=f"pkg/{n}.py") for n in ("main", "a", "b")),
    )
    plan = plan_of(module("a", lines=300), module("b", lines=300), main, test, strategy=Strategy.SWARM)
    assert "tests/test_main.py" in plan.task("wiring").owns
    assert all(t.role is Role.CODER for t in plan.tasks)


def test_plain_data_with_one_user_is_written_by_that_user() -> None:
    model = Symbol(name="M", kind=SymbolKind.MODEL, signature="class M", fields=("a: int",))
    data = FileSpec(path="pkg/data.py", purpose="data", symbols=(model,), lines=20)
    one = module("a", lines=300).model_copy(update={"uses": (Use(path=data.path, symbols=("M",)),)})
    plan = plan_of(data, one, module("b", lines=300))
    assert "pkg/data.py" in plan.task("a").owns
    assert plan.contracts == ()


def test_who_sees_a_signature_gets_the_names_in_it_too() -> None:
    model = Symbol(
        name="M", kind=SymbolKind.MODEL, signature="class M", fields=("a: Inner",), raises=("Odd",)
    )
    inner = Symbol(name="Inner", kind=SymbolKind.MODEL, signature="class Inner", fields=("b: int",))
    unseen = inner.model_copy(update={"name": "Unseen", "signature": "class Unseen"})
    data = FileSpec(path="pkg/data.py", purpose="d", lines=300, symbols=(model, inner, unseen))
    errors = FileSpec(
        path="pkg/odd.py", purpose="o", lines=5, symbols=(Symbol(name="Odd", kind=SymbolKind.ERROR),)
    )
    user = module("user", lines=300).model_copy(update={"uses": (Use(path="pkg/data.py", symbols=("M",)),)})
    plan = plan_of(data, errors, user, agents=2, strategy=Strategy.SWARM)
    crossing = {c.path: [s.name for s in c.symbols] for c in plan.contracts}
    assert crossing == {"pkg/data.py": ["M", "Inner"], "pkg/odd.py": ["Odd"]}


def test_an_error_named_like_a_builtin_is_meant_where_it_is_raised() -> None:
    error = Symbol(name="TimeoutError", kind=SymbolKind.ERROR)
    faults = FileSpec(path="pkg/faults.py", purpose="f", symbols=(error,), lines=300)
    raising = module("a", lines=300)
    raising = raising.model_copy(
        update={"symbols": (raising.symbols[0].model_copy(update={"raises": ("TimeoutError",)}),)}
    )
    plan = plan_of(faults, raising, strategy=Strategy.SWARM)
    assert plan.task("a").soft_depends_on == ("faults",)


def test_a_function_named_like_a_builtin_does_not_become_a_dependency_of_its_users() -> None:
    name = Symbol(name="list", kind=SymbolKind.FUNCTION, signature="def list() -> int")
    commands = FileSpec(path="pkg/commands.py", purpose="c", symbols=(name,), lines=300)
    rows = Symbol(name="rows", kind=SymbolKind.FUNCTION, signature="def rows() -> list[int]")
    store = FileSpec(path="pkg/store.py", purpose="s", symbols=(rows,), lines=300)
    plan = plan_of(commands, store, strategy=Strategy.SWARM)
    assert plan.contracts == ()
    assert plan.task("store").soft_depends_on == ()


def test_the_plan_does_not_depend_on_the_seed_of_the_process(blueprint: Blueprint) -> None:
    code = (
        "import sys\nfrom swarm.planning.blueprint import parse_blueprint\n"
        "from swarm.planning.partition import make_plan\n"
        "from swarm.domain.goal import Brief, Strategy\n"
        "b = parse_blueprint(sys.stdin.read())\n"
        "print(make_plan('g', b, Brief(base='0'), agents=4, strategy=Strategy.AUTO).model_dump_json())"
    )
    root = Path(__file__).parents[2]
    plans = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=blueprint.model_dump_json(),
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(plans) == 1


def test_communities_are_the_same_each_time_also_where_there_is_no_best_one() -> None:
    names = [f"r{i}" for i in range(30)]
    ring = [module(n, *([names[i - 1]] if i else [])) for i, n in enumerate(names)]
    graph = work_graph(Blueprint(summary="s", files=tuple(ring)))
    assert len({Search(graph, 4)._communities() for _ in range(12)}) == 1
