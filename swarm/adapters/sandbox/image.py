"""Builds the image that a sandbox profile runs, once per content.

The base is a slim Python image where one is here or a registry answers, else Debian's packages (`sandboxes/base`).
Python wheels come from the host's pip, so that mirrors, proxies and certificates need setting up in one place only.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from requests.exceptions import RequestException

from swarm.adapters.sandbox.recipe import Recipe, read_recipe
from swarm.domain.errors import EnvironmentFault, SwarmError

Progress = Callable[[str], None]

SLIM_BASE = "python:3.11-slim-bookworm"
SANDBOX_PYTHON = "3.11"
LABEL = "swarm.image"
_REGISTRY_ANSWER_SECONDS = 20
_ENGINE_SECONDS = 600
_PIP_SECONDS = 600
_HEARTBEAT_SECONDS = 5.0
_LOG_LINE_SECONDS = 10.0
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_WHEEL_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def ensure_image(profile: str, assets: Path, progress: Progress) -> str:
    """The tag of the image for `profile`, built first when this engine does not have it.

    `assets` is the folder that holds `sandboxes/`; `progress` gets one short line per step and one every few seconds
    within a long step. Raises `EnvironmentFault` when there is no engine or a step of the build fails.
    """
    recipe = read_recipe(profile, assets)
    client = _connect()
    try:
        if _has_image(client, recipe.tag):
            return recipe.tag
        with _one_build_at_a_time(progress):
            if not _has_image(client, recipe.tag):
                _build(client, recipe, assets, progress)
        return recipe.tag
    except (DockerException, RequestException) as error:
        raise EnvironmentFault(
            f"The Docker engine failed while the sandbox image was made: {error}",
            remedy="Run it again; if it stays, look into the engine's log.",
        ) from error
    finally:
        client.close()


def image_state(profile: str, assets: Path) -> tuple[str, bool]:
    """The tag of a profile's image, and whether this engine has it. EnvironmentFault when no engine answers."""
    recipe = read_recipe(profile, assets)
    client = _connect()
    try:
        return recipe.tag, _has_image(client, recipe.tag)
    finally:
        client.close()


def engine_version() -> str:
    """The engine's version and storage driver. EnvironmentFault when none answers."""
    client = _connect()
    try:
        info = client.info()
    finally:
        client.close()
    return f"{info.get('ServerVersion', 'unknown')}, {info.get('Driver', 'unknown')}"


def _connect() -> docker.DockerClient:
    try:
        client = docker.from_env(timeout=_ENGINE_SECONDS)
        client.ping()
    except (DockerException, RequestException) as error:
        raise EnvironmentFault(
            "No Docker engine answers",
            where=os.environ.get("DOCKER_HOST", "the default socket"),
            remedy="Start it, or install Docker Engine 20.10 or newer; in a checkout on Debian, 'make engine' does.",
        ) from error
    return client


def _has_image(client: docker.DockerClient, tag: str) -> bool:
    try:
        client.images.get(tag)
    except ImageNotFound:
        return False
    return True


@contextmanager
def _one_build_at_a_time(progress: Progress) -> Iterator[None]:
    path = Path(tempfile.gettempdir()) / f"swarm-image-{os.getuid()}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another build of a sandbox image")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _build(client: docker.DockerClient, recipe: Recipe, assets: Path, progress: Progress) -> None:
    base = _choose_base(client, recipe, assets, progress)
    with tempfile.TemporaryDirectory(prefix="swarm-image-") as folder:
        wheels = Path(folder) / "wheels"
        wheels.mkdir()
        if recipe.requirements:
            _download_wheels(recipe, wheels, str(client.version()["Arch"]), progress)
        _run_build(client, recipe, base, wheels, progress)


def _choose_base(client: docker.DockerClient, recipe: Recipe, assets: Path, progress: Progress) -> str:
    for tag in (SLIM_BASE, recipe.base_tag):
        if _has_image(client, tag):
            return tag
    if _registry_has(SLIM_BASE):
        progress(f"pulling {SLIM_BASE}")
        client.images.pull(SLIM_BASE)
        return SLIM_BASE
    _import_debian_base(client, recipe.base_tag, assets / "sandboxes" / "base" / "make-base.sh", progress)
    return recipe.base_tag


def _registry_has(tag: str) -> bool:
    """Whether a registry answers for `tag` soon; asked apart from the pull, which has no time-out of its own."""
    client = docker.from_env(timeout=_REGISTRY_ANSWER_SECONDS)
    try:
        client.images.get_registry_data(tag)
    except (APIError, RequestException):
        return False
    finally:
        client.close()
    return True


