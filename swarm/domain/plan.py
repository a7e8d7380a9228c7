"""The plan: tasks with disjoint owned paths and the contracts that cross them."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from swarm.domain.base import Value
from swarm.domain.blueprint import Symbol
from swarm.domain.goal import Strategy

PLAN_VERSION = 1


class Role(StrEnum):
    """Who does the work. Writing roles change files; planner and judge answer once."""

    PLANNER = "planner"
    CODER = "coder"
    TEST_WRITER = "test-writer"
    SOLO = "solo"
    INTEGRATOR = "integrator"
    FIXER = "fixer"
    JUDGE = "judge"


class Contract(Value):
    """The symbols of one file that cross tasks. `id` is the slug of the path; `provider` a task or `scaffold`.

    `purpose` says what the file is for; it becomes the docstring of the module that the scaffold writes.
    """

    id: str
    path: str
    provider: str
    purpose: str = ""
    symbols: tuple[Symbol, ...]


class SharedFile(Value):
    """A file that the scaffold writes and owns; coders do not change it. `content` is its whole text."""

    path: str
    purpose: str = ""
    content: str = ""


class Task(Value):
    """A piece of work for one agent.

    `depends_on` are tasks whose merge it waits for; `soft_depends_on` those it starts beside, against their contract
    stubs, and is merged after. `owns` are paths or `dir/` prefixes; `provides` and `consumes` are contract ids;
    `size` is expected lines; `tests` are commands that must pass and collect at least one test.
    """

    id: str
    role: Role = Role.CODER
    title: str
    description: str
    depends_on: tuple[str, ...] = ()
    soft_depends_on: tuple[str, ...] = ()
    owns: tuple[str, ...]
    provides: tuple[str, ...] = ()
    consumes: tuple[str, ...] = ()
    size: int = Field(default=60, ge=0)
    tests: tuple[str, ...] = ()


class Estimate(Value):
    """What the cost model predicts for one way of cutting the work: agent turns on the critical path, and tokens."""

    strategy: Strategy
    parts: int
    work: float
    context: float
    cost: float
    tokens: int
    chosen: bool = False


class Plan(Value):
    """A validated plan. `strategy` is `solo` or `swarm`, never `auto`; `rationale` says why, with the prediction."""

    schema_version: int = PLAN_VERSION
    goal: str
    summary: str = ""
    rationale: str = ""
    strategy: Strategy
    tasks: tuple[Task, ...]
    contracts: tuple[Contract, ...] = ()
    shared: tuple[SharedFile, ...] = ()
    acceptance: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    estimates: tuple[Estimate, ...] = ()

    def task(self, task_id: str) -> Task:
        """The task with that id; StopIteration when there is none: plans are validated before they are used."""
        return next(t for t in self.tasks if t.id == task_id)

    def contract(self, contract_id: str) -> Contract:
        """The contract with that id; StopIteration when there is none."""
        return next(c for c in self.contracts if c.id == contract_id)
