"""Rendered symbols become a module: in an order that imports, with every name resolved."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import commonpath

from swarm.domain.blueprint import Symbol, SymbolKind
from swarm.planning.names import BUILTINS, Import, foreign, is_type_variable, root, well_known
from swarm.planning.paths import module_name
from swarm.planning.signatures import CODE_KINDS
from swarm.planning.stubs import Code, Setting, docstring, render_symbol

FUTURE = "from __future__ import annotations"


@dataclass(frozen=True)
class Scope:
    """Where names live: `homes` maps a symbol to the paths that define it, `inits` are the package inits there are."""

    homes: Mapping[str, tuple[str, ...]]
    inits: frozenset[str] = frozenset()

    def find(self, name: str, path: str) -> Import | None:
        """The import of a symbol for use in a file; of several homes the nearest one."""
        places = [p for p in self.homes.get(name, ()) if p != path]
        if not places:
            return None
        nearest = max(sorted(places), key=lambda p: len(commonpath([p, path])))
        return Import(module_name(nearest, self.inits), name)


@dataclass
class Header:
    """The imports and helper lines that a module needs."""

    live: set[Import] = field(default_factory=set)
    typing_only: set[Import] = field(default_factory=set)
    helpers: dict[str, str] = field(default_factory=dict)


def ordered(symbols: Sequence[Symbol], codes: Mapping[str, Code]) -> list[Symbol]:
    """The symbols so that what is evaluated at import comes after what it needs; else in the given order."""
    rest, done = list(symbols), set[str]()
    own = {s.name for s in symbols}
    found: list[Symbol] = []
    while rest:
        free = [s for s in rest if {root(n) for n in codes[s.name].names.live} & own <= done | {s.name}]
        chosen = (free or rest)[0]
        rest.remove(chosen)
        done.add(chosen.name)
        found.append(chosen)
    return found


def header(codes: Iterable[Code], own: Iterable[str], path: str, scope: Scope) -> Header:
    """The imports of a module at `path` that defines `own`."""
    result, mine = Header(), set(own)
    needed: dict[str, bool] = defaultdict(bool)
    for code in codes:
        for chain in code.names.all:
            needed[chain] |= chain in code.names.live
    for chain, live in sorted(needed.items()):
        if root(chain) not in mine:
            _resolve(chain, live=live, path=path, scope=scope, into=result)
    return result


def _resolve(chain: str, *, live: bool, path: str, scope: Scope, into: Header) -> None:
    name = root(chain)
    found = scope.find(name, path)
    if found is None and name in BUILTINS:
        return
    found = found or well_known(chain)
    if found is None and (outside := foreign(chain)):
        (into.live if live else into.typing_only).add(outside)
    elif found is not None:
        into.live.add(found)
    elif is_type_variable(name):
        into.live.add(Import("typing", "TypeVar"))
        into.helpers[name] = f'{name} = TypeVar("{name}")'
    else:
        # The gate of the task that provides this file names it, if it is still missing there.
        into.live.add(Import("typing", "Any"))
        into.helpers[name] = f"{name} = Any  # the contract names it, but says not where it is defined"


def import_lines(found: Iterable[Import]) -> list[str]:
    """Import statements, the standard library first, names of one module on one line."""
    blocks = []
    for standard in (True, False):
        modules: dict[str, set[str]] = defaultdict(set)
        for item in found:
            if item.standard == standard:
                modules[item.module].add(item.name)
        lines = [f"import {m}" for m in sorted(modules) if "" in modules[m]]
        named = {m: sorted(n - {""}, key=lambda t: (not t.isupper(), t)) for m, n in modules.items()}
        lines += [f"from {m} import {', '.join(names)}" for m, names in sorted(named.items()) if names]
        if lines:
            blocks.append("\n".join(lines))
    return blocks


def module_text(path: str, doc: str, symbols: Sequence[Symbol], setting: Setting, scope: Scope) -> str:
    """A whole module with these code symbols. Raises BadSignature."""
    chosen = [s for s in symbols if s.kind in CODE_KINDS]
    codes = {s.name: render_symbol(s, setting) for s in chosen}
    top = header(codes.values(), codes, path, scope)
    if top.typing_only:
        top.live.add(Import("typing", "TYPE_CHECKING"))
    blocks = [block for block in (docstring(doc),) if block]
    if chosen:
        blocks.append(FUTURE)
    blocks += import_lines(top.live)
    blocks += typing_block(top)
    if top.helpers:
        blocks.append("\n".join(top.helpers.values()))
    return "\n\n".join(blocks) + _definitions(ordered(chosen, codes), codes) + "\n"


def typing_block(top: Header) -> list[str]:
    """Imports for annotations alone, which a bare interpreter needn't have."""
    lines = [line for block in import_lines(top.typing_only) for line in block.split("\n")]
    return ["\n".join(["if TYPE_CHECKING:", *(f"    {line}" for line in lines)])] if lines else []


def _definitions(symbols: Sequence[Symbol], codes: Mapping[str, Code]) -> str:
    """The definitions, constants together, classes and functions apart by two empty lines."""
    text = ""
    before: bool | None = None
    for symbol in symbols:
        constant = symbol.kind is SymbolKind.CONSTANT
        near = "\n" if before else "\n\n" if before is None else "\n\n\n"
        text += (near if constant else "\n\n\n") + codes[symbol.name].text
        before = constant
    return text


def top_level(text: str) -> dict[str, ast.stmt] | None:
    """The names that a module binds at its top, with their statements; None where it doesn't parse."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: dict[str, ast.stmt] = {}
    for node in body:
        for name in _bound(node):
            found[name] = node
    return found


def _bound(node: ast.stmt) -> Iterable[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return (node.name,)
    if isinstance(node, ast.Import | ast.ImportFrom):
        return tuple((a.asname or a.name).split(".", 1)[0] for a in node.names)
    if isinstance(node, ast.If | ast.Try):
        inner = [*node.body, *node.orelse, *(s for h in getattr(node, "handlers", ()) for s in h.body)]
        return tuple(name for child in inner for name in _bound(child))
    return tuple(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
