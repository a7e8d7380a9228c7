"""What is wrong with the symbols of a blueprint or a contract, one exact sentence each."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterator, Sequence

from swarm.domain.blueprint import Blueprint, FileSpec, FileState, Symbol, SymbolKind
from swarm.planning.names import BUILTINS, foreign, is_type_variable, root, well_known
from swarm.planning.paths import is_python, is_test
from swarm.planning.signatures import (
    CODE_KINDS,
    ENUM_BASES,
    BadSignature,
    base_names,
    class_line,
    parse_class,
    parse_constant,
    parse_def,
    parse_field,
    symbol_names,
    target,
    unannotated,
)
from swarm.planning.symbols import Defined


def symbol_problems(path: str, symbols: Sequence[Symbol]) -> tuple[str, ...]:
    """The problems of one file's symbols: doubled names, and for Python files what doesn't parse."""
    problems: list[str] = []
    seen: set[str] = set()
    for symbol in symbols:
        where = f"{path}, symbol `{symbol.name}`"
        if not symbol.name.strip():
            problems.append(f"{path}, symbols: one has no name.")
            continue
        if symbol.name in seen:
            problems.append(f"{where}: it is listed twice.")
        seen.add(symbol.name)
        if is_python(path) and not is_test(path) and symbol.kind in CODE_KINDS:
            problems += [f"{where}, {text}." for text in _python_problems(symbol)]
    return tuple(problems)


def _python_problems(symbol: Symbol) -> Iterator[str]:
    if "." in symbol.name:
        owner, _, method = symbol.name.partition(".")
        yield f"name: list `{method}` under the methods of class `{owner}`"
    elif not symbol.name.isidentifier() or keyword.iskeyword(symbol.name):
        yield "name: it is no Python name"
    elif symbol.kind is SymbolKind.FUNCTION:
        yield from _function_problems(symbol)
    elif symbol.kind is SymbolKind.CONSTANT:
        yield from _constant_problems(symbol)
    else:
        yield from _class_problems(symbol)


def _function_problems(symbol: Symbol) -> Iterator[str]:
    if not symbol.signature.strip():
        yield f"signature: it is missing; write `def {symbol.name}(…) -> …`"
        return
    yield from _def_problems("signature", symbol.signature, method=False, name=symbol.name)


def _def_problems(label: str, text: str, *, method: bool, name: str = "") -> Iterator[str]:
    try:
        node = parse_def(text)
    except BadSignature as error:
        yield f"{label}: `{_short(text)}` {error}; write `def f(a: int) -> str`"
        return
    if name and node.name != name:
        yield f"{label}: it defines `{node.name}`, not `{name}`"
    missing = unannotated(node, method=method)
    if missing:
        yield f"{label}: `{_short(text)}` lacks annotations for {', '.join(f'`{m}`' for m in missing)}"
    args = node.args
    first = [a.arg for a in (*args.posonlyargs, *args.args)][:1]
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
    if method and not static and first not in (["self"], ["cls"]):
        yield f"{label}: `{_short(text)}` is a method without `self` (or `cls`, or @staticmethod)"


def _constant_problems(symbol: Symbol) -> Iterator[str]:
    try:
        node = parse_constant(symbol.signature)
    except BadSignature as error:
        yield f"signature: `{_short(symbol.signature)}` {error}"
        return
    if target(node) != symbol.name:
        yield f"signature: it defines `{target(node)}`, not `{symbol.name}`"


def _class_problems(symbol: Symbol) -> Iterator[str]:
    try:
        node = parse_class(class_line(symbol))
    except BadSignature as error:
        yield f"signature: `{_short(symbol.signature)}` {error}; write `class {symbol.name}(Base)`"
        return
    if node.name != symbol.name:
        yield f"signature: it defines `{node.name}`, not `{symbol.name}`"
    enum = bool(ENUM_BASES & set(base_names(node)))
    for text in symbol.fields:
        yield from _field_problems(text, enum=enum)
    for text in symbol.methods:
        yield from _def_problems("methods", text, method=True)


def _field_problems(text: str, *, enum: bool) -> Iterator[str]:
    try:
        node = parse_field(text)
    except BadSignature as error:
        yield f"fields: `{_short(text)}` {error}"
        return
    if enum and node.value is None:
        yield f"fields: `{_short(text)}` is an enum's member without value; write `NAME = value`"
    elif not enum and isinstance(node, ast.Assign):
        yield f"fields: `{_short(text)}` has no type; write `name: type = default`"


def field_order_problems(blueprint: Blueprint) -> Iterator[str]:
    """A model's field without default after one with a default, inherited ones included."""
    models = {
        s.name: s
        for f in blueprint.files
        if is_python(f.path)
        for s in f.symbols
        if s.kind is SymbolKind.MODEL
    }
    for file in blueprint.files:
        for symbol in file.symbols if is_python(file.path) else ():
            if symbol.kind is SymbolKind.MODEL and (late := late_field(symbol, models)):
                yield (
                    f"{file.path}, symbol `{symbol.name}`, fields: `{late}` has no default but follows one that has; "
                    "reorder them."
                )


