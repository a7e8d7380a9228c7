"""What only a real container shows: isolation, limits, and a tool server that survives what happens inside."""

from __future__ import annotations

import gc
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.benches import ROOT, Bench, KillableDocker, output, sh, tool

from swarm.adapters.sandbox.docker import DockerSandboxes
from swarm.adapters.sandbox.engine import Engine
from swarm.domain.errors import EnvironmentFault, SandboxFault, SandboxGone
from swarm.ports import Sandbox

pytestmark = pytest.mark.docker


@pytest.fixture
def small_bench(docker_bench: Bench, tmp_path: Path) -> Bench:
    """Sandboxes of a profile with little memory, so that using it up does not take long."""
    folder = tmp_path / "assets" / "sandboxes"
    (folder / "python").mkdir(parents=True)
    shutil.copy(ROOT / "sandboxes" / "seccomp.json", folder)
    (folder / "python" / "profile.toml").write_text(
        'name = "python"\nnetwork = "none"\n[limits]\nmemory = "256m"\ncpus = 1.0\npids = 64\n'
        '[tmpfs]\nwork = "64m"\ntmp = "16m"\nhome = "8m"\n'
    )
    docker_bench.sandboxes = KillableDocker(tmp_path / "assets")
    return docker_bench


def test_there_is_no_network(docker_bench: Bench) -> None:
    sandbox = docker_bench.open()
    code = "import socket; socket.create_connection(('1.1.1.1', 443), 3)"
    assert "Network is unreachable" in sh(sandbox, f'python -c "{code}"').output
    assert output(sandbox, "ls /sys/class/net").split() == ["lo"]


def test_only_the_scratch_folders_can_be_written(docker_bench: Bench) -> None:
    sandbox = docker_bench.open()
    for path in (
        "/x",
        "/etc/x",
        "/usr/local/bin/x",
        "/opt/swarm/x",
        "/hub/x",
        "/hub/refs/heads/x",
        "/home/x",
    ):
        assert "Read-only file system" in sh(sandbox, f"echo x > {path}").output, path
    assert sh(sandbox, "rm -rf /hub/refs /opt/swarm 2>/dev/null; ls /hub/refs /opt/swarm").exit_code == 0
    output(
        sandbox,
        "for d in /work /tmp /home/agent; do printf '#!/bin/sh\\necho ok' > $d/x; chmod +x $d/x; $d/x; done",
    )


def test_a_command_has_no_privileges_to_gain(docker_bench: Bench) -> None:
    status = output(
        docker_bench.open(), "cat /proc/self/status; id -u; find / -xdev -perm -4000 2>/dev/null; true"
    )
    lines = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    assert lines["CapEff"] == lines["CapBnd"] == "0" * 16
    assert lines["NoNewPrivs"] == "1"
    assert lines["Seccomp"] == "2"
    assert "1000\n" in status


def test_the_engine_was_told_every_limit(docker_bench: Bench) -> None:
    sandbox = docker_bench.open()
    asked = ["docker", "inspect", "--format", "{{json .HostConfig}}|{{json .Config.Labels}}", sandbox.name]
    host, labels = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split("|")
    for part in (
        '"NetworkMode":"none"',
        '"ReadonlyRootfs":true',
        '"CapDrop":["ALL"]',
        '"PidsLimit":256',
        '"Memory":2147483648',
        '"MemorySwap":2147483648',
        '"NanoCpus":1000000000',
        '"LogConfig":{"Type":"none"',
        "no-new-privileges",
        "seccomp=",
        f'"{docker_bench.hub.path}:/hub:ro"',
    ):
        assert part in host, part
    assert '"Init":true' not in host
    assert f'"swarm.run":"{docker_bench.run}"' in labels
    assert f'"swarm.sandbox":"{sandbox.name}"' in labels


def test_killing_everything_from_inside_stops_the_command_and_not_the_server(docker_bench: Bench) -> None:
    sandbox = docker_bench.open()
    sandbox.write("kept.txt", b"1")
    for command in (
        "kill -9 -1",
        "kill -9 1; for s in INT TERM HUP QUIT USR1 USR2 ALRM CHLD SEGV STOP; do kill -$s 1; done",
    ):
        sh(sandbox, command)
        assert sh(sandbox, "echo alive").output == "alive\n"
    result = tool(sandbox, "run", command="setsid sleep 300 & kill -9 -1; sleep 300", timeout=20)
    assert "ended its own supervisor" in result.text
    assert result.data["exit_code"] == 137
    assert sandbox.read("kept.txt") == b"1"
    assert processes(sandbox) == []


def test_a_fork_bomb_is_stopped_and_the_sandbox_goes_on(docker_bench: Bench) -> None:
    sandbox = docker_bench.open()
    started = time.monotonic()
    ended = sh(sandbox, "bomb() { bomb | bomb & }; bomb; sleep 60", timeout=2)
    assert time.monotonic() - started < 20
    assert ended.exit_code != 0
    assert sh(sandbox, "echo alive").output == "alive\n"
    assert processes(sandbox) == []


