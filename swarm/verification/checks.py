"""Commands as evidence: which ones run tests, how many tests ran, and what of their output is worth reading."""

from __future__ import annotations

import re
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from typing import NamedTuple

from swarm.domain.evidence import Check
from swarm.domain.sandbox import CommandResult

OUTPUT_LIMIT = 6_000
JUNIT_PATH = "/tmp/swarm-junit.xml"  # noqa: S108 - a path inside a sandbox of its own, not on this machine
UNKNOWN = -1

# Output comes from an agent's code, and a match holds the interpreter's lock: every pattern here takes linear time (no
# two repeats that can share text, no repeat that restarts inside itself), and numbers are of lengths that `int` takes.
_COUNTED = 20_000
"""Runners print their summary last: this many characters from the end are read for it."""
_COMMAND_READ = 8_000
_ANSI = re.compile(r"\x1b\[[0-9;?]{0,64}[A-Za-z]|\x1b\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]")
_TEST_COMMAND = re.compile(
    r"""(?x)
    \b(pytest|py\.test|unittest|nosetests|nose2|jest|vitest|mocha|ava|ctest|rspec|phpunit)\b
    | \b(tox|nox)\b(?!\S)
    | \bnode\b.*\s--test\b
    | \b(npm|pnpm|yarn|bun|deno)\s+(run\s+)?(test|t)\b
    | \b(go|cargo|mvn|gradle|\./gradlew|dotnet|swift|mix|make|just)\s+(\S+\s+)*?(test|tests|check|verify)\b
    """
)
_NO_REPORT = "the test run ended without its report: was it cut short by os._exit or a crash?"
_NO_TEST = "the command passed, but no test was run: name the test files, or write tests that are collected"


class JunitCounts(NamedTuple):
    """What a JUnit report counts; `tests` includes the skipped ones."""

    tests: int = 0
    failures: int = 0
    errors: int = 0
    skipped: int = 0

    @property
    def ran(self) -> int:
        """Tests that were really run."""
        return max(0, self.tests - self.skipped)


def is_test_command(command: str) -> bool:
    """Whether a shell command runs tests, as far as its words tell."""
    half = _COMMAND_READ // 2
    read = command if len(command) <= _COMMAND_READ else f"{command[:half]}\n{command[-half:]}"
    return bool(_TEST_COMMAND.search(read))


def runs_pytest(command: str) -> bool:
    """Whether a shell command names pytest itself as what is to run: then `pytest_env` makes it leave a report."""
    parts = (part.split() for part in re.split(r"[;&|()\n]", command))
    return any(
        word.strip("\"'").rpartition("/")[2] in ("pytest", "py.test")
        for words in parts
        if not {"install", "add", "echo", "grep"} & set(words)
        for word in words
    )


def pytest_env(junit: str = JUNIT_PATH) -> dict[str, str]:
    """Environment for any command that may run pytest: a JUnit report at `junit`, and nothing written into the tree.

    The cache is moved and not switched off: without its plugin, tests that use the `cache` fixture fail. Delete the
    report before a command whose count matters: one that runs no pytest leaves an earlier report as it is.
    """
    options = f"-o cache_dir=/tmp/swarm-pytest-cache --junitxml={shlex.quote(junit)} --color=no"
    return {"PYTEST_ADDOPTS": options, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}


def ruff_command(paths: Iterable[str]) -> str:
    """The lint of changed files: only what cannot work (syntax, undefined names, comparisons that are always wrong).

    Give paths that exist; an empty string comes back when none is Python. The repository's own settings don't count.
    """
    python = sorted({p for p in paths if p.endswith((".py", ".pyi"))})
    if not python:
        return ""
    options = "--isolated --no-cache --output-format concise --target-version py311 --select E9,F63,F7,F82"
    return f"ruff check {options} -- {shlex.join(python)}"


def parse_junit(xml: bytes) -> JunitCounts | None:
    """The counts of a JUnit report; None when it is not one. Comes from a sandbox: document types are refused.

    So are null bytes: in UTF-16, a document type would not be seen.
    """
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml or b"\0" in xml:
        return None
    try:
        root = ET.fromstring(xml)  # noqa: S314 - entities, its danger, need the document type refused above
    except (ET.ParseError, ValueError, LookupError):
        return None
    if root.tag not in ("testsuites", "testsuite"):
        return None
    cases = list(root.iter("testcase"))
    failures, errors, skipped = (
        sum(case.find(tag) is not None for case in cases) for tag in ("failure", "error", "skipped")
    )
    return JunitCounts(len(cases), failures, errors, skipped)


def collected_tests(command: str, output: str, junit: bytes | None = None) -> int:
    """How many tests a command ran, skipped ones not counted; -1 when that cannot be told.

    A readable JUnit report wins over the output, where a test can print what it likes, unless the output is that of
    another runner: then the report was left by an earlier command.
    """
    text = _ANSI.sub("", _ending(output))
    printed = next((n for n in (count(text) for count in _COUNTERS) if n is not None), UNKNOWN)
    counts = parse_junit(junit) if junit else None
    if counts is None:
        return printed
    others = any(count(text) is not None for count in _COUNTERS[1:])
    if others and _pytest_count(text) is None and "pytest" not in command:
        return printed
    # A file that cannot be collected is a test case with an error in pytest's report, and no test.
    return 0 if counts.errors == counts.tests else counts.ran


