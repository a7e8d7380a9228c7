"""Reads what `git merge-tree --write-tree -z` says about a conflict.

The form: tree NUL (mode SP object SP stage TAB path NUL)* NUL (count NUL path NUL … kind NUL message NUL)*
"""

from __future__ import annotations

from dataclasses import dataclass, field

from swarm.domain.errors import HubFault
from swarm.domain.merging import Conflict, ConflictFile

_STAGES = {"1": "base", "2": "ours", "3": "theirs"}


def read_conflict(out: bytes, *, ours: str, theirs: str) -> Conflict:
    """The conflict as a value; HubFault when the output has another shape."""
    reader = _Reader(out.decode("utf-8", "backslashreplace").split("\0"))
    tree = reader.next()
    files = _files(reader)
    messages = "".join(_messages(reader))
    # The commits have no names for a reader; the sides have.
    return Conflict(tree=tree, files=files, messages=messages.replace(ours, "ours").replace(theirs, "theirs"))


@dataclass
class _Reader:
    fields: list[str]
    at: int = 0

    @property
    def more(self) -> bool:
        return self.at < len(self.fields) - 1  # the last one is what follows the last NUL

    def next(self) -> str:
        if not self.more:
            raise HubFault(
                "git merge-tree gave an answer that ends early", remedy="Report this with `git version`."
            )
        self.at += 1
        return self.fields[self.at - 1]


@dataclass
class _Sides:
    objects: dict[str, str] = field(default_factory=dict)

    def file(self, path: str) -> ConflictFile:
        return ConflictFile(path=path, **self.objects)


def _files(reader: _Reader) -> tuple[ConflictFile, ...]:
    sides: dict[str, _Sides] = {}
    while entry := reader.next():
        about, tab, path = entry.partition("\t")
        parts = about.split(" ")
        if not tab or len(parts) != 3 or parts[2] not in _STAGES:
            raise HubFault(f"git merge-tree listed {entry!r}, which is no conflicted file")
        sides.setdefault(path, _Sides()).objects[_STAGES[parts[2]]] = parts[1]
    return tuple(found.file(path) for path, found in sides.items())


def _messages(reader: _Reader) -> list[str]:
    found = []
    while reader.more:
        count = reader.next()
        if not count.isdigit():
            raise HubFault(f"git merge-tree counted {count!r} paths for a message")
        for _ in range(int(count)):
            reader.next()
        reader.next()  # the stable kind; the message says the same for people
        found.append(reader.next())
    return found
