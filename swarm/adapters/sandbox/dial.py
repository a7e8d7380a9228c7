"""The engine's attach call, spoken by hand.

The client library reads the answer through a buffer, which can swallow the first bytes of the stream behind it; here
the header is taken exactly, so that attaching in the middle of somebody's reply starts at a frame.
"""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from docker.utils import parse_host

from swarm.domain.errors import EnvironmentFault

_MOST_HEADER = 16_384
_UPGRADED = (101, 200)


def attach(identity: str, version: str, seconds: float) -> socket.socket:
    """A socket to the standard streams of a running container, which the caller owns.

    OSError when the engine does not answer within `seconds` or refuses; EnvironmentFault when it is not reached
    by a plain socket.
    """
    connected = _connect(seconds)
    try:
        path = f"/v{version}/containers/{identity}/attach?stream=1&stdin=1&stdout=1&stderr=1"
        lines = (
            f"POST {path} HTTP/1.1",
            "Host: docker",
            "Connection: Upgrade",
            "Upgrade: tcp",
            "Content-Length: 0",
        )
        connected.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        header = _header(connected)
        if _status(header) not in _UPGRADED:
            raise ConnectionError(f"the engine refused: {header.splitlines()[0]}")
    except OSError:
        connected.close()
        raise
    connected.settimeout(None)
    return connected


def _connect(seconds: float) -> socket.socket:
    url = urlsplit(parse_host(os.environ.get("DOCKER_HOST"), tls=bool(os.environ.get("DOCKER_TLS_VERIFY"))))
    if url.scheme == "http+unix":
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(seconds)
        try:
            connected.connect(url.path)
        except OSError:
            connected.close()
            raise
        return connected
    if url.scheme in {"http", "tcp"} and url.hostname and url.port:
        return socket.create_connection((url.hostname, url.port), seconds)
    raise EnvironmentFault(
        "sandboxes need the Docker engine of this machine: they mount its folders",
        where=f"DOCKER_HOST={os.environ.get('DOCKER_HOST', '')}",
        remedy="Set DOCKER_HOST to the engine's unix socket, or unset it.",
    )


def _header(connected: socket.socket) -> str:
    """The answer's header, and not one byte more."""
    taken = b""
    while not taken.endswith(b"\r\n\r\n"):
        seen = connected.recv(_MOST_HEADER, socket.MSG_PEEK)
        if not seen or len(taken) > _MOST_HEADER:
            raise ConnectionError("the engine's answer to attach makes no sense")
        end = (taken + seen).find(b"\r\n\r\n")
        taken += connected.recv(len(seen) if end < 0 else end + 4 - len(taken))
    return taken.decode("latin-1")


def _status(header: str) -> int:
    words = header.split(None, 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
