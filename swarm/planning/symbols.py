"""Where the names that a file mentions are defined, and the uses that its signatures imply."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from swarm.domain.blueprint import Blueprint, FileSpec, Symbol, Use
from swarm.planning.names import BUILTINS, root
from swarm.planning.paths import is_init, is_python, is_test
from swarm.planning.signatures import CODE_KINDS, BadSignature, symbol_names

Defined = Mapping[str, tuple[str, ...]]


def defined_names(blueprint: Blueprint) -> dict[str, tuple[str, ...]]:
    """Symbol name → the files that define it, sorted; tests and package inits (which re-export) only where alone."""
    first: dict[str, set[str]] = defaultdict(set)
    second: dict[str, set[str]] = defaultdict(set)
    for file in blueprint.files:
        where = second if is_test(file.path) or is_init(file.path) else first
        for symbol in file.symbols:
            where[symbol.name].add(file.path)
    return {name: tuple(sorted(first.get(name) or second[name])) for name in sorted({*first, *second})}


def mentioned(symbol: Symbol) -> frozenset[str]:
    """The first names in a symbol's signature, fields and methods, and its errors; none where they don't parse."""
    errors = frozenset(r for r in symbol.raises if r.isidentifier())
    if symbol.kind not in CODE_KINDS:
        return errors
    try:
        return errors | {root(chain) for chain in symbol_names(symbol).all}
    except BadSignature:
        return errors


def home(name: str, file: FileSpec, defined: Defined) -> str:
    """The other file that a name in a file's signatures comes from; empty when it is its own, foreign or unclear."""
    if any(s.name == name for s in file.symbols):
        return ""
    declared = next((u.path for u in file.uses if name in u.symbols), "")
    if declared or name in BUILTINS:
        return declared
    places = defined.get(name, ())
    used = [p for p in places if any(u.path == p for u in file.uses)]
    candidates = used or list(places)
    return candidates[0] if len(candidates) == 1 and candidates[0] != file.path else ""


def complete_uses(blueprint: Blueprint) -> Blueprint:
    """The blueprint with the uses that signatures imply, files and uses sorted by path: its canonical form."""
    defined = defined_names(blueprint)
    files = sorted((_completed(f, defined) for f in blueprint.files), key=lambda f: f.path)
    return blueprint.model_copy(update={"files": tuple(files)})


def _completed(file: FileSpec, defined: Defined) -> FileSpec:
    uses: dict[str, set[str]] = defaultdict(set)
    for use in file.uses:
        uses[use.path].update(use.symbols)
    if is_python(file.path):
        for name in sorted({n for s in file.symbols for n in mentioned(s)}):
            if place := home(name, file, defined):
                uses[place].add(name)
    uses.pop(file.path, None)
    completed = tuple(Use(path=p, symbols=tuple(sorted(uses[p]))) for p in sorted(uses))
    return file.model_copy(update={"uses": completed})


def crossing(files: Mapping[str, FileSpec], wanted: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Path → symbol names that others have to know, in the file's order.

    `wanted` are the (path, name) pairs that are used from outside; whoever sees a signature also sees the names in
    it, so these come along, from whichever file of the blueprint defines them.
    """
    seen: set[tuple[str, str]] = set()
    queue = sorted(set(wanted))
    while queue:
        path, name = queue.pop()
        symbol = next((s for s in files[path].symbols if s.name == name), None) if path in files else None
        if symbol is None or (path, name) in seen:
            continue
        seen.add((path, name))
        own = {s.name for s in files[path].symbols}
        for other in sorted(mentioned(symbol)):
            if other in own:
                queue.append((path, other))
            queue.extend((u.path, other) for u in files[path].uses if other in u.symbols)
    paths = sorted({path for path, _ in seen})
    return {path: tuple(s.name for s in files[path].symbols if (path, s.name) in seen) for path in paths}
