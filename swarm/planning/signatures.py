"""Contract symbols as Python syntax: signatures, fields, and the names in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from swarm.domain.blueprint import Symbol, SymbolKind

Function = ast.FunctionDef | ast.AsyncFunctionDef
_DECORATOR = re.compile(r"^\s*(@[\w.]+(?:\((?:[^()]|\([^()]*\))*\))?)\s+(?=@|async\b|def\b|class\b)")
_BODY = re.compile(r":\s*(?:\.\.\.|pass)?\s*$")
CODE_KINDS = frozenset(
    {SymbolKind.FUNCTION, SymbolKind.CLASS, SymbolKind.MODEL, SymbolKind.ERROR, SymbolKind.CONSTANT}
)
PLAIN_BASES = frozenset(
    {"Enum", "StrEnum", "IntEnum", "Flag", "IntFlag", "NamedTuple", "TypedDict", "Protocol", "BaseModel"}
)
ENUM_BASES = frozenset({"Enum", "StrEnum", "IntEnum", "Flag", "IntFlag"})


class BadSignature(ValueError):
    """A text that is not the Python it should be; the message is the end of a sentence."""


@dataclass(frozen=True)
class Names:
    """The names in a piece of code. `live` are evaluated when the module is imported, `quiet` in annotations only.

    Each is a dotted name as far as it goes: `sqlite3.Connection`, `Link`.
    """

    live: frozenset[str] = frozenset()
    quiet: frozenset[str] = frozenset()
    called: frozenset[str] = field(default_factory=frozenset)

    def __or__(self, other: Names) -> Names:
        return Names(self.live | other.live, self.quiet | other.quiet, self.called | other.called)

    @property
    def all(self) -> frozenset[str]:
        """All of them."""
        return self.live | self.quiet


def head(text: str) -> str:
    """A `def` or `class` line with its decorators on lines of their own and without colon and body."""
    rest, lines = text.strip(), []
    while found := _DECORATOR.match(rest):
        lines.append(found.group(1))
        rest = rest[found.end() :]
    return "\n".join([*lines, _BODY.sub("", rest).rstrip()])


def parse_def(text: str) -> Function:
    """A full `def` line (decorators allowed). Raises BadSignature."""
    node = _single(f"{head(text)}:\n    ...")
    if not isinstance(node, Function):
        raise BadSignature("is not a `def` line")
    return node


def parse_class(text: str) -> ast.ClassDef:
    """A `class` line (decorators allowed). Raises BadSignature."""
    node = _single(f"{head(text)}:\n    ...")
    if not isinstance(node, ast.ClassDef):
        raise BadSignature("is not a `class` line")
    return node


def parse_field(text: str) -> ast.AnnAssign | ast.Assign:
    """A model's field, `name: type [= default]`, or an enum's member, `NAME = value`. Raises BadSignature."""
    node = _single(text.strip())
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node
    raise BadSignature("is not `name: type` or `name: type = default`")


def parse_constant(text: str) -> ast.AnnAssign | ast.Assign:
    """`NAME: type = value` (or `NAME = value`). Raises BadSignature."""
    node = parse_field(text)
    if node.value is None:
        raise BadSignature("has no value; write `NAME: type = value`")
    return node


def target(node: ast.AnnAssign | ast.Assign) -> str:
    """The name that a parsed field or constant binds."""
    bound = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    return bound.id if isinstance(bound, ast.Name) else ""


def _single(text: str) -> ast.stmt:
    try:
        body = ast.parse(text).body
    except SyntaxError as error:
        raise BadSignature(f"is not Python: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise BadSignature("is not Python") from error
    if len(body) != 1:
        raise BadSignature("is not one Python statement")
    return body[0]


def class_line(symbol: Symbol) -> str:
    """The symbol's `class` line, made from its name where it has none."""
    if symbol.signature.strip():
        return symbol.signature
    base = "(Exception)" if symbol.kind is SymbolKind.ERROR else ""
    return f"class {symbol.name}{base}"


