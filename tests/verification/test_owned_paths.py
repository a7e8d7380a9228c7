"""Ownership: a task changes its own paths and makes new ones, never those of another."""

from __future__ import annotations

import pytest

from swarm.domain.blueprint import Symbol, SymbolKind
from swarm.domain.goal import Strategy
from swarm.domain.plan import Contract, Plan, Role, SharedFile, Task
from swarm.verification.ownership import ownership_findings, owns

SYMBOL = Symbol(name="f", kind=SymbolKind.FUNCTION)
PLAN = Plan(
    goal="a shortener",
    strategy=Strategy.SWARM,
    tasks=(
        Task(id="api", title="API", description="", owns=("app/api.py", "tests/api/"), provides=("app-api",)),
        Task(
            id="store",
            title="Store",
            description="",
            owns=("app/store.py", "app/store/", "./tests/test_store.py"),
        ),
    ),
    contracts=(
        Contract(id="app-api", path="app/api.py", provider="api", symbols=(SYMBOL,)),
        Contract(id="app-store", path="app/store.py", provider="store", symbols=(SYMBOL,)),
        Contract(id="app-models", path="app/models.py", provider="scaffold", symbols=(SYMBOL,)),
    ),
    shared=(SharedFile(path="pyproject.toml"), SharedFile(path="app/__init__.py")),
)
API = PLAN.task("api")


@pytest.mark.parametrize(
    "path",
    [
        "app/api.py",
        "tests/api/test_a.py",
        "./app/api.py",
        "docs/new.md",
        "app/helpers.py",
        "app/storefront.py",
    ],
)
def test_own_and_unowned_paths_are_fine(path: str) -> None:
    assert ownership_findings(PLAN, API, [path]) == ()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("app/store.py", "belongs to task `store` and carries a contract that others rely on"),
        ("app/store/sql.py", "belongs to task `store`; you changed it"),
        ("tests/test_store.py", "belongs to task `store`"),
        (
            "app/models.py",
            "belongs to the scaffold, which is the common base of all tasks and carries a contract",
        ),
        ("pyproject.toml", "belongs to the scaffold"),
        ("./app/__init__.py", "belongs to the scaffold"),
    ],
)
def test_the_path_of_another_is_a_finding_that_says_what_to_do(path: str, said: str) -> None:
    (finding,) = ownership_findings(PLAN, API, [path, "app/api.py"])
    assert said in finding
    assert "git checkout HEAD -- " in finding


def test_a_shared_file_that_a_task_owns_is_its_own() -> None:
    owner = API.model_copy(update={"owns": ("app/",)})
    assert ownership_findings(PLAN, owner, ["app/__init__.py"]) == ()


def test_a_solo_agent_may_change_everything() -> None:
    solo = Task(id="all", role=Role.SOLO, title="All", description="", owns=("app/",))
    assert ownership_findings(PLAN, solo, ["pyproject.toml", "app/models.py"]) == ()


@pytest.mark.parametrize("owned", ["", ".", "./", "**", "*"])
def test_the_root_owns_everything(owned: str) -> None:
    assert owns(API.model_copy(update={"owns": (owned,)}), "a/b.py")


def test_a_name_is_no_prefix() -> None:
    assert not owns(API, "app/api.py.bak")
    assert not owns(API, "tests/api")
