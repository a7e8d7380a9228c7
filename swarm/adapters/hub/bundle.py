"""Reads the header of a git bundle from an agent, strictly: one known ref, no filters, nothing unexpected."""

from __future__ import annotations

import re
from dataclasses import dataclass

from swarm.domain.errors import BundleRefused

EXPORT_REF = "refs/swarm/out"
_HEADER_BYTES = 1_000_000
_PREREQUISITES = 1_000
_VERSIONS = {b"# v2 git bundle", b"# v3 git bundle"}
_PREREQUISITE = re.compile(rb"-([0-9a-f]{40})(?: .*)?")
_REF = re.compile(rb"([0-9a-f]{40}) (\S+)")


@dataclass(frozen=True)
class Bundle:
    """A bundle's header: the tip that it offers, the commits that it builds on, and the pack behind it."""

    tip: str
    prerequisites: tuple[str, ...]
    pack: bytes

    @property
    def objects(self) -> int:
        """How many objects the pack says that it holds."""
        return int.from_bytes(self.pack[8:12], "big")


def read_bundle(data: bytes, *, limit: int) -> Bundle:
    """The header of a bundle; BundleRefused says what is wrong with it."""
    if len(data) > limit:
        raise BundleRefused(
            f"The bundle has {len(data):,} bytes, more than the {limit:,} allowed",
            remedy="Large files that a build makes belong in .gitignore.",
        )
    end = data.find(b"\n\n", 0, _HEADER_BYTES)
    if end < 0:
        raise BundleRefused("This is not a git bundle, or its header doesn't end")
    version, *lines = data[:end].split(b"\n")
    if version not in _VERSIONS:
        raise BundleRefused(f"This is not a git bundle of version 2 or 3; it begins with {version[:40]!r}")
    if version == b"# v3 git bundle":
        lines = _without_capabilities(lines)
    pack = data[end + 2 :]
    if pack[:4] != b"PACK" or len(pack) < 12:
        raise BundleRefused("The bundle holds no pack")
    return Bundle(_tip(lines), _prerequisites(lines), pack)


def _without_capabilities(lines: list[bytes]) -> list[bytes]:
    for line in lines:
        if line.startswith(b"@") and line != b"@object-format=sha1":
            raise BundleRefused(f"The bundle asks for {line[:60]!r}, which is not supported")
    return [line for line in lines if not line.startswith(b"@")]


def _prerequisites(lines: list[bytes]) -> tuple[str, ...]:
    found = []
    for line in lines[:-1]:
        match = _PREREQUISITE.fullmatch(line)
        if match is None:
            raise BundleRefused(f"The bundle's header has an unexpected line {line[:80]!r}")
        found.append(match[1].decode())
    if len(found) > _PREREQUISITES:
        raise BundleRefused(f"The bundle names {len(found)} prerequisites, more than {_PREREQUISITES}")
    return tuple(found)


def _tip(lines: list[bytes]) -> str:
    match = _REF.fullmatch(lines[-1]) if lines else None
    if match is None or match[2] != EXPORT_REF.encode():
        raise BundleRefused(f"The bundle must offer {EXPORT_REF} and nothing else")
    return match[1].decode()