def test_at_the_limit_of_processes_calls_fail_with_a_reason_and_files_are_still_served(
    docker_bench: Bench,
) -> None:
    sandbox = docker_bench.open()
    with ThreadPoolExecutor(1) as threads:
        hog = threads.submit(sh, sandbox, "for i in $(seq 400); do sleep 60 & done 2>/dev/null; sleep 60", 3)
        time.sleep(1.5)
        refused = tool(sandbox, "run", command="echo more")
        assert tool(sandbox, "write_file", path="a.txt", content="1").ok
        assert sandbox.read("a.txt") == b"1"
        hog.result()
    assert not refused.ok or refused.data["exit_code"] != 0, refused
    assert "process" in refused.text.lower() or "fork" in refused.text.lower()
    assert sh(sandbox, "echo alive").output == "alive\n"


def test_a_command_that_eats_all_memory_dies_alone(small_bench: Bench) -> None:
    sandbox = small_bench.open()
    sandbox.write("kept.txt", b"1")
    ended = sh(sandbox, "python -c 'x = bytearray(900_000_000)'", timeout=60)
    assert ended.exit_code != 0
    assert sandbox.read("kept.txt") == b"1"


def test_a_full_work_tree_is_an_error_of_the_call_alone(small_bench: Bench) -> None:
    sandbox = small_bench.open()
    sh(sandbox, "head -c 200000000 /dev/zero > filler")
    refused = tool(sandbox, "write_file", path="more.txt", content="x" * 100_000)
    assert not refused.ok
    assert "No space left on device" in refused.text
    output(sandbox, "rm filler")
    assert tool(sandbox, "write_file", path="more.txt", content="x").ok


def test_commands_can_neither_look_into_the_server_nor_become_zombies(docker_bench: Bench) -> None:
    sandbox = docker_bench.open()
    denied = sh(sandbox, "cat /proc/1/mem | head -c 1; ls /proc/1/fd; echo x > /proc/1/fd/1")
    assert denied.output.count("Permission denied") == 3
    output(sandbox, "for i in 1 2 3 4 5; do (setsid sh -c 'sleep 0.1 & exit' &) ; done; sleep 0.3")
    assert processes(sandbox) == []


def test_a_sandbox_that_nobody_asks_ends_itself(docker_bench: Bench) -> None:
    docker_bench.sandboxes = KillableDocker(ROOT, ttl=1)
    sandbox = docker_bench.open()
    time.sleep(3)
    with pytest.raises(SandboxGone, match="exit code 75"):
        sandbox.read("README.md")
    assert docker_bench.open().created


def test_a_dead_container_of_the_name_is_replaced(docker_bench: Bench) -> None:
    sandbox = docker_bench.open()
    docker_bench.sandboxes.kill(sandbox.name)
    again = docker_bench.open()
    assert again.created
    assert sh(again, "git status --porcelain").output == ""


def test_the_name_is_a_lock(docker_bench: Bench) -> None:
    engine, spec = Engine(), docker_bench.spec()
    made = engine.create(spec.name, image=spec.image, host={}, labels={"swarm.run": spec.run})
    with pytest.raises(SandboxFault, match="another process is making this sandbox"):
        engine.create(spec.name, image=spec.image, host={})
    engine.remove(made)
    engine.remove(made)
    assert engine.find(spec.name) is None


def test_a_missing_image_is_the_environments_fault_and_says_how_to_build_it(docker_bench: Bench) -> None:
    spec = docker_bench.spec().model_copy(update={"image": "swarm-sandbox-none:000"})
    with pytest.raises(
        EnvironmentFault, match=r"'swarm-sandbox-none:000' is not in this engine.*swarm sandbox build"
    ):
        docker_bench.open(spec)


# The client library leaves the socket that it could not connect to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_without_an_engine_the_fault_says_what_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(EnvironmentFault, match="no Docker engine answers"):
        DockerSandboxes(ROOT).of_run("run")
    gc.collect()


def test_a_container_is_ready_soon_and_calls_are_quick(
    docker_bench: Bench, built_image: Callable[[], str], record_property: Callable[[str, object], None]
) -> None:
    built_image()
    started = time.monotonic()
    sandbox = docker_bench.open()
    ready = time.monotonic() - started
    started = time.monotonic()
    for _ in range(50):
        sandbox.read("README.md")
    call = (time.monotonic() - started) / 50
    record_property("ready_seconds", ready)
    record_property("call_seconds", call)
    assert ready < 10, "a container takes well below a second on an idle machine"
    assert call < 0.1, "a call takes about a millisecond on an idle machine; `docker exec` takes 45"


def processes(sandbox: Sandbox) -> list[str]:
    """Processes of the sandbox besides the server, its worker and the command that asks."""
    code = (
        "import os\n"
        "mine = {1, os.getpid(), os.getppid()}\n"
        "for p in filter(str.isdigit, os.listdir('/proc')):\n"
        "    if int(p) not in mine: print(open(f'/proc/{p}/stat').read().split(')')[0])\n"
    )
    return output(sandbox, f'exec python -c "{code}"').splitlines()
