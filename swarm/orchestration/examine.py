"""Gates and checks: a commit is examined in containers made for it, because an agent can fake results in its own.

A test runs the agent's code, which can leave programs and profile files for whatever comes after it. So ruff, which
runs none of it, comes first, with the first command after it, and each further command gets a container of its own.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from functools import partial

from swarm.agents.services import Services
from swarm.agents.values import Examined
from swarm.domain.base import Value
from swarm.domain.errors import SandboxBroken, SandboxFault, SandboxGone
from swarm.domain.evidence import Check, CheckReport
from swarm.domain.plan import Plan
from swarm.domain.sandbox import Command, SandboxSpec
from swarm.ports import Sandbox
from swarm.verification.checks import check_from_result, is_test_command, pytest_env, ruff_command
from swarm.verification.contracts import contract_findings
from swarm.verification.ownership import ownership_findings
from swarm.verification.sources import parse_findings, placeholder_findings

GATE_SECONDS = 600
RUFF = "ruff"
_JUNIT_BYTES = 4_000_000

log = logging.getLogger(__name__)


class ExamineGiven(Value):
    """A task's commit to examine: `changed` against `base`, in fresh sandboxes like `spec`."""

    plan: Plan
    task: str
    spec: SandboxSpec
    base: str
    commit: str
    changed: tuple[str, ...]
    number: int
    ownership: bool = True


class CheckGiven(Value):
    """An integrated tree to check."""

    plan: Plan
    spec: SandboxSpec
    base: str
    commit: str
    commands: tuple[str, ...]
    number: int


class Examiner:
    """The gates of a branch and the checks of the integrated tree."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def examine(self, given: ExamineGiven) -> Examined:
        """A task's gates; the findings are texts for the agent."""
        began = self._services.clock.monotonic()
        task = given.plan.task(given.task)
        standing, checks = await asyncio.to_thread(self._branch_texts, given)
        commands = [(RUFF, ruff_command(standing)), *[("tests", command) for command in task.tests]]
        spec = given.spec.model_copy(
            update={"name": f"{given.spec.name}-gate-{given.number}", "commit": given.commit}
        )
        checks += await self._commands(spec, given.task, commands)
        for check in checks:
            self._tell(given.task, check, "task.gate")
        seconds = self._services.clock.monotonic() - began
        return Examined(
            findings=tuple(_finding(c) for c in checks if not c.passed), checks=tuple(checks), seconds=seconds
        )

    async def check(self, given: CheckGiven) -> CheckReport:
        """The checks of an integrated tree: parse, contracts, lint, then the commands."""
        changed, checks = await asyncio.to_thread(self._tree_texts, given)
        commands = [(RUFF, ruff_command(changed))]
        commands += [("tests" if is_test_command(c) else "acceptance", c) for c in given.commands]
        spec = given.spec.model_copy(
            update={"name": f"{given.spec.name}-check-{given.number}", "commit": given.commit}
        )
        checks += await self._commands(spec, "", commands)
        for check in checks:
            self._tell("", check, "check.done")
        return CheckReport(commit=given.commit, checks=tuple(checks))

    def _branch_texts(self, given: ExamineGiven) -> tuple[tuple[str, ...], list[Check]]:
        """The paths that a branch added or changed, and what their texts show without being run."""
        task = given.plan.task(given.task)
        provided = [c.id for c in given.plan.contracts if c.id in task.provides]
        hub = self._services.hub
        standing = self._standing(given.base, given.commit)
        sources = hub.read_many(given.commit, standing)
        ownership = ownership_findings(given.plan, task, given.changed) if given.ownership else ()
        return standing, [
            _static("owned paths", ownership),
            _static("parses", parse_findings(sources)),
            _static("contracts", self._contracts(given.commit, provided, given.plan)),
            _static("placeholders", placeholder_findings(hub.read_many(given.base, standing), sources)),
        ]

    def _tree_texts(self, given: CheckGiven) -> tuple[tuple[str, ...], list[Check]]:
        """As `_branch_texts`, for an integrated tree: it has all contracts, and no owner."""
        standing = self._standing(given.base, given.commit)
        contracts = [c.id for c in given.plan.contracts]
        return standing, [
            _static("parses", parse_findings(self._services.hub.read_many(given.commit, standing))),
            _static("contracts", self._contracts(given.commit, contracts, given.plan)),
        ]

    def _standing(self, base: str, commit: str) -> tuple[str, ...]:
        """The paths that a commit added or changed, deleted ones left out."""
        return tuple(path for letter, path in self._services.hub.changed(base, commit) if letter != "D")

    def _contracts(self, commit: str, ids: Sequence[str], plan: Plan) -> tuple[str, ...]:
        contracts = [plan.contract(name) for name in ids]
        sources = self._services.hub.read_many(commit, sorted({c.path for c in contracts}))
        return tuple(finding for c in contracts for finding in contract_findings(c, sources.get(c.path)))

    async def _commands(
        self, spec: SandboxSpec, task: str, commands: Sequence[tuple[str, str]]
    ) -> list[Check]:
        """Runs (name, command) pairs, empty commands left out; the containers are `spec`'s name with a number."""
        checks: list[Check] = []
        for number, group in enumerate(_containers(commands)):
            one = spec.model_copy(update={"name": f"{spec.name}-{number}"})
            checks += await self._services.workspaces.fresh(
                one, task, partial(_run_group, len(checks), group)
            )
        return checks

    def _tell(self, task: str, check: Check, kind: str) -> None:
        text = f"{check.name} {'passed' if check.passed else 'failed'}"
        say = self._services.say
        data = {
            "name": check.name,
            "passed": check.passed,
            "seconds": round(check.seconds, 3),
            "tests": check.tests,
        }
        if kind == "task.gate":
            say("task.gate", task=task, text=text, **data)
        else:
            say("check.done", task=task, text=text, **data)


