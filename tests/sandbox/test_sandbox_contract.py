"""What both engines promise: lifetime, call ids, commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.benches import ROOT, Bench, sh, tool

from swarm.adapters.fakes.sandbox import LocalSandboxes
from swarm.domain.conversation import ToolCall
from swarm.domain.errors import SandboxFault, SandboxGone
from swarm.domain.sandbox import Command
from swarm.ports import Sandbox


def test_a_new_sandbox_holds_the_files_of_its_commit_on_a_branch(bench: Bench) -> None:
    sandbox = bench.open()
    assert sandbox.created
    assert sandbox.read("src/app.py") == b"def answer():\n    return 41\n"
    assert sh(sandbox, "git status --porcelain --branch").output == "## work\n"


def test_a_living_sandbox_is_attached_to_and_keeps_its_files(bench: Bench) -> None:
    bench.open().write("notes.txt", b"mine")
    again = bench.open()
    assert not again.created
    assert again.read("notes.txt") == b"mine"


def test_a_call_id_asked_again_gives_the_recorded_result_and_runs_nothing(bench: Bench) -> None:
    sandbox = bench.open()
    call = ToolCall(id="1", name="run", arguments=json.dumps({"command": "echo x >> count; wc -l < count"}))
    first = sandbox.tool("turn-1", call)
    assert sandbox.tool("turn-1", call) == first
    assert sh(sandbox, "echo x >> count; wc -l < count", call_id="gate").output == "2\n"
    assert sh(sandbox, "echo x >> count; wc -l < count", call_id="gate").output == "2\n"
    assert sandbox.read("count") == b"x\nx\n"


def test_a_call_asked_again_while_it_runs_waits_for_the_one_result(bench: Bench) -> None:
    sandbox = bench.open()
    with ThreadPoolExecutor(3) as threads:
        calls = [
            threads.submit(sh, sandbox, "echo x >> count; sleep 0.5; cat count", 30, "slow") for _ in range(3)
        ]
        assert [call.result().output for call in calls] == ["x\n"] * 3


def test_a_slow_command_holds_up_no_other_call(bench: Bench) -> None:
    sandbox = bench.open()
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(sh, sandbox, "sleep 3; echo done")
        started = time.monotonic()
        assert sh(sandbox, "echo quick").output == "quick\n"
        assert sandbox.read("README.md") is not None
        assert time.monotonic() - started < 2
        assert slow.result().output == "done\n"


def test_a_killed_sandbox_fails_waiting_and_later_calls_at_once(bench: Bench) -> None:
    sandbox = bench.open()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(sh, sandbox, "sleep 60", 60)
        time.sleep(0.3)
        started = time.monotonic()
        bench.sandboxes.kill(sandbox.name)
        with pytest.raises(SandboxGone):
            waiting.result()
        with pytest.raises(SandboxGone):
            sandbox.read("README.md")
        assert time.monotonic() - started < 5


def test_after_a_death_the_checkpoint_brings_back_tracked_and_untracked_but_not_ignored_files(
    bench: Bench,
) -> None:
    setup = ("mkdir -p build && echo made > build/setup.txt",)
    sandbox = bench.open(bench.spec(setup=setup))
    sh(
        sandbox,
        "echo 42 > src/app.py; echo new > fresh.txt; rm README.md; echo i > trace.log; chmod +x fresh.txt",
    )
    checkpoint = bench.hub.receive(sandbox.commit("work in progress", call_id="save"))
    bench.sandboxes.kill(sandbox.name)
    revived = bench.open(bench.spec(commit=checkpoint, setup=setup))
    assert revived.created
    assert revived.read("src/app.py") == b"42\n"
    assert sh(revived, "./fresh.txt 2>&1; test -x fresh.txt && echo executable").output.endswith(
        "executable\n"
    )
    assert revived.read("README.md") is None
    assert revived.read("trace.log") is None
    assert revived.read("build/setup.txt") == b"made\n", "set-up commands run again"


def test_a_timeout_stops_descendants_that_left_their_session(bench: Bench) -> None:
    sandbox = bench.open()
    beat = "while :; do echo x >> beat; sleep 0.05; done"
    command = f"setsid bash -c '{beat}' & (setsid bash -c '{beat}' &) ; sleep 60"
    ended = sh(sandbox, command, timeout=1)
    assert (ended.timed_out, ended.exit_code) == (True, 124)
    assert "timed out after 1 s" in ended.output
    first = sandbox.read("beat")
    time.sleep(0.4)
    assert first
    assert sandbox.read("beat") == first


def test_processes_left_behind_are_stopped_at_the_end_of_their_command(bench: Bench) -> None:
    sandbox = bench.open()
    result = tool(
        sandbox, "run", command="setsid bash -c 'while :; do echo x >> beat; sleep 0.05; done' & sleep 0.3"
    )
    first = sandbox.read("beat")
    time.sleep(0.4)
    assert first
    assert sandbox.read("beat") == first
    assert "left running were stopped" in result.text


def test_an_exit_code_comes_back_and_the_output_in_order(bench: Bench) -> None:
    sandbox = bench.open()
    ended = sh(sandbox, "echo one; echo two >&2; exit 7")
    assert (ended.exit_code, ended.output, ended.size) == (7, "one\ntwo\n", 8)
    assert sh(sandbox, "kill -SEGV $$").exit_code == 128 + signal.SIGSEGV
    result = tool(sandbox, "run", command="exit 7")
    assert result.ok
    assert (result.data["exit_code"], "[exit code 7]" in result.text) == (7, True)


def test_long_output_keeps_both_ends_and_the_whole_of_it_in_a_file(bench: Bench) -> None:
    sandbox = bench.open()
    result = tool(sandbox, "run", command="seq 1 100000")
    assert len(result.text) < 31_000
    assert result.text.startswith("1\n2\n")
    assert "bytes left out" in result.text
    assert "100000\n" in result.text
    kept = tool(sandbox, "read_file", path=result.data["output_file"], start_line=50_000, end_line=50_000)
    assert "50000" in kept.text
    ended = sh(sandbox, "seq 1 100000")
    assert ended.size == 588_895
    assert len(ended.output) < 201_000


def test_endless_output_ends_at_the_timeout(bench: Bench) -> None:
    ended = sh(bench.open(), "yes", timeout=1)
    assert ended.timed_out
    assert len(ended.output) < 201_000


def test_a_failing_set_up_command_is_named_and_leaves_no_sandbox(bench: Bench) -> None:
    spec = bench.spec(setup=("true", "echo no such mirror; exit 9"))
    with pytest.raises(
        SandboxFault, match=r"'echo no such mirror; exit 9' failed with exit code 9: no such mirror"
    ):
        bench.open(spec)
    assert bench.sandboxes.of_run(bench.run) == ()


def test_a_commit_that_the_hub_lacks_is_a_fault_that_names_it(bench: Bench) -> None:
    with pytest.raises(SandboxFault, match="hub has no commit 1111111"):
        bench.open(bench.spec(commit="1" * 40))


def test_of_two_makers_at_the_same_moment_only_one_makes_it(bench: Bench) -> None:
    barrier = threading.Barrier(3)

    def make() -> Sandbox | SandboxFault:
        barrier.wait()
        try:
            return bench.open()
        except SandboxFault as fault:
            return fault

    with ThreadPoolExecutor(3) as threads:
        outcomes = [one.result() for one in [threads.submit(make) for _ in range(3)]]
    faults = [one for one in outcomes if isinstance(one, SandboxFault)]
    assert [one.created for one in outcomes if not isinstance(one, SandboxFault)].count(True) == 1
    assert all("another process is making this sandbox" in str(fault) for fault in faults)


def test_removing_what_is_not_there_does_nothing_and_a_run_knows_its_sandboxes(bench: Bench) -> None:
    bench.sandboxes.remove(f"swarm-{bench.run}-nothing-1")
    bench.open(bench.spec("api"))
    bench.open(bench.spec("store"))
    assert bench.sandboxes.of_run(bench.run) == (f"swarm-{bench.run}-api-1", f"swarm-{bench.run}-store-1")
    bench.sandboxes.remove(f"swarm-{bench.run}-api-1")
    assert bench.sandboxes.of_run(bench.run) == (f"swarm-{bench.run}-store-1",)


@pytest.mark.parametrize("name", ["", ".", "..", "../other", "/tmp", "a/b"])
def test_the_fake_deletes_nothing_by_a_name_that_leads_elsewhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "sandboxes").mkdir()
    with pytest.raises(SandboxFault, match="is no name of a sandbox"):
        LocalSandboxes(tmp_path / "sandboxes").remove(name)
    assert (tmp_path / "sandboxes").is_dir()


def test_a_closed_sandbox_lives_on(bench: Bench) -> None:
    first = bench.open()
    first.write("kept", b"1")
    first.close()
    with pytest.raises(SandboxFault, match="closed by this process"):
        first.read("kept")
    assert bench.open().read("kept") == b"1"


def test_commands_find_the_projects_modules_and_leave_no_byte_code(bench: Bench) -> None:
    sandbox = bench.open()
    ended = sh(
        sandbox,
        "cd /; python -c 'import app; print(app.answer())'; python -c 'import sys; print(len(sys.path) > 1)'",
    )
    assert ended.output == "41\nTrue\n"
    assert sh(sandbox, "git status --porcelain").output == ""


def test_nothing_of_the_hosts_environment_reaches_a_command(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret")
    sandbox = bench.open()
    assert "a-secret" not in sh(sandbox, "env; cat /proc/$PPID/environ | tr '\\0' '\\n'").output
    assert "SWARM_" not in sh(sandbox, "env").output


def test_a_command_gets_the_variables_that_it_was_given(bench: Bench) -> None:
    ended = bench.open().run(Command(command="echo $COLOUR", env={"COLOUR": "green"}))
    assert ended.output == "green\n"


ORCHESTRATOR = """
import sys
from pathlib import Path
from swarm.adapters.fakes.sandbox import LocalSandboxes
from swarm.adapters.sandbox.docker import DockerSandboxes
from swarm.domain.sandbox import Command, SandboxSpec
from support.benches import ROOT

kind, folder, hub, image, name, run, base = sys.argv[1:]
sandboxes = LocalSandboxes(Path(folder)) if kind == "local" else DockerSandboxes(ROOT)
spec = SandboxSpec(name=name, run=run, image=image, profile="python", hub=hub, commit=base)
sandbox = sandboxes.open(spec)
print("open", flush=True)
sandbox.run(Command(command="echo x >> count; sleep 1; cat count"), call_id="turn-7")
"""


def test_after_the_orchestrator_was_killed_its_successor_gets_the_recorded_result(
    bench: Bench, tmp_path: Path
) -> None:
    spec = bench.spec()
    arguments = [bench.kind, tmp_path / "sandboxes", spec.hub, spec.image, spec.name, spec.run, spec.commit]
    first = subprocess.Popen(
        [sys.executable, "-c", ORCHESTRATOR, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None
    with first:
        assert first.stdout.readline() == "open\n"
        time.sleep(0.3)
        first.send_signal(signal.SIGKILL)
    successor = bench.open()
    assert not successor.created
    assert sh(successor, "echo x >> count; sleep 1; cat count", call_id="turn-7").output == "x\n"
    assert successor.read("count") == b"x\n"
