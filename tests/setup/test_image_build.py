"""The image that the engine runs: built once, hardened as its files say."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from swarm.adapters.sandbox.image import ensure_image

ROOT = Path(__file__).resolve().parents[2]

PROBE = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def code(result):
    return "allowed" if result >= 0 else errno.errorcode[ctypes.get_errno()]
print("io_uring", code(libc.syscall(425, 1, 0)))
print("vsock", code(libc.socket(40, 1, 0)))
print("unix", code(libc.socket(1, 1, 0)))
"""


@pytest.fixture(scope="module")
def image() -> str:
    return ensure_image("python", ROOT, lambda _: None)


def in_image(image: str, *command: str) -> str:
    """What `command` prints in a throw-away container under the sandbox's seccomp profile."""
    seccomp = ROOT / "sandboxes/seccomp.json"
    options = ["--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--tmpfs=/work:uid=1000"]
    options += [f"--security-opt=seccomp={seccomp}", f"--entrypoint={command[0]}"]
    line = ["docker", "run", *options, image, *command[1:]]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


@pytest.mark.docker
def test_an_image_that_is_there_is_not_built_again(image: str) -> None:
    told: list[str] = []
    assert ensure_image("python", ROOT, told.append) == image
    assert told == []


@pytest.mark.docker
def test_the_kernel_refuses_io_uring_and_vsock_inside(image: str) -> None:
    answers = in_image(image, "python3", "-c", PROBE).splitlines()
    assert answers == ["io_uring ENOSYS", "vsock EPERM", "unix allowed"]


@pytest.mark.docker
@pytest.mark.parametrize(
    "command",
    [
        "python --version",
        "python3 --version",
        "git --version",
        "rg --version",
        "ruff --version",
        "pytest --version",
    ],
)
def test_the_agents_tools_run_inside_as_an_ordinary_user(image: str, command: str) -> None:
    assert in_image(image, "bash", "-lc", f"{command} && id -u").splitlines()[-1] == "1000"


@pytest.mark.docker
def test_the_tool_server_is_the_one_of_this_tree_and_cannot_be_changed_inside(image: str) -> None:
    folder = "/opt/swarm/sandboxes/tool_server"
    for module in sorted((ROOT / "sandboxes/tool_server").glob("*.py")):
        assert in_image(image, "cat", f"{folder}/{module.name}") == module.read_text()
    assert in_image(image, "find", "/opt/swarm", "!", "-user", "root", "-o", "-perm", "/022") == ""


@pytest.mark.docker
def test_nothing_of_the_hosts_package_sources_stays_in_the_base(image: str) -> None:
    assert (
        in_image(image, "bash", "-c", "grep -rhi proxy /etc/apt; cat /etc/apt/sources.list.d/*.list || true")
        == ""
    )
