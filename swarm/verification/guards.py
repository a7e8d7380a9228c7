"""Guards on the resolution of a merge: what it must not lose, whoever or whatever resolved it.

All are hard: a finding rejects the resolution. They compare base, ours, theirs, git's own merge (`auto`, conflict
markers in it) and the result, file by file; definitions may move between files. The rules and the rates at which
they fire on human and on broken resolutions were measured on 5,471 conflicting merges of public repositories.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from swarm.domain.merging import GuardFinding
from swarm.verification.definitions import Definition, definitions, significant
from swarm.verification.kept import Family, families
from swarm.verification.merged_text import segments
from swarm.verification.sources import conflict_markers, is_placeholder, new_stub_lines, syntax_fault

Tree = Mapping[str, bytes | None]

_CLEAN_SHARE = 0.5  # of the cleanly merged lines of a side that may be undone
_COLLAPSED = 0.34  # of the expected size to which a body may shrink
_COLLAPSE_FROM = 4  # significant lines below which shrinking says nothing


@dataclass(frozen=True, slots=True)
class _File:
    """One path in its five states; None where it is absent."""

    path: str
    base: bytes | None
    ours: bytes | None
    theirs: bytes | None
    auto: bytes | None
    result: bytes | None

    @property
    def parents(self) -> list[bytes]:
        return [side for side in (self.ours, self.theirs) if side is not None]


def resolution_findings(
    base: Tree, ours: Tree, theirs: Tree, auto: Tree, result: Tree
) -> tuple[GuardFinding, ...]:
    """What a resolution lost or broke; empty when nothing.

    Each argument maps paths to contents; a path that is absent or None does not exist there. Give all paths that
    either side changed, not only the conflicted ones: definitions that moved are looked for in all of `result`.
    """
    paths = sorted({p for tree in (base, ours, theirs, result) for p in tree})
    files = [_File(p, *(tree.get(p) for tree in (base, ours, theirs, auto, result))) for p in paths]
    fresh = _fresh_definitions(files)
    found = [finding for file in files for finding in _file_findings(file, fresh)]
    return tuple(dict.fromkeys(found))


def _fresh_definitions(files: list[_File]) -> list[tuple[str, Definition]]:
    """(path, definition) of what stands in the result under a name that neither side has in that file."""
    return [
        (file.path, definition)
        for file in files
        if file.result is not None
        for name, definition in definitions(file.path, file.result).items()
        if not any(name in definitions(file.path, side) for side in file.parents)
    ]


def _file_findings(file: _File, fresh: list[tuple[str, Definition]]) -> Iterator[GuardFinding]:
    if file.result is None:
        yield from _dropped(file)
        return
    elsewhere = [definition for path, definition in fresh if path != file.path]
    yield from _markers(file)
    yield from _syntax(file)
    yield from _clean_lost(file, {line for definition in elsewhere for line in definition.lines})
    yield from _stub_lines(file)
    for family in families(file.path, file.base, file.ours, file.theirs, file.result):
        yield from _lost(file, family, elsewhere)
        yield from _reverted(file, family)
        yield from _hollow(file, family)


def _dropped(file: _File) -> Iterator[GuardFinding]:
    """Both sides have it, or one side made or changed it while the other never deleted it."""
    added = file.base is None and bool(file.parents)
    if added or len(file.parents) == 2:
        yield GuardFinding(
            rule="file-dropped", path=file.path, detail="the file is gone, and neither side deleted it"
        )


def _markers(file: _File) -> Iterator[GuardFinding]:
    known = {line for side in file.parents for line in _marker_lines(side).values()}
    lines = [number for number, line in _marker_lines(file.result or b"").items() if line not in known]
    if lines:
        where = ", ".join(map(str, lines))
        yield GuardFinding(rule="marker", path=file.path, detail=f"conflict markers are left at line {where}")


def _marker_lines(source: bytes) -> dict[int, str]:
    text = source.decode("utf-8", "replace")
    lines = text.split("\n")
    return {number: lines[number - 1] for number in conflict_markers(text)}


def _syntax(file: _File) -> Iterator[GuardFinding]:
    fault = syntax_fault(file.path, file.result or b"")
    if fault and not any(syntax_fault(file.path, side) for side in file.parents):
        yield GuardFinding(
            rule="syntax", path=file.path, detail=f"line {fault[0]} does not parse: {fault[1]}"
        )


def _clean_lost(file: _File, moved: set[str]) -> Iterator[GuardFinding]:
    """What git merged without a conflict has to survive; a side that loses more than half of it was not merged.

    `moved` are lines of new definitions in other files.
    """
    if file.auto is None or file.ours is None or file.theirs is None:
        return
    merged = segments(file.auto)
    base, ours, theirs, result = (_lines(x) for x in (file.base, file.ours, file.theirs, file.result))
    clean = significant("\n".join(merged.clean))
    anywhere = significant("\n".join(merged.all_lines))
    for who, mine, other in (("ours", ours, theirs), ("theirs", theirs, ours)):
        added = {x for x in clean if x in mine and x not in base and x not in other}
        removed = {x for x in base if x in other and x not in mine and x not in anywhere}
        undone = [x for x in added if x not in result and x not in moved] + [
            x for x in removed if x in result
        ]
        if undone and len(undone) > _CLEAN_SHARE * len(added | removed):
            yield GuardFinding(
                rule="clean-lost",
                path=file.path,
                detail=f"{len(undone)} of {len(added | removed)} lines that merged cleanly from {who} are undone, "
                f"e.g. `{min(undone)[:60]}`",
            )


def _lines(source: bytes | None) -> Counter[str]:
    return significant((source or b"").decode("utf-8", "replace"))


def _stub_lines(file: _File) -> Iterator[GuardFinding]:
    known = [x for x in (file.base, file.ours, file.theirs) if x is not None]
    for line, text in new_stub_lines(file.result or b"", *known)[:1]:
        yield GuardFinding(
            rule="placeholder", path=file.path, detail=f"line {line}, `{text}`, stands for code left out"
        )


# --- definitions


def _lost(file: _File, family: Family, elsewhere: list[Definition]) -> Iterator[GuardFinding]:
    """Gone from the result, though no side deleted it, and not moved or renamed either."""
    if family.result is not None or family.deleted_by_a_side or family.outer_is_gone:
        return
    for who, side in (("ours", family.ours), ("theirs", family.theirs)):
        if side is not None and not family.moved(side, elsewhere):
            did = family.change(side)
            yield GuardFinding(
                rule="definition-lost",
                path=file.path,
                detail=f"`{side.name}` ({did} by {who}) is missing: bring it back",
            )
            return


def _reverted(file: _File, family: Family) -> Iterator[GuardFinding]:
    """Changed by one side alone, and the result has what stood there before."""
    base, ours, theirs, result = family.base, family.ours, family.theirs, family.result
    if base is None or ours is None or theirs is None or result is None or result.digest != base.digest:
        return
    changed = [who for who, side in (("ours", ours), ("theirs", theirs)) if side.digest != base.digest]
    if len(changed) == 1:
        detail = f"`{base.name}` was changed by {changed[0]} alone, and the result has the old text: take the change"
        yield GuardFinding(rule="definition-reverted", path=file.path, detail=detail)


def _hollow(file: _File, family: Family) -> Iterator[GuardFinding]:
    """A body that became a placeholder, or shrank to a remnant, though both sides' changes together leave more."""
    result = family.result
    if result is None or result.kind != "function":
        return
    sides = [side for side in (family.ours, family.theirs) if side is not None]
    if not sides:
        if is_placeholder(result):
            yield GuardFinding(
                rule="placeholder", path=file.path, detail=f"the new `{result.name}` has no real body"
            )
        return
    expected = family.expected_size
    if result.stub and not any(side.stub for side in sides) and expected > result.size:
        yield GuardFinding(
            rule="placeholder", path=file.path, detail=f"`{result.name}` lost its body: write it out"
        )
    elif expected >= _COLLAPSE_FROM and result.size <= _COLLAPSED * expected:
        detail = (
            f"`{result.name}` shrank from {expected} significant lines to {result.size}: bring the rest back"
        )
        yield GuardFinding(rule="collapsed", path=file.path, detail=detail)
