"""One name across base, both sides and the result of a merge: what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from swarm.verification.definitions import Definition, definitions, significant

_SAME_TEXT = 0.5  # of a definition's lines that make another one its new self
_INLINED = 0.6  # of its lines found outside known definitions that say it was inlined


@dataclass(frozen=True, slots=True)
class Family:
    """A definition in its four states. `fresh` are the result's names that no side has, `loose` its lines outside."""

    name: str
    base: Definition | None
    ours: Definition | None
    theirs: Definition | None
    result: Definition | None
    fresh: tuple[Definition, ...]
    loose: Counter[str]
    outer_is_gone: bool

    @property
    def deleted_by_a_side(self) -> bool:
        """Whether a side deleted or renamed it."""
        return self.base is not None and (self.ours is None or self.theirs is None)

    @property
    def expected_size(self) -> int:
        """Significant lines that both sides' changes together leave, and never more than the smaller side has."""
        sides = [s.lines for s in (self.ours, self.theirs) if s is not None]
        least = min((s.total() for s in sides), default=0)
        if len(sides) < 2 or self.base is None:
            return least
        before, (ours, theirs) = self.base.lines, sides
        kept = before - (before - ours) - (before - theirs)
        return min(least, (kept + (ours - before) + (theirs - before)).total())

    def change(self, side: Definition) -> str:
        """What a side did to it, as a word: added, changed, kept."""
        if self.base is None:
            return "added"
        return "kept" if side.digest == self.base.digest else "changed"

    def moved(self, side: Definition, elsewhere: list[Definition]) -> bool:
        """Whether it lives on: under a new parent or name in this file, in another file, or inlined."""
        if any(f.tail == side.tail for f in self.fresh):
            return True
        near = _SAME_TEXT * max(side.size, 1)
        if any((side.lines & f.lines).total() >= near for f in self.fresh):
            return True
        if any(
            f.tail == side.tail and (side.lines & f.lines).total() >= _SAME_TEXT * side.size
            for f in elsewhere
        ):
            return True
        return side.size >= 2 and (side.lines & self.loose).total() >= _INLINED * side.size


def families(
    path: str, base: bytes | None, ours: bytes | None, theirs: bytes | None, result: bytes
) -> Iterator[Family]:
    """Every name that a side or the result defines in a file, sorted."""
    before, mine, yours, after = (definitions(path, x or b"") for x in (base, ours, theirs, result))
    fresh = tuple(d for name, d in after.items() if name not in mine and name not in yours)
    loose = significant(result.decode("utf-8", "replace")) if after or mine or yours else Counter[str]()
    for name, definition in after.items():
        if (name in mine or name in yours) and "." not in name:
            loose = loose - definition.lines
    for name in sorted({*mine, *yours, *after}):
        outer = name.rpartition(".")[0]
        gone = bool(outer) and (outer in mine or outer in yours) and outer not in after
        yield Family(
            name,
            before.get(name),
            mine.get(name),
            yours.get(name),
            after.get(name),
            fresh,
            loose,
            outer_is_gone=gone,
        )
