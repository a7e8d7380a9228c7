"""Gates and checks: a commit is examined in a container made for it, because an agent can fake results in its own."""

from __future__ import annotations

from collections.abc import Sequence

from swarm.agents.services import Services
from swarm.agents.values import Examined
from swarm.domain.base import Value
from swarm.domain.evidence import Check, CheckReport
from swarm.domain.plan import Plan
from swarm.domain.sandbox import Command, SandboxSpec
from swarm.ports import Sandbox
from swarm.verification.checks import check_from_result, is_test_command, pytest_env, ruff_command
from swarm.verification.contracts import contract_findings
from swarm.verification.ownership import ownership_findings
from swarm.verification.sources import parse_findings, placeholder_findings

GATE_SECONDS = 600


class ExamineGiven(Value):
    """A task's commit to examine: `changed` against `base`, in a fresh sandbox like `spec`."""

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
        provided = [c.id for c in given.plan.contracts if c.id in task.provides]
        standing = self._standing(given.base, given.commit)
        ownership = ownership_findings(given.plan, task, given.changed) if given.ownership else ()
        checks = [
            _static("owned paths", ownership),
            _static("parses", self._parse(given.commit, standing)),
            _static("contracts", self._contracts(given.commit, provided, given.plan)),
            _static("placeholders", self._placeholders(given.base, given.commit, standing)),
        ]
        commands = [("ruff", ruff_command(standing)), *[("tests", command) for command in task.tests]]
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
        changed = self._standing(given.base, given.commit)
        checks = [
            _static("parses", self._parse(given.commit, changed)),
            _static(
                "contracts", self._contracts(given.commit, [c.id for c in given.plan.contracts], given.plan)
            ),
        ]
        commands = [("ruff", ruff_command(changed))]
        commands += [("tests" if is_test_command(c) else "acceptance", c) for c in given.commands]
        spec = given.spec.model_copy(
            update={"name": f"{given.spec.name}-check-{given.number}", "commit": given.commit}
        )
        checks += await self._commands(spec, "", commands)
        for check in checks:
            self._tell("", check, "check.done")
        return CheckReport(commit=given.commit, checks=tuple(checks))

    def _standing(self, base: str, commit: str) -> tuple[str, ...]:
        """The paths that a commit added or changed, deleted ones left out."""
        return tuple(path for letter, path in self._services.hub.changed(base, commit) if letter != "D")

    def _parse(self, commit: str, changed: Sequence[str]) -> tuple[str, ...]:
        return parse_findings(self._services.hub.read_many(commit, changed))

    def _placeholders(self, base: str, commit: str, paths: Sequence[str]) -> tuple[str, ...]:
        hub = self._services.hub
        return placeholder_findings(hub.read_many(base, paths), hub.read_many(commit, paths))

    def _contracts(self, commit: str, ids: Sequence[str], plan: Plan) -> tuple[str, ...]:
        contracts = [plan.contract(name) for name in ids]
        sources = self._services.hub.read_many(commit, sorted({c.path for c in contracts}))
        return tuple(finding for c in contracts for finding in contract_findings(c, sources.get(c.path)))

    async def _commands(
        self, spec: SandboxSpec, task: str, commands: Sequence[tuple[str, str]]
    ) -> list[Check]:
        real = [(name, command) for name, command in commands if command]
        if not real:
            return []

        def work(sandbox: Sandbox) -> list[Check]:
            return [run_check(sandbox, name, command, number) for number, (name, command) in enumerate(real)]

        return await self._services.workspaces.fresh(spec, task, work)

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


def run_check(sandbox: Sandbox, name: str, command: str, number: int) -> Check:
    """Runs a command in a sandbox and judges it by its exit code; a test command must collect at least one test."""
    report = f"/tmp/swarm-junit-{number}.xml"  # noqa: S108 - a path inside the sandbox, one for each command
    env = pytest_env(report) if is_test_command(command) else {}
    result = sandbox.run(Command(command=command, timeout=GATE_SECONDS, env=env))
    junit = sandbox.read(report) if env else None
    return check_from_result(name, command, result, junit)


def _static(name: str, findings: Sequence[str]) -> Check:
    return Check(name=name, passed=not findings, exit_code=1 if findings else 0, output="\n".join(findings))


def _finding(check: Check) -> str:
    command = f" `{check.command}` (exit code {check.exit_code})" if check.command else ""
    return f"{check.name}{command}:\n{check.output}"
