"""Where the names that a file mentions are defined, and the uses that its signatures imply."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from swarm.domain.blueprint import Blueprint, FileSpec, Symbol, SymbolKind, Use
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


def hides_builtin(kind: SymbolKind) -> bool:
    """Whether a symbol named like a builtin is meant by that name in other files.

    An error called `TimeoutError` is; a function called `list` must not take over every `list[int]`.
    """
    return kind in (SymbolKind.CLASS, SymbolKind.MODEL, SymbolKind.ERROR)


def visible_names(blueprint: Blueprint) -> dict[str, tuple[str, ...]]:
    """The defined names as signatures of other files mean them: builtins stay builtins unless a type hides them."""
    types = {s.name for f in blueprint.files for s in f.symbols if hides_builtin(s.kind)}
    return {n: p for n, p in defined_names(blueprint).items() if n not in BUILTINS or n in types}


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
    if declared:
        return declared
    places = defined.get(name, ())
    used = [p for p in places if any(u.path == p for u in file.uses)]
    candidates = used or list(places)
    return candidates[0] if len(candidates) == 1 and candidates[0] != file.path else ""


def complete_uses(blueprint: Blueprint) -> Blueprint:
    """The blueprint in its canonical form: files and uses sorted by path, with the uses that signatures imply.

    What a package's `__init__.py` only re-exports becomes a use there, and its users use the file that defines it.
    """
    defined = defined_names(blueprint)
    inits = {f.path: _reexporting(f, defined) for f in blueprint.files if is_init(f.path)}
    visible = visible_names(blueprint)
    files = [_completed(_rerouted(inits.get(f.path, f), inits), visible) for f in blueprint.files]
    return blueprint.model_copy(update={"files": tuple(sorted(files, key=lambda f: f.path))})


def _reexporting(file: FileSpec, defined: Defined) -> FileSpec:
    """An init whose symbols that other files of its package define are uses."""
    folder = file.path.removesuffix("__init__.py")
    uses = {u.path: set(u.symbols) for u in file.uses}
    own = []
    for symbol in file.symbols:
        used = [p for p, names in uses.items() if symbol.name in names]
        places = used or [p for p in defined.get(symbol.name, ()) if p != file.path and p.startswith(folder)]
        if len(places) == 1:
            uses.setdefault(places[0], set()).add(symbol.name)
        else:
            own.append(symbol)
    completed = tuple(Use(path=p, symbols=tuple(sorted(names))) for p, names in sorted(uses.items()))
    return file.model_copy(update={"symbols": tuple(own), "uses": completed})


def _rerouted(file: FileSpec, inits: Mapping[str, FileSpec]) -> FileSpec:
    """A file whose uses of re-exported names point at the files that define them."""
    uses: dict[str, set[str]] = defaultdict(set)
    for use in file.uses:
        through = inits[use.path].uses if use.path in inits else ()
        homes = {name: inner.path for inner in through for name in inner.symbols}
        for name in use.symbols:
            uses[homes.get(name, use.path)].add(name)
        if not use.symbols:
            uses[use.path] |= set()
    rerouted = tuple(Use(path=p, symbols=tuple(sorted(uses[p]))) for p in sorted(uses))
    return file.model_copy(update={"uses": rerouted})


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