def late_field(symbol: Symbol, models: dict[str, Symbol]) -> str:
    """The first field without default that follows one with a default; empty when the order is right."""
    try:
        node = parse_class(class_line(symbol))
        if {"TypedDict", "Protocol", "BaseModel"} & set(base_names(node)) or _keyword_only(node):
            return ""
        defaulted = False
        for text in _inherited(node, models, {symbol.name}) + symbol.fields:
            parsed = parse_field(text)
            if parsed.value is None and defaulted:
                return text
            defaulted = defaulted or parsed.value is not None
    except BadSignature:
        return ""  # said by symbol_problems
    return ""


def _inherited(node: ast.ClassDef, models: dict[str, Symbol], seen: set[str]) -> tuple[str, ...]:
    found: tuple[str, ...] = ()
    for name in base_names(node):
        if name in models and name not in seen:
            parent = parse_class(class_line(models[name]))
            found += _inherited(parent, models, seen | {name}) + models[name].fields
    return found


def _keyword_only(node: ast.ClassDef) -> bool:
    return any("kw_only=True" in ast.unparse(d) for d in node.decorator_list)


def name_problems(file: FileSpec, defined: Defined, dependencies: Sequence[str]) -> Iterator[str]:
    """Names in a new Python file's signatures that come from nowhere."""
    if not is_python(file.path) or is_test(file.path) or file.state is not FileState.NEW:
        return
    own = {s.name for s in file.symbols} | {n for u in file.uses for n in u.symbols}
    for symbol in file.symbols:
        for chain in _chains(symbol):
            if root(chain) in own or root(chain) in BUILTINS or is_type_variable(root(chain)):
                continue
            if problem := _name_problem(chain, defined, outside=bool(dependencies)):
                yield f"{file.path}, symbol `{symbol.name}`: {problem}."


def _chains(symbol: Symbol) -> list[str]:
    try:
        names = symbol_names(symbol).all if symbol.kind in CODE_KINDS else frozenset()
    except BadSignature:
        names = frozenset()
    return sorted(names | {r for r in symbol.raises if r.isidentifier()})


def _name_problem(chain: str, defined: Defined, *, outside: bool) -> str:
    """The end of a sentence; `outside` says that the blueprint has packages that a dotted name may belong to."""
    places = defined.get(root(chain), ())
    if len(places) == 1 or well_known(chain):
        return ""
    if places:
        return f"`{chain}` is defined in {' and '.join(places)}; say in uses which one is meant"
    if foreign(chain) is None:
        return (
            f"`{chain}` is defined nowhere; define it in a file, or write a library's name with its module, "
            "like `decimal.Decimal`"
        )
    return "" if outside else f"`{chain}` is of a package that dependencies doesn't list"


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:97]}…"