def _containers(commands: Sequence[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Which commands share a container: ruff and what follows it; nothing comes after the agent's code."""
    groups: list[list[tuple[str, str]]] = []
    for name, command in commands:
        if not command:
            continue
        if groups and groups[-1][-1][0] == RUFF:
            groups[-1].append((name, command))
        else:
            groups.append([(name, command)])
    return groups


def _run_group(first: int, group: Sequence[tuple[str, str]], sandbox: Sandbox) -> list[Check]:
    return [run_check(sandbox, name, command, number) for number, (name, command) in enumerate(group, first)]


def run_check(sandbox: Sandbox, name: str, command: str, number: int) -> Check:
    """Runs a command in a sandbox and judges it by its exit code and, for a test command, by its tests' report."""
    # Nothing that ran before can have left a report at a random place; what is kept and shown has the plain name.
    plain = f"/tmp/swarm-junit-{number}.xml"  # noqa: S108 - a path inside the sandbox, one for each command
    report = plain.replace(".xml", f"-{secrets.token_hex(8)}.xml")
    env = pytest_env(report) if is_test_command(command) else {}
    try:
        result = sandbox.run(Command(command=command, timeout=GATE_SECONDS, env=env))
    except SandboxBroken as fault:  # by the command: that is its failure, and no fault of the run
        return Check(name=name, command=command, passed=False, exit_code=1, output=str(fault))
    junit = _report(sandbox, report) if env else None
    told = result.model_copy(update={"output": result.output.replace(report, plain)})
    return check_from_result(name, command, told, junit)


def _report(sandbox: Sandbox, path: str) -> bytes | None:
    """A JUnit report. The command decides what lies there (a pipe, a folder): what cannot be read is no report."""
    try:
        return sandbox.read(path, limit=_JUNIT_BYTES)
    except SandboxGone:
        raise
    except SandboxFault as fault:
        log.warning("%s: no test report was read: %s", sandbox.name, fault)
        return None


def _static(name: str, findings: Sequence[str]) -> Check:
    return Check(name=name, passed=not findings, exit_code=1 if findings else 0, output="\n".join(findings))


def _finding(check: Check) -> str:
    command = f" `{check.command}` (exit code {check.exit_code})" if check.command else ""
    return f"{check.name}{command}:\n{check.output}"
