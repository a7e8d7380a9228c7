"""git's own merge of a file, cut into what merged cleanly and what conflicts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_OPEN = re.compile(r"^(<{7,}) ")


@dataclass(frozen=True, slots=True)
class Segments:
    """Clean lines, and the lines of ours, base (diff3 style only) and theirs of all conflicts together."""

    clean: list[str] = field(default_factory=list)
    ours: list[str] = field(default_factory=list)
    base: list[str] = field(default_factory=list)
    theirs: list[str] = field(default_factory=list)

    @property
    def all_lines(self) -> list[str]:
        """Every line that stands in the file, markers apart."""
        return [*self.clean, *self.ours, *self.base, *self.theirs]


def segments(auto: bytes) -> Segments:
    """Reads conflict markers of any length from 7, with or without the base's part."""
    found = Segments()
    part, width = found.clean, 0
    for raw in auto.decode("utf-8", "replace").split("\n"):
        line = raw.rstrip("\r")
        if width == 0:
            if opening := _OPEN.match(line):
                width, part = len(opening[1]), found.ours
                continue
        elif line == "|" * width or line.startswith("|" * width + " "):
            part = found.base
            continue
        elif line == "=" * width:
            part = found.theirs
            continue
        elif line == ">" * width or line.startswith(">" * width + " "):
            part, width = found.clean, 0
            continue
        part.append(raw)
    return found