def check_from_result(name: str, command: str, result: CommandResult, junit: bytes | None = None) -> Check:
    """The outcome of a command as a check; a test command that ran no test has not passed.

    Neither has one that runs pytest itself and left no report at `junit`: whatever it printed, code under test can end
    the process with any exit code before a test failed.
    """
    tests = collected_tests(command, result.output, junit) if is_test_command(command) or junit else UNKNOWN
    passed = result.exit_code == 0 and not result.timed_out
    note = f"[stopped after {result.seconds:.0f} s: the time limit]\n" if result.timed_out else ""
    if passed and (gap := _missing_evidence(command, tests, junit)):
        passed = False
        note = f"[{gap}]\n"
    return Check(
        name=name,
        command=command,
        passed=passed,
        exit_code=result.exit_code,
        output=note + telling_output(result.output, passed=passed, limit=OUTPUT_LIMIT - len(note)),
        tests=tests,
        seconds=result.seconds,
    )


def _missing_evidence(command: str, tests: int, junit: bytes | None) -> str:
    """Why an exit code of zero does not show that the tests passed; empty where it does."""
    if runs_pytest(command) and (junit is None or parse_junit(junit) is None):
        return _NO_REPORT
    return _NO_TEST if tests == 0 and is_test_command(command) else ""


# --- counting


def _ending(output: str) -> str:
    """The last part of an output, from the beginning of a line."""
    return output if len(output) <= _COUNTED else output[-_COUNTED:].partition("\n")[2]


def _pytest_count(text: str) -> int | None:
    """From `=== 2 failed, 3 passed, 1 skipped in 0.1s ===`, with or without the rules."""
    lines = re.findall(r"^(?:=+ )?((?:\d{1,9} [a-z]+(?: [a-z]+)?,? ?)+) in [\d.]+s", text, re.MULTILINE)
    if not lines:
        return 0 if re.search(r"^(?:=+ )?no tests ran in [\d.]+s", text, re.MULTILINE) else None
    parts = [part for line in lines for part in re.findall(r"(\d{1,9}) ([a-z]+(?: [a-z]+)?)", line)]
    return sum(int(number) for number, word in parts if word in ("passed", "failed", "xfailed", "xpassed"))


def _unittest_count(text: str) -> int | None:
    runs = [int(n) for n in re.findall(r"^Ran (\d{1,9}) tests? in [\d.]+s", text, re.MULTILINE)]
    if not runs:
        return None
    return max(
        0,
        sum(runs)
        - sum(int(n) for n in re.findall(r"^(?:OK|FAILED) \(.*?skipped=(\d{1,9})", text, re.MULTILINE)),
    )


def _node_count(text: str) -> int | None:
    runs = [int(n) for n in re.findall(r"^(?:#|ℹ) tests (\d{1,9})$", text, re.MULTILINE)]
    skipped = [int(n) for n in re.findall(r"^(?:#|ℹ) skipped (\d{1,9})$", text, re.MULTILINE)]
    return max(0, sum(runs) - sum(skipped)) if runs else None


def _go_count(text: str) -> int | None:
    cases = re.findall(r"^[ \t]*--- (PASS|FAIL): ", text, re.MULTILINE)
    if cases:
        return len(cases)
    packages = re.findall(r"^(?:ok|FAIL|\?)[ \t]+\S+[ \t](.*)$", text, re.MULTILINE)
    return 0 if packages and all("no test files" in p or "no tests to run" in p for p in packages) else None


def _other_count(text: str) -> int | None:
    """Jest and vitest, mocha, cargo."""
    if totals := re.findall(r"^Tests:[ \t].*?\b(\d{1,9}) total", text, re.MULTILINE):
        return sum(map(int, totals))
    if totals := re.findall(r"^[ \t]*Tests[ \t].*\((\d{1,9})\)[ \t]*$", text, re.MULTILINE):
        return sum(map(int, totals))
    if cargo := re.findall(r"^test result: \w+\. (\d{1,9}) passed; (\d{1,9}) failed", text, re.MULTILINE):
        return sum(int(a) + int(b) for a, b in cargo)
    mocha = re.findall(r"^[ \t]*(\d{1,9}) (?:passing|failing)\b", text, re.MULTILINE)
    return sum(map(int, mocha)) if mocha else None


_COUNTERS = (_pytest_count, _unittest_count, _node_count, _go_count, _other_count)


# --- output


def telling_output(output: str, *, passed: bool, limit: int = OUTPUT_LIMIT) -> str:
    """At most `limit` characters of an output: the failures and the summary first; the end of it where all is well."""
    text = _ANSI.sub("", output).replace("\r\n", "\n").strip()
    if passed:
        return _tail(text, min(limit, 1_500))
    if len(text) <= limit:
        return text
    start = re.search(r"^=+ (?:FAILURES|ERRORS) =+$|^={70}\n(?:FAIL|ERROR): ", text, re.MULTILINE)
    if start is None:
        return _head(text, limit // 3) + _tail(text, limit - limit // 3)
    summary = re.search(r"^=+ short test summary info =+$", text[start.start() :], re.MULTILINE)
    split = start.start() + summary.start() if summary else max(start.start(), len(text) - limit // 4)
    ending = _tail(text[split:], limit // 2)
    return _head(text[start.start() : split], limit - len(ending) - 1) + "\n" + ending


def _tail(text: str, limit: int) -> str:
    mark = "[… cut …]\n"
    return text if len(text) <= limit else mark + text[len(mark) - limit :]


def _head(text: str, limit: int) -> str:
    mark = "\n[… cut …]\n"
    return text if len(text) <= limit else text[: max(0, limit - len(mark))] + mark
