"""scripts/engine.sh starts one engine where there is none, and never touches one that answers.

All but one of these run the script against programs of the test's own and a root folder of its own, so that nothing
of the machine changes.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "engine.sh"

# An engine answers while the file `up` is there; a daemon notes how it was called, then makes it after a moment.
CLIENT = 'test -e "$SWARM_ENGINE_ROOT/up"'
DAEMON = 'echo "dockerd $*" >>"$SWARM_ENGINE_ROOT/calls"; sleep 0.5; touch "$SWARM_ENGINE_ROOT/up"; sleep 1'
DAEMON_WITHOUT_BRIDGE = (
    f'case "$*" in *bridge=none*) {DAEMON};; *) echo "dockerd $*" >>"$SWARM_ENGINE_ROOT/calls"; \
echo "failed to start: error initializing network controller: iptables" >&2; exit 1;; esac'
)
DAEMON_THAT_ENDS = 'echo "failed to start: no space left on device" >&2; exit 1'


@dataclass(frozen=True)
class Machine:
    """A machine made of fake programs; `calls` are the packages' and daemon's invocations, one per line."""

    root: Path

    def program(self, name: str, body: str) -> None:
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)

    def start(self, **variables: str) -> subprocess.Popen[str]:
        environment = {
            "PATH": f"{self.root / 'bin'}:/usr/bin:/bin",
            "SWARM_ENGINE_ROOT": str(self.root),
            "HOME": os.environ.get("HOME", "/"),
            **variables,
        }
        command = ["/bin/bash", str(SCRIPT)]
        return subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, **variables: str) -> subprocess.CompletedProcess[str]:
        with self.start(**variables) as process:
            out, err = process.communicate(timeout=30)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    @property
    def calls(self) -> list[str]:
        path = self.root / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Root on a Debian with Docker's packages, and no engine running."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "proc").mkdir()
    made = Machine(tmp_path)
    made.program("id", "echo 0")
    made.program("docker", CLIENT)
    made.program("dockerd", DAEMON)
    for name in ("apt-get", "systemctl"):
        made.program(name, f'echo "{name} $*" >>"$SWARM_ENGINE_ROOT/calls"; exit 1')
    return made


def test_an_engine_that_answers_is_left_alone(machine: Machine) -> None:
    (machine.root / "up").touch()
    result = machine.run()
    assert (result.returncode, result.stdout, machine.calls) == (0, "", [])


def test_one_daemon_is_started_where_none_runs(machine: Machine) -> None:
    result = machine.run()
    assert result.returncode == 0, result.stderr
    assert machine.calls == ["dockerd "]


def test_two_at_once_start_one_daemon(machine: Machine) -> None:
    both = [machine.start(), machine.start()]
    results = [process.communicate(timeout=30) for process in both]
    assert [process.returncode for process in both] == [0, 0], results
    assert machine.calls == ["dockerd "]


def test_a_daemon_that_cannot_set_up_its_network_is_started_without_one_and_this_is_said(
    machine: Machine,
) -> None:
    machine.program("dockerd", DAEMON_WITHOUT_BRIDGE)
    result = machine.run()
    assert result.returncode == 0, result.stderr
    assert machine.calls == ["dockerd ", "dockerd --iptables=false --ip6tables=false --bridge=none"]
    assert "could not set up its network" in result.stdout


def test_a_daemon_that_ends_is_answered_with_its_own_words(machine: Machine) -> None:
    machine.program("dockerd", DAEMON_THAT_ENDS)
    result = machine.run()
    assert result.returncode == 2
    assert "no space left on device" in result.stderr


def test_a_pid_file_that_a_crash_left_behind_does_not_stop_the_start(machine: Machine) -> None:
    pid_file = machine.root / "var" / "run" / "docker.pid"
    pid_file.parent.mkdir(parents=True)
    pid_file.write_text("4242")
    assert machine.run().returncode == 0
    assert not pid_file.exists()


def test_an_ordinary_user_is_told_what_to_install_and_nothing_is_tried(machine: Machine) -> None:
    machine.program("id", "echo 1000")
    result = machine.run()
    assert result.returncode == 2
    assert "install and start Docker Engine" in result.stderr
    assert machine.calls == []


def test_a_named_engine_that_does_not_answer_is_not_replaced_by_another(machine: Machine) -> None:
    result = machine.run(DOCKER_HOST="unix:///run/user/1000/docker.sock")
    assert result.returncode == 2
    assert "DOCKER_HOST=unix:///run/user/1000/docker.sock" in result.stderr
    assert machine.calls == []


def test_packages_that_cannot_be_installed_end_in_one_sentence(machine: Machine) -> None:
    machine.program("dockerd", "exit 127")
    (machine.root / "bin" / "dockerd").unlink()
    result = machine.run(PATH=_path_without_dockerd(machine))
    assert result.returncode == 2
    assert "Debian's packages could not be installed" in result.stderr
    assert machine.calls == ["apt-get -q update"]


def _path_without_dockerd(machine: Machine) -> str:
    """A PATH of links to what the script uses: the machine's own /usr/sbin may hold a real dockerd."""
    for name in ("bash", "cat", "date", "dirname", "env", "flock", "grep", "head", "mkdir", "mktemp", "rm", "sed",
                 "setsid", "sleep", "tail", "timeout", "tr"):  # fmt: skip
        link = machine.root / "bin" / name
        if not link.exists():
            link.symlink_to(Path("/usr/bin") / name)
    return str(machine.root / "bin")


@pytest.mark.docker
def test_the_engine_of_this_machine_is_the_same_daemon_after_two_runs() -> None:
    def identity() -> tuple[str, str]:
        told = subprocess.run(
            ["docker", "info", "--format", "{{.ID}}"], capture_output=True, text=True, check=True
        )
        daemons = [path.parent.name for path in Path("/proc").glob("[0-9]*/comm") if _comm(path) == "dockerd"]
        return told.stdout, " ".join(sorted(daemons))

    before = identity()
    for _ in range(2):
        result = subprocess.run([str(SCRIPT)], capture_output=True, text=True, check=True)
        assert result.stdout == ""
    assert identity() == before


def _comm(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
