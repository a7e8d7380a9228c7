"""Reads what `git cat-file --batch`, `--batch-check` and `--batch-command` answer."""

from __future__ import annotations

from collections.abc import Mapping


def read_contents(out: bytes, names: Mapping[str, str]) -> dict[str, bytes]:
    """The blobs among the answers, by key. `names` are what git was asked for, in order; absent ones are left out."""
    found, at = {}, 0
    for key, name in names.items():
        missing = f"{name} missing\n".encode("utf-8", "surrogateescape")
        if out.startswith(missing, at):
            at += len(missing)
            continue
        end = out.index(b"\n", at)
        _, kind, size = out[at:end].decode().split(" ")
        at = end + 1 + int(size) + 1
        if kind == "blob":
            found[key] = out[end + 1 : at - 1]
    return found


def read_sizes(out: bytes, names: Mapping[str, str]) -> dict[str, int]:
    """The sizes of the blobs among the answers to `info`, by key; absent ones are left out. `names` as above."""
    found, at = {}, 0
    for key, name in names.items():
        missing = f"{name} missing\n".encode("utf-8", "surrogateescape")
        if out.startswith(missing, at):
            at += len(missing)
            continue
        end = out.index(b"\n", at)
        _, kind, size = out[at:end].decode().split(" ")
        at = end + 1
        if kind == "blob":
            found[key] = int(size)
    return found
