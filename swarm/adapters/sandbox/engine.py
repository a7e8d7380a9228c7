"""The container engine's calls that sandboxes need, with its errors translated and every call bounded in time."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from requests.exceptions import RequestException

from swarm.adapters.sandbox import dial
from swarm.domain.errors import EnvironmentFault, SandboxFault

_CALL_SECONDS = 60
_CONFLICT = 409


@dataclass(frozen=True)
class Found:
    """A container as the engine knows it: its id, state (`running`, `created`, `exited`, …), age and end."""

    identity: str
    state: str
    made_at: str
    exit_code: int
    out_of_memory: bool

    @property
    def running(self) -> bool:
        """Whether its tool server can answer."""
        return self.state == "running"


class Engine:
    """A client of the Docker engine, for any thread. The first call settles the version of the API."""

    def __init__(self) -> None:
        self._version: str | None = None

    def find(self, name: str) -> Found | None:
        """The container of a name or an id; None when there is none."""
        with self._translated("inspect", name) as api:
            try:
                container = api.inspect_container(name)
            except NotFound:
                return None
        state = container["State"]
        return Found(
            identity=container["Id"],
            state=str(state["Status"]),
            made_at=str(container["Created"]),
            exit_code=int(state["ExitCode"]),
            out_of_memory=bool(state["OOMKilled"]),
        )

    def create(self, name: str, *, image: str, host: dict[str, Any], **settings: Any) -> str:
        """Makes a container; its id. SandboxFault when the name is taken, EnvironmentFault without the image."""
        with self._translated("create", name) as api:
            try:
                made = api.create_container(
                    image, name=name, host_config=api.create_host_config(**host), **settings
                )
            except ImageNotFound as error:
                raise EnvironmentFault(
                    f"the sandbox image '{image}' is not in this engine",
                    where=name,
                    remedy="Build it with 'swarm sandbox build'.",
                ) from error
            except APIError as error:
                if error.status_code != _CONFLICT:
                    raise
                raise SandboxFault(
                    "another process is making this sandbox at the same moment",
                    where=name,
                    remedy="Let the other one work on the run, or try again when it has ended.",
                ) from error
        return str(made["Id"])

    def start(self, identity: str, name: str) -> None:
        """Starts a container."""
        with self._translated("start", name) as api:
            api.start(identity)

    def remove(self, identity: str) -> None:
        """Stops and deletes a container; nothing happens where there is none."""
        with self._translated("remove", identity) as api:
            try:
                api.remove_container(identity, force=True, v=True)
            except NotFound:
                return
            except APIError as error:
                # Somebody else removes it already.
                if error.status_code != _CONFLICT:
                    raise

    def attach(self, identity: str, name: str) -> socket.socket:
        """A socket to the standard streams of a running container, owned by the caller."""
        with self._translated("attach to", name) as api:
            return dial.attach(identity, str(api.api_version), _CALL_SECONDS)

    def names(self, label: str) -> tuple[str, ...]:
        """The names of all containers with a label, running or not."""
        with self._translated("list", label) as api:
            listed = api.containers(all=True, filters={"label": label})
        return tuple(sorted(name.lstrip("/") for container in listed for name in container["Names"][:1]))

    @contextmanager
    def _translated(self, doing: str, name: str) -> Iterator[docker.APIClient]:
        try:
            client = docker.from_env(version=self._version, timeout=_CALL_SECONDS)
        except (DockerException, RequestException, OSError) as error:
            raise _no_engine(error) if self._version is None else _failed(doing, name, error) from error
        try:
            self._version = str(client.api.api_version)
            yield client.api
        except (DockerException, RequestException, OSError, KeyError) as error:
            raise _failed(doing, name, error) from error
        finally:
            client.close()


def _failed(doing: str, name: str, error: Exception) -> SandboxFault:
    return SandboxFault(
        f"the Docker engine could not {doing} this container: {_reason(error)}",
        where=name,
        remedy="Look into the engine's log ('swarm doctor' checks it), then resume the run.",
    )


def _reason(error: Exception) -> str:
    said = error.explanation if isinstance(error, APIError) else None
    return " ".join(str(said or error).split())[:500]


def _no_engine(error: Exception) -> EnvironmentFault:
    where = os.environ.get("DOCKER_HOST", "the default socket")
    if "Permission denied" in str(error) or isinstance(error, PermissionError):
        return EnvironmentFault(
            "the Docker engine refuses this user",
            where=where,
            remedy="Add the user to the group 'docker' and log in again, or run as a user who may use it.",
        )
    return EnvironmentFault(
        f"no Docker engine answers: {_reason(error)}",
        where=where,
        remedy="Start it, or install Docker Engine 20.10 or newer; in a checkout on Debian, 'make engine' does.",
    )
