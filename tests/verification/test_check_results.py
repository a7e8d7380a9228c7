"""Commands as evidence: counts of tests, the outcome, the part of the output that is worth reading."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from swarm.domain.redaction import Redactor
from swarm.domain.sandbox import CommandResult
from swarm.verification.checks import (
    OUTPUT_LIMIT,
    check_from_result,
    collected_tests,
    is_test_command,
    parse_junit,
    pytest_env,
    ruff_command,
    runs_pytest,
)

JUNIT = (
    b'<?xml version="1.0"?><testsuites><testsuite name="pytest" tests="4">'
    b'<testcase name="a"/><testcase name="b"><failure message="x">y</failure></testcase>'
    b'<testcase name="c"><skipped/></testcase><testcase name="d"/></testsuite></testsuites>'
)


@pytest.mark.parametrize(
    ("output", "count"),
    [
        ("....\n============ 2 failed, 3 passed, 1 skipped, 1 xfailed in 0.12s ============", 6),
        ("12 passed in 0.03s", 12),
        ("\x1b[32m\x1b[1m12 passed\x1b[0m, \x1b[33m1 warning\x1b[0m\x1b[32m in 1.20s\x1b[0m", 12),
        ("3 passed, 2 subtests passed in 0.1s", 3),
        ("1 passed, 4 deselected in 61.20s (0:01:01)", 1),
        ("===== 1 error in 0.10s =====", 0),
        ("2 skipped in 0.01s", 0),
        ("======= no tests ran in 0.01s =======", 0),
        ("2 passed in 0.1s\n3 passed in 0.2s", 5),
        ("Ran 5 tests in 0.001s\n\nOK (skipped=2)", 3),
        ("Ran 1 test in 0.001s\n\nFAILED (failures=1)", 1),
        ("Ran 0 tests in 0.000s\n\nOK", 0),
        ("# tests 7\n# pass 6\n# skipped 1", 6),
        ("ℹ tests 3\nℹ pass 3\nℹ skipped 0", 3),
        ("--- PASS: TestA (0.00s)\n    --- FAIL: TestB/x (0.00s)\nFAIL\tpkg\t0.1s", 2),
        ("ok  \texample.com/a\t0.2s", -1),
        ("?   \texample.com/a\t[no test files]", 0),
        ("Tests:       1 failed, 5 passed, 6 total", 6),
        ("      Tests  1 failed | 5 passed (6)", 6),
        ("  5 passing (20ms)\n  1 failing", 6),
        ("test result: ok. 3 passed; 1 failed; 0 ignored", 4),
        ("I passed in 3s", -1),
        ("", -1),
    ],
)
def test_tests_are_counted_from_each_runners_summary(output: str, count: int) -> None:
    assert collected_tests("run it", output) == count


def test_a_junit_report_wins_over_what_a_test_prints() -> None:
    assert collected_tests("pytest -q", "999 passed in 0.1s", JUNIT) == 3


def test_a_report_left_by_an_earlier_command_is_not_counted_for_another_runner() -> None:
    assert collected_tests("python -m unittest", "Ran 0 tests in 0.000s\n\nOK", JUNIT) == 0


def test_a_report_of_nothing_but_collection_errors_counts_no_test() -> None:
    report = b'<testsuite><testcase name="m"><error message="collection failure"/></testcase></testsuite>'
    assert collected_tests("pytest", "", report) == 0


def test_junit_is_counted_by_its_cases() -> None:
    assert parse_junit(JUNIT) == (4, 1, 0, 1)


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"no xml",
        b"<html/>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><testsuite/>',
        b"<testsuite>",
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x []><testsuite/>'.encode("utf-16"),
    ],
)
def test_what_is_no_junit_report_is_none(xml: bytes) -> None:
    assert parse_junit(xml) is None


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python -m pytest -q tests/test_a.py", True),
        ("pytest", True),
        ("python3 -m unittest discover -s tests", True),
        ("node --test", True),
        ("npm test", True),
        ("npm run test", True),
        ("go test ./...", True),
        ("make test", True),
        ("cd sub && cargo test", True),
        ("python -m app --help", False),
        ("ruff check .", False),
        ("make build", False),
        ("npm run build", False),
        ("python examples/latest.py", False),
    ],
)
def test_commands_that_run_tests_are_known_by_their_words(command: str, expected: bool) -> None:
    assert is_test_command(command) is expected


def result(output: str, exit_code: int = 0, *, timed_out: bool = False) -> CommandResult:
    return CommandResult(
        exit_code=exit_code, output=output, size=len(output), timed_out=timed_out, seconds=1.5
    )


def test_a_passing_command_is_a_passed_check_with_its_count() -> None:
    check = check_from_result("tests", "pytest", result("3 passed in 0.1s"), JUNIT)
    assert (check.passed, check.tests, check.exit_code, check.seconds) == (True, 3, 0, 1.5)


def test_a_test_command_that_ran_no_test_has_not_passed() -> None:
    check = check_from_result("tests", "python -m unittest", result("Ran 0 tests in 0.000s\n\nOK"))
    assert not check.passed
    assert "no test was run" in check.output


@pytest.mark.parametrize("junit", [None, b"", b"<testsuite>"])
@pytest.mark.parametrize(
    "command",
    [
        "pytest -q",
        "cd sub && python -m pytest tests",
        ".venv/bin/pytest",
        "uv run pytest",
        'bash -c "pytest"',
    ],
)
def test_pytest_without_a_readable_report_has_not_passed(command: str, junit: bytes | None) -> None:
    check = check_from_result("tests", command, result("999 passed in 0.1s"), junit)
    assert not check.passed
    assert check.output.startswith(
        "[the test run ended without its report: was it cut short by os._exit or a crash?]"
    )


@pytest.mark.parametrize(
    "command", ["make test", "pip install pytest && make test", "python -m unittest", "npm test"]
)
def test_another_runner_needs_no_report(command: str) -> None:
    assert check_from_result("tests", command, result("Ran 2 tests in 0.1s\n\nOK")).passed


def test_a_number_too_long_to_be_one_is_no_count() -> None:
    assert collected_tests("run it", f"Ran {'1' * 5000} tests in 0.1s") == -1


def test_the_summary_of_a_long_output_is_counted() -> None:
    assert collected_tests("run it", "x" * 30_000 + "\nok\n" * 9_000 + "Ran 5 tests in 0.1s\n\nOK") == 5


HOSTILE = {
    "newlines": "\n",
    "spaces": " ",
    "escapes": "\x1b]",
    "half escapes": "\x1b[1;",
    "rules": "=",
    "digits": "1",
    "counts": "1 a ",
    "words": "ok ",
    "a jest line": "Tests: ",
    "brackets": "Tests (1) ",
    "markers": "--- ",
    "keys": "bearer ",
    "key headers": "-----BEGIN ",
    "runners": "make ",
}


@pytest.mark.parametrize(
    "lead", ["", "Tests:  ", "Tests ", "ok ", "\x1b]", "1 ", "OK (", "bearer ", "authorization"]
)
@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_output_is_read_in_linear_time(lead: str, piece: str) -> None:
    text = lead + piece * (200_000 // len(piece))
    began = time.process_time()
    for exit_code in (0, 1):
        check_from_result("tests", "make test", result(text, exit_code))
    is_test_command(text)
    runs_pytest(text)
    Redactor().clean(text)
    assert time.process_time() - began < 5


def test_a_test_command_whose_count_cannot_be_told_passes_by_its_exit_code() -> None:
    assert check_from_result("tests", "make test", result("fine")).passed


def test_another_command_is_not_asked_for_tests() -> None:
    check = check_from_result("acceptance", "python -m app", result("0 tests"))
    assert (check.passed, check.tests) == (True, -1)


def test_a_command_that_was_stopped_has_not_passed_and_says_so() -> None:
    check = check_from_result("tests", "pytest", result("....", 0, timed_out=True))
    assert not check.passed
    assert check.output.startswith("[stopped after 2 s: the time limit]")


def long_failure() -> str:
    dots = "\n".join(f"tests/test_{i}.py ...... [ {i % 100}%]" for i in range(900))
    failures = "\n".join(f"E   detail {i} of the traceback" for i in range(900))
    names = "FAILED tests/test_a.py::test_expiry - AssertionError: 410 != 404"
    return (
        f"{dots}\n=== FAILURES ===\n____ test_expiry ____\n    assert status == 404\n{failures}\n"
        f"=== short test summary info ===\n{names}\n=== 1 failed, 8 passed in 1.00s ===\n"
    )


def test_a_long_failure_keeps_its_beginning_and_the_summary() -> None:
    output = check_from_result("tests", "pytest", result(long_failure(), 1)).output
    assert len(output) <= OUTPUT_LIMIT
    assert output.startswith("=== FAILURES ===\n____ test_expiry ____\n    assert status == 404")
    assert "FAILED tests/test_a.py::test_expiry" in output
    assert output.endswith("1 failed, 8 passed in 1.00s ===")


def test_a_long_unittest_failure_keeps_the_first_failure() -> None:
    text = (
        "." * 9000
        + "\n"
        + "=" * 70
        + "\nFAIL: test_a (m.T)\n"
        + "-" * 70
        + "\n"
        + "trace\n" * 3000
        + "Ran 3 tests in 1s\n"
    )
    output = check_from_result("tests", "python -m unittest", result(text, 1)).output
    assert len(output) <= OUTPUT_LIMIT
    assert "FAIL: test_a (m.T)" in output
    assert output.endswith("Ran 3 tests in 1s")


def test_other_long_output_keeps_head_and_end() -> None:
    output = check_from_result("build", "make", result("first\n" + "x\n" * 9000 + "last", 2)).output
    assert len(output) <= OUTPUT_LIMIT
    assert output.startswith("first")
    assert output.endswith("last")


def test_short_output_is_kept_whole() -> None:
    assert check_from_result("build", "make", result("why\n", 2)).output == "why"


@pytest.mark.parametrize("options", ["--ff --strict-config -q -q", "--junitxml=other.xml --color=yes -x -rA"])
def test_the_pytest_environment_survives_a_repositorys_own_options(options: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "pytest.ini").write_text(f"[pytest]\naddopts = {options}\ncache_dir = kept\n")
    (tree / "test_a.py").write_text(
        "def test_a(cache):\n    cache.set('a/b', 1)\n\ndef test_b():\n    assert 1\n"
    )
    before = sorted(tree.iterdir())
    junit = tmp_path / "a report.xml"
    env = {**os.environ, **pytest_env(str(junit))}
    command = [sys.executable, "-m", "pytest"]
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert collected_tests(shlex.join(command), done.stdout, junit.read_bytes()) == 2
    assert sorted(tree.iterdir()) == before


def ruff(tmp_path: Path, source: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nlint.select = ['ALL']\n")
    (tmp_path / "a b.py").write_text(source)
    program = Path(sys.executable).with_name("ruff")
    command = ruff_command(["a b.py", "README.md"]).replace("ruff", str(program), 1)
    return subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "source", ["x = undefined_name\n", "def f(:\n", "if (1, 2):\n    pass\nassert (1, 'x')\n"]
)
def test_ruff_finds_what_cannot_work(source: str, tmp_path: Path) -> None:
    done = ruff(tmp_path, source)
    assert done.returncode == 1
    assert "a b.py:" in done.stdout


def test_ruff_leaves_style_and_newer_syntax_alone(tmp_path: Path) -> None:
    source = "import os\ntry:\n    x=1\nexcept* ValueError:\n    pass\n"
    done = ruff(tmp_path, source)
    assert (done.returncode, list(tmp_path.glob(".ruff_cache"))) == (0, []), done.stdout + done.stderr


def test_ruff_has_no_command_where_no_python_changed() -> None:
    assert ruff_command(["a.md", "b.js"]) == ""
