"""Ctrl-C and SIGTERM, on real processes."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.fake_backend import RUN

ROOT = Path(__file__).parents[2]
APP = [sys.executable, str(Path(__file__).with_name("fake_app.py"))]
LAST_EVENT = "merge done"


def environment(**extra: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
        "PYTHONUNBUFFERED": "1",
        **extra,
    }


@contextmanager
def running(*args: str, **extra: str) -> Iterator[subprocess.Popen[str]]:
    """The application at work: it has shown its last event. Progress is on standard error with --json."""
    process = subprocess.Popen(
        [*APP, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**extra)
    )
    try:
        stream = process.stderr if "--json" in args else process.stdout
        assert stream is not None
        while LAST_EVENT not in (shown := stream.readline()):
            assert shown, "the application ended before its last event"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_finishes_safely_and_says_how_to_resume(number: signal.Signals) -> None:
    with running("run", "a shop", PATIENCE="30") as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=10)

    assert process.returncode == 130
    assert "Ctrl-C again to stop now" in out
    assert f"swarm resume {RUN}" in out
    assert err == ""


def test_an_interrupted_run_with_json_still_prints_its_one_document() -> None:
    with running("run", "a shop", "--json", PATIENCE="30") as process:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=10)

    assert (process.returncode, json.loads(out)["status"]) == (130, "interrupted")


def test_an_interrupted_plan_says_so() -> None:
    process = subprocess.Popen(
        [*APP, "plan", "a shop"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(PATIENCE="30"),
    )  # fmt: skip
    try:
        assert process.stderr is not None
        assert "plan started" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()

    assert (process.returncode, out) == (130, "")
    assert err == "swarm: The planning was interrupted; no plan was made.\n"


def test_the_second_interrupt_stops_at_once_even_when_the_loop_is_blocked() -> None:
    with running("run", "a shop", BLOCKED="30") as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.wait(timeout=5)

    assert process.returncode == 130


def test_a_second_termination_signal_does_not_cut_the_safe_stop_short() -> None:
    with running("run", "a shop", BLOCKED="1.5", PATIENCE="30") as process:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=10)

    assert process.returncode == 130
    assert f"swarm resume {RUN}" in out


def test_stopping_at_once_gives_the_cursor_back_to_the_terminal() -> None:
    main, end = pty.openpty()
    process = subprocess.Popen(
        [*APP, "run", "a shop"],
        stdin=end,
        stdout=end,
        stderr=end,
        env=environment(BLOCKED="30", TERM="xterm"),
    )
    os.close(end)
    seen = b""
    try:
        while b"merged" not in seen:
            seen += os.read(main, 4096)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=5)
        while chunk := _rest(main):
            seen += chunk
    finally:
        process.kill()
        process.wait()
        os.close(main)

    assert process.returncode == 130
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")


def _rest(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux says EIO where the other end is closed
        return b""


def test_the_help_loads_nothing_heavy() -> None:
    heavy = ("pydantic", "dbos", "openai", "docker", "git", "github", "networkx", "yaml", "swarm.wiring")
    program = (
        "import sys\nfrom swarm.cli.main import create_app\n"
        "try:\n    create_app()(['--help'], prog_name='swarm')\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(), check=True
    )
    assert done.stderr.strip() == "[]"


def test_python_m_swarm_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "swarm", "--version"],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    assert done.stdout.startswith("swarm ")
