"""Every problem of a plan, also of one edited by hand, is one exact sentence."""

from __future__ import annotations

from typing import Any

import pytest

from swarm.domain.blueprint import Symbol, SymbolKind
from swarm.domain.goal import Strategy
from swarm.domain.plan import Contract, Plan, Role, SharedFile, Task
from swarm.planning.validate import validate_plan

F = Symbol(name="f", kind=SymbolKind.FUNCTION, signature="def f() -> int")


def task(name: str, *owns: str, **extra: Any) -> Task:
    return Task(id=name, title=name, description="d", owns=owns or (f"pkg/{name}.py",), **extra)


def contract(name: str, provider: str, **extra: Any) -> Contract:
    fields = {"id": name, "path": f"pkg/{provider}.py", "provider": provider, "symbols": (F,), **extra}
    return Contract.model_validate(fields)


def plan(*tasks: Task, **extra: Any) -> Plan:
    fields = {"goal": "g", "strategy": Strategy.SWARM, "tasks": tasks, "acceptance": ("pytest",), **extra}
    return Plan.model_validate(fields)


A = task("a", provides=("c",))
B = task("b", consumes=("c",), soft_depends_on=("a",))
C = contract("c", "a")


def test_a_sound_plan_has_no_problems() -> None:
    assert validate_plan(plan(A, B, contracts=(C,)), ()) == ()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (plan(), "tasks: there is none; a plan has at least one task."),
        (plan(task("a"), acceptance=()), "acceptance: there is no command; name one that exits 0"),
        (plan(task("a"), strategy=Strategy.AUTO), "strategy: auto is no outcome; say solo or swarm."),
        (
            plan(task("a"), task("b"), strategy=Strategy.SOLO),
            "strategy: solo is one task, but there are 2; say swarm.",
        ),
        (plan(task("a"), task("a", "x.py")), "tasks: the id `a` is used 2 times; ids are unique."),
        (plan(task("My Task", "x.py")), "tasks: the id `My Task` is not in canonical form; write `my-task`."),
        (
            plan(task("scaffold", "x.py")),
            "tasks: `scaffold` is the name of the scaffold; call the task something else.",
        ),
        (
            plan(task("a", role=Role.JUDGE)),
            "task a, role: judge doesn't write files; use one of coder, solo, test-writer.",
        ),
        (plan(task("a", depends_on=("a",))), "task a, depends_on: it depends on itself."),
        (
            plan(task("storage"), task("b", soft_depends_on=("storge",))),
            "task b, soft_depends_on: there is no task `storge`; near: storage.",
        ),
        (
            plan(task("a"), task("b", depends_on=("a",), soft_depends_on=("a",))),
            "task b: `a` is in depends_on and in soft_depends_on; keep one.",
        ),
        (
            plan(task("a", depends_on=("b",)), task("b", soft_depends_on=("a",))),
            "task a: dependency cycle a → b → a (depends_on and soft_depends_on together); drop one of them.",
        ),
        (
            plan(Task(id="a", title="a", description="d", owns=())),
            "task a, owns: it owns no path, so it can't change anything.",
        ),
        (plan(task("a", "../x.py")), "task a, owns: '../x.py' leaves the repository through `..`."),
        (
            plan(task("a", "x.py"), task("b", "x.py")),
            "task b, owns: `x.py` belongs to task a too; owned paths are disjoint.",
        ),
        (
            plan(task("a", "pkg/"), task("b", "pkg/deep/x.py")),
            "task b, owns: `pkg/deep/x.py` and `pkg/` belongs to task a too; owned paths are disjoint.",
        ),
        (plan(task("a", "x.py", "x.py")), "task a, owns: `x.py` is claimed twice; keep one."),
        (plan(task("a", "./"), task("b", "x.py")), "task b, owns: `x.py` and `./` belongs to task a too"),
        (
            plan(task("a", "x.py"), shared=(SharedFile(path="x.py"),)),
            "the scaffold (shared), owns: `x.py` belongs to task a too; owned paths are disjoint.",
        ),
        (
            plan(task("a"), contracts=(contract("c", "scaffold", path="pkg/a.py"),)),
            "the scaffold (contract), owns: `pkg/a.py` belongs to task a too; owned paths are disjoint.",
        ),
        (
            plan(task("a"), shared=(SharedFile(path="old.py"),)),
            "shared: `old.py` exists; the scaffold replaces no file, so give it to a task.",
        ),
        (plan(task("a"), shared=(SharedFile(path="/x"),)), "shared: '/x' is not relative to the repository."),
        (
            plan(task("a"), shared=(SharedFile(path="x"), SharedFile(path="x"))),
            "shared: `x` is listed 2 times.",
        ),
        (
            plan(task("a", consumes=("cc",)), A.model_copy(update={"id": "b", "owns": ("b",)})),
            "task a, consumes: there is no",
        ),
        (
            plan(A, contracts=(C.model_copy(update={"symbols": ()}),)),
            "contract c, symbols: there is none; drop the contract or say what it promises.",
        ),
        (
            plan(A, contracts=(C.model_copy(update={"provider": "aa"}),)),
            "contract c, provider: there is no task `aa`; near: a.",
        ),
        (
            plan(A, contracts=(C.model_copy(update={"path": "pkg/z.py"}),)),
            "contract c, path: its provider `a` doesn't own `pkg/z.py`.",
        ),
        (
            plan(A, contracts=(C.model_copy(update={"path": "/z.py"}),)),
            "contract c, path: '/z.py' is not relative to the repository.",
        ),
        (
            plan(A, contracts=(C.model_copy(update={"symbols": (F, F)}),)),
            "contract c, pkg/a.py, symbol `f`: it is listed twice.",
        ),
        (
            plan(
                A,
                contracts=(
                    C.model_copy(update={"symbols": (F.model_copy(update={"signature": "def f("}),)}),
                ),
            ),
            "contract c, pkg/a.py, symbol `f`, signature: `def f(` is not Python",
        ),
        (
            plan(task("a", provides=("c", "d")), contracts=(C, contract("d", "a"))),
            "contracts: c, d are all for `pkg/a.py`; one contract a file.",
        ),
        (
            plan(A, task("b", provides=("c",)), contracts=(C,)),
            "task b, provides: the provider of `c` is `a`.",
        ),
        (
            plan(task("a"), contracts=(C,)),
            "task a, provides: `c` is missing, though that contract names this task as provider.",
        ),
        (
            plan(A, task("b", consumes=("c",)), contracts=(C,)),
            "task b, soft_depends_on: it consumes `c`, so it has to be merged after `a`.",
        ),
    ],
)
def test_each_problem_is_one_exact_sentence(given: Plan, sentence: str) -> None:
    found = validate_plan(given, ("old.py",))
    assert any(s.startswith(sentence) for s in found), found
    assert all(s.endswith(".") for s in found)


def test_a_solo_task_may_own_everything_beside_shared_files() -> None:
    solo = plan(task("solo", "./"), strategy=Strategy.SOLO, shared=(SharedFile(path=".gitignore"),))
    assert validate_plan(solo, ()) == ()