def _import_debian_base(client: docker.DockerClient, tag: str, script: Path, progress: Progress) -> None:
    """Makes the root file system from Debian's packages (25 to 50 s, 240 MB) and imports it as `tag`."""
    with tempfile.TemporaryDirectory(prefix="swarm-base-") as folder:
        archive = Path(folder) / "base.tar"
        _run_watched(["bash", str(script), str(archive)], "Debian base system from packages", progress)
        progress("importing the Debian base system")
        repository, version = tag.split(":")
        client.api.import_image_from_file(str(archive), repository=repository, tag=version)


def _download_wheels(recipe: Recipe, wheels: Path, architecture: str, progress: Progress) -> None:
    requirements = wheels.parent / "requirements.txt"
    requirements.write_bytes(recipe.requirements)
    machine = _WHEEL_MACHINES.get(architecture, architecture)
    platforms = [
        f"--platform={name}_{machine}" for name in ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
    ]
    command = [
        *_pip(),
        *("download", "--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"),
        *(f"--python-version={SANDBOX_PYTHON}", "--implementation=cp", *platforms),
        *(f"--dest={wheels}", f"--requirement={requirements}"),
    ]
    _run_watched(command, "Python tools for the sandbox", progress, timeout=_PIP_SECONDS)


def _pip() -> list[str]:
    """A pip that runs: of this interpreter, or (where its environment was made without one) of the PATH."""
    own = [sys.executable, "-m", "pip"]
    if subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0:
        return own
    other = shutil.which("pip3") or shutil.which("pip")
    if other is None:
        raise EnvironmentFault(
            "pip is missing, and the sandbox's Python tools come through it",
            where=sys.executable,
            remedy=f"Run '{sys.executable} -m ensurepip'.",
        )
    return [other]


def _run_watched(
    command: list[str], title: str, progress: Progress, timeout: float = _ENGINE_SECONDS
) -> None:
    """Runs `command`, telling `progress` every few seconds; `EnvironmentFault` with its last lines when it fails."""
    progress(title)
    started = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None and time.monotonic() - started < timeout:
                try:
                    process.wait(_HEARTBEAT_SECONDS)
                except subprocess.TimeoutExpired:
                    progress(f"{title} ({time.monotonic() - started:.0f} s)")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode != 0:
            output.seek(0)
            raise EnvironmentFault(
                f"This step failed (exit {process.returncode}): {title}",
                where=" | ".join(output.read().strip().splitlines()[-5:]),
                remedy="Mend what it names and run 'swarm sandbox build' again.",
            )


def _run_build(
    client: docker.DockerClient, recipe: Recipe, base: str, wheels: Path, progress: Progress
) -> None:
    # The Debian base needs nothing from outside; a slim one fetches packages, with the host's network and proxies.
    network, proxies = ("host", _proxies()) if base == SLIM_BASE else ("none", {})
    events = client.api.build(
        fileobj=recipe.context(wheels),
        custom_context=True,
        tag=recipe.tag,
        buildargs={"BASE_IMAGE": base, **proxies},
        network_mode=network,
        labels={LABEL: recipe.profile},
        rm=True,
        forcerm=True,
        decode=True,
    )
    said: list[str] = []
    for event in events:
        text = str(event.get("stream") or event.get("error") or "").strip()
        if not text:
            continue
        said.append(text)
        if text.startswith("Step "):
            progress(f"sandbox image: {text[:100]}")
        if "error" in event:
            raise EnvironmentFault(
                "The sandbox image could not be built",
                where=" | ".join(said[-5:]),
                remedy="Mend what it names and run 'swarm sandbox build' again.",
            )


def _proxies() -> dict[str, str]:
    return {name: os.environ[name] for name in _PROXY_VARIABLES if name in os.environ}


def main(arguments: list[str]) -> int:
    """`python -m swarm.adapters.sandbox.image [PROFILE]`, for the Makefile; exit 2 with one sentence on a fault."""
    profile = arguments[0] if arguments else "python"
    assets = Path(__file__).resolve().parents[3]
    started = time.monotonic()
    line = _ProgressLine(sys.stdout)
    try:
        tag = ensure_image(profile, assets, line.tell)
    except SwarmError as fault:
        line.end()
        sys.stderr.write(f"  ✗ {fault}\n")
        return fault.exit_code
    if line.told:
        line.end()
        sys.stdout.write(f"  ✓ sandbox image {tag} ({time.monotonic() - started:.0f}s)\n")
    return 0


class _ProgressLine:
    """One line that is rewritten on a terminal; in a log, a new one every few seconds."""

    def __init__(self, stream: TextIO) -> None:
        self.told = False
        self._stream = stream
        self._last = -_LOG_LINE_SECONDS

    def tell(self, text: str) -> None:
        self.told = True
        if self._stream.isatty():
            self._stream.write(f"\r\033[K  … {text}")
        elif time.monotonic() - self._last >= _LOG_LINE_SECONDS:
            self._last = time.monotonic()
            self._stream.write(f"  … {text}\n")
        self._stream.flush()

    def end(self) -> None:
        if self.told and self._stream.isatty():
            self._stream.write("\r\033[K")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