def base_names(node: ast.ClassDef) -> tuple[str, ...]:
    """The last names of the bases: `enum.StrEnum`, `Generic[T]` → `StrEnum`, `Generic`."""
    found = []
    for base in node.bases:
        inner = base.value if isinstance(base, ast.Subscript) else base
        found.append(dotted(inner).rsplit(".", 1)[-1])
    return tuple(found)


def dotted(node: ast.expr) -> str:
    """`a.b.c` as text; empty where it isn't a chain of names."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def unannotated(node: Function, *, method: bool = False) -> tuple[str, ...]:
    """The parameters (and `return`) without annotation; `self` and `cls`, and what `__init__` returns, need none."""
    args = node.args
    plain = [*args.posonlyargs, *args.args]
    static = any(dotted(d) == "staticmethod" for d in node.decorator_list)
    if method and plain and not static:
        plain = plain[1:]
    rest = [a for a in (args.vararg, args.kwarg) if a is not None]
    missing = [a.arg for a in (*plain, *args.kwonlyargs, *rest) if a.annotation is None]
    if node.returns is None and node.name != "__init__":
        missing.append("return")
    return tuple(missing)


def symbol_names(symbol: Symbol) -> Names:
    """The names that a code symbol's texts mention, parameters and its own name apart. Raises BadSignature."""
    if symbol.kind is SymbolKind.FUNCTION:
        found = def_names(parse_def(symbol.signature))
    elif symbol.kind is SymbolKind.CONSTANT:
        found = field_names(parse_constant(symbol.signature))
    elif symbol.kind in CODE_KINDS:
        found = _class_names(symbol)
    else:
        found = Names()
    return Names(
        *(frozenset(n for n in part if n != symbol.name) for part in (found.live, found.quiet, found.called))
    )


def _class_names(symbol: Symbol) -> Names:
    node = parse_class(class_line(symbol))
    found = Names()
    for part in (*node.bases, *(k.value for k in node.keywords), *node.decorator_list):
        found |= expression_names(part)
    own = set()
    for text in symbol.fields:
        parsed = parse_field(text)
        found |= field_names(parsed)
        own.add(target(parsed))
    for text in symbol.methods:
        found |= def_names(parse_def(text))
    return Names(found.live - own, found.quiet, found.called - own)


def def_names(node: Function) -> Names:
    """The names in a `def` line: annotations quiet, defaults and decorators live."""
    args = node.args
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    found = Names()
    for arg in every:
        if arg is not None and arg.annotation is not None:
            found |= _quiet(arg.annotation)
    if node.returns is not None:
        found |= _quiet(node.returns)
    for default in (*args.defaults, *args.kw_defaults):
        if default is not None:
            found |= expression_names(default)
    for decorator in node.decorator_list:
        found |= expression_names(decorator)
    return found


def field_names(node: ast.AnnAssign | ast.Assign) -> Names:
    """The names in a field: annotation quiet, value live."""
    found = _quiet(node.annotation) if isinstance(node, ast.AnnAssign) else Names()
    return found | expression_names(node.value) if node.value is not None else found


def expression_names(node: ast.expr) -> Names:
    """The names in an evaluated expression, those bound inside it (comprehensions, lambdas) apart."""
    bound = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    bound |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    live = frozenset(n for n in _chains(node) if n.split(".")[0] not in bound)
    called = frozenset(dotted(n.func) for n in ast.walk(node) if isinstance(n, ast.Call))
    return Names(live=live, called=called - {""})


def _quiet(node: ast.expr) -> Names:
    return Names(quiet=frozenset(_annotation_chains(node)))


def _annotation_chains(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            yield from _annotation_chains(ast.parse(node.value, mode="eval").body)
        except (SyntaxError, ValueError, RecursionError):
            return
    elif isinstance(node, ast.Subscript) and dotted(node.value).rsplit(".", 1)[-1] == "Literal":
        yield from _chains(node.value)
    elif chain := dotted(node):
        yield chain
    else:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from _annotation_chains(child)


def _chains(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.expr) and (chain := dotted(node)):
        yield chain
        return
    for child in ast.iter_child_nodes(node):
        yield from _chains(child)
