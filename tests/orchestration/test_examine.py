"""Gates against an agent whose tests attack what runs after them: real tool servers, each a local process."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support.world import World

from swarm.agents.services import Services
from swarm.agents.values import Examined
from swarm.domain.evidence import Check
from swarm.domain.goal import Strategy
from swarm.domain.plan import Plan, Role, Task
from swarm.domain.sandbox import SandboxSpec
from swarm.orchestration.examine import CheckGiven, ExamineGiven, Examiner

PYTEST = "python -m pytest -q test_it.py"
PLANT = """
from pathlib import Path

def test_it():
    home = Path.home()
    (home / ".bash_profile").write_text("exit 0\\n")
    Path("planted").write_text("by the first command")
"""


def plan(commands: Sequence[str]) -> Plan:
    task = Task(
        id="alpha",
        role=Role.CODER,
        title="Alpha",
        description="Write it.",
        owns=("test_it.py",),
        tests=tuple(commands),
    )
    return Plan(goal="g", strategy=Strategy.SOLO, tasks=(task,))


class Bench:
    """A commit with one test file, and the examiner of it."""

    def __init__(self, world: World, source: str) -> None:
        self.world = world
        self.services: Services = world.services({})
        base = world.repository.resolve("")
        world.hub.create()
        world.hub.mirror(world.repository.path, base)
        self.base = base
        self.commit = world.hub.commit_files({"test_it.py": source}, parent=base, message="work")
        self.spec = SandboxSpec(
            name="swarm-test-run-alpha-1",
            run="test-run",
            image="none",
            profile="python",
            hub=str(world.hub.path),
            commit=base,
        )

    async def examine(self, *commands: str) -> Examined:
        given = ExamineGiven(
            plan=plan(commands),
            task="alpha",
            spec=self.spec,
            base=self.base,
            commit=self.commit,
            changed=("test_it.py",),
            number=2,
        )
        return await Examiner(self.services).examine(given)

    def created(self) -> list[str]:
        return [event.text for event in self.world.heard.of("sandbox.created")]


def commands_of(checks: Sequence[Check]) -> list[tuple[str, bool]]:
    return [(check.name, check.passed) for check in checks if check.command]


async def test_a_test_cannot_make_a_later_command_pass(world: World) -> None:
    examined = await Bench(world, PLANT).examine(PYTEST, "false", "test ! -e planted")
    assert commands_of(examined.checks) == [
        ("ruff", True),
        ("tests", True),
        ("tests", False),
        ("tests", True),
    ]


async def test_ruff_shares_the_first_container_and_every_further_command_has_its_own(world: World) -> None:
    bench = Bench(world, PLANT)
    await bench.examine(PYTEST, "true", "true")
    assert bench.created() == [f"swarm-test-run-alpha-1-gate-2-{n}" for n in range(3)]
    assert world.sandboxes.of_run("test-run") == ()


async def test_the_checks_of_an_integrated_tree_are_apart_too(world: World) -> None:
    bench = Bench(world, PLANT)
    given = CheckGiven(
        plan=plan(()),
        spec=bench.spec,
        base=bench.base,
        commit=bench.commit,
        commands=(PYTEST, "false"),
        number=0,
    )
    report = await Examiner(bench.services).check(given)
    assert commands_of(report.checks) == [("ruff", True), ("tests", True), ("acceptance", False)]
    assert bench.created() == [f"swarm-test-run-alpha-1-check-0-{n}" for n in range(2)]


@pytest.mark.parametrize(
    "attack",
    [
        "import os\ndef test_it():\n    os._exit(0)\n",
        "import os\nos._exit(0)\n",
        "import os, sys\ndef test_it():\n    os.write(1, b'9 passed in 0.1s\\n')\n    os._exit(0)\n",
    ],
)
async def test_a_run_of_pytest_that_was_cut_short_is_a_finding(attack: str, world: World) -> None:
    examined = await Bench(world, attack).examine(PYTEST)
    (finding,) = examined.findings
    assert "the test run ended without its report" in finding


@pytest.mark.parametrize("left", ["os.mkfifo(path)", "os.mkdir(path)"])
async def test_a_report_that_cannot_be_read_is_a_finding_and_no_fault_of_the_run(
    left: str, world: World
) -> None:
    attack = (
        "import os, re\n\n\ndef test_it():\n"
        "    path = re.search(r'--junitxml=(\\S+)', os.environ['PYTEST_ADDOPTS'])[1]\n"
        "    path = '/' + path.strip('/')\n"
        "    if os.path.isfile(path):\n        os.remove(path)\n"
        f"    if not os.path.exists(path):\n        {left}\n"
        "    os._exit(0)\n"
    )
    examined = await Bench(world, attack).examine(PYTEST)
    (finding,) = examined.findings
    assert "the test run ended without its report" in finding


async def test_an_honest_branch_passes_with_its_count(world: World) -> None:
    examined = await Bench(world, "def test_it():\n    assert 1 + 1 == 2\n").examine(PYTEST)
    assert examined.findings == ()
    assert examined.checks[-1].tests == 1
