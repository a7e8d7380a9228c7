"""One contract symbol as Python code: complete for plain data, a stub with signature and docstring for behaviour."""

from __future__ import annotations

import ast
import json
import textwrap
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from swarm.domain.blueprint import Symbol, SymbolKind
from swarm.planning.names import well_known
from swarm.planning.signatures import (
    ENUM_BASES,
    PLAIN_BASES,
    BadSignature,
    Function,
    Names,
    base_names,
    class_line,
    dotted,
    expression_names,
    head,
    parse_class,
    parse_constant,
    parse_def,
    parse_field,
    symbol_names,
    target,
)

WIDTH = 96
_FACTORIES = frozenset({"list", "dict", "set", "bytearray", "deque", "defaultdict", "OrderedDict", "Counter"})
DATA_KINDS = frozenset({SymbolKind.MODEL, SymbolKind.ERROR, SymbolKind.CONSTANT})


@dataclass(frozen=True)
class Code:
    """Rendered code, the names it needs, and whether it is the whole implementation."""

    text: str
    names: Names
    complete: bool


@dataclass(frozen=True)
class Setting:
    """What rendering has to know around a symbol.

    `functions` are names whose call would run a stub at import; `models` the known models by name; `quoted` writes
    annotations as strings, for modules that evaluate them; `bare` leaves no names in defaults, for places where
    nothing can be imported first.
    """

    contract: str
    functions: frozenset[str] = frozenset()
    models: Mapping[str, Symbol] | None = None
    quoted: bool = False
    bare: bool = False

    def model(self, name: str) -> Symbol | None:
        """A known model."""
        return (self.models or {}).get(name)


def is_data(symbol: Symbol) -> bool:
    """Whether a symbol is plain data, so that its contract is its code already: no methods, no errors, all known."""
    if symbol.kind not in DATA_KINDS or symbol.methods or symbol.raises:
        return False
    try:
        names = symbol_names(symbol)
        if symbol.kind is not SymbolKind.CONSTANT:
            parse_class(class_line(symbol))
    except BadSignature:
        return False
    return not any("." in chain and well_known(chain) is None and chain[0].islower() for chain in names.all)


def render_symbol(symbol: Symbol, setting: Setting) -> Code:
    """A symbol's code. Raises BadSignature where its texts are no Python."""
    if symbol.kind is SymbolKind.FUNCTION:
        node = parse_def(symbol.signature)
        text = _function(symbol.signature, node, symbol, setting)
        return Code(text, symbol_names(symbol), complete=False)
    if symbol.kind is SymbolKind.CONSTANT:
        return _constant(symbol, setting)
    return _class(symbol, setting)


def docstring(text: str, indent: str = "") -> str:
    """A docstring statement, wrapped; empty for no text."""
    safe = text.strip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    if not safe:
        return ""
    paragraphs = [" ".join(p.split()) for p in safe.split("\n") if p.strip()]
    blocks = [textwrap.wrap(p, WIDTH, break_long_words=False) for p in paragraphs]
    lines = [
        *blocks[0],
        *([""] if len(blocks) > 1 else []),
        *(line for block in blocks[1:] for line in block),
    ]
    if len(lines) == 1:
        end = " " if lines[0].endswith('"') else ""
        return f'{indent}"""{lines[0]}{end}"""'
    body = "\n".join(f"{indent}{line}" if line else "" for line in lines[1:])
    return f'{indent}"""{lines[0]}\n{body}\n{indent}"""'


def described(symbol: Symbol) -> str:
    """A symbol's description with its errors."""
    text = symbol.description.strip()
    if not symbol.raises:
        return text
    return "\n".join(t for t in (text, f"Raises {', '.join(symbol.raises)}.") if t)


def shown_signature(text: str) -> str:
    """A `def` or `class` line for reading, on one line a decorator."""
    return head(text) or text


def _function(text: str, node: Function, symbol: Symbol, setting: Setting) -> str:
    lines = [f"{_def_head(text, node, setting)}:"]
    if doc := docstring(described(symbol) or symbol.name.replace("_", " ").capitalize() + ".", "    "):
        lines.append(doc)
    lines.append(f"    {_not_there(setting, symbol.name)}")
    return "\n".join(lines)


def _not_there(setting: Setting, name: str) -> str:
    return f"raise NotImplementedError({json.dumps(f'contract {setting.contract}: {name}')})"


def _def_head(text: str, node: Function, setting: Setting) -> str:
    """The `def` line, as it was given where nothing in it has to change."""
    unsafe = [d for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None and _runs(d, setting)]
    if not unsafe and not setting.quoted and "\n" not in head(text).rpartition("\ndef ")[2]:
        return head(text)
    changed = _Tamed(setting).visit(node)
    return ast.unparse(changed).rpartition(":")[0] if isinstance(changed, Function) else head(text)


class _Tamed(ast.NodeTransformer):
    """Annotations quoted where asked for; defaults that would run a stub replaced by `...`."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def visit_arguments(self, node: ast.arguments) -> ast.arguments:
        node.defaults = [self._default(d) for d in node.defaults]
        node.kw_defaults = [d and self._default(d) for d in node.kw_defaults]
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = self._quoted(node.annotation)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.args, node.returns = self.visit_arguments(node.args), self._quoted(node.returns)
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        node.args, node.returns = self.visit_arguments(node.args), self._quoted(node.returns)
        return node

    def _default(self, node: ast.expr) -> ast.expr:
        return ast.Constant(...) if _runs(node, self._setting) else node

    def _quoted(self, node: ast.expr | None) -> ast.expr | None:
        if node is None or not self._setting.quoted or isinstance(node, ast.Constant):
            return node
        return ast.Constant(ast.unparse(node))


def _runs(node: ast.expr, setting: Setting) -> bool:
    """Whether evaluating the expression would call a function that is only a stub."""
    names = expression_names(node)
    return bool(names.called & setting.functions) or (setting.bare and bool(names.live))


def _constant(symbol: Symbol, setting: Setting) -> Code:
    node = parse_constant(symbol.signature)
    names = symbol_names(symbol)
    text = symbol.signature.strip()
    if node.value is not None and _runs(node.value, setting):
        annotation = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else "Any"
        text = f'{symbol.name}: {annotation} = cast("Any", None)'
        names = Names(frozenset({"cast"}), names.quiet | {"Any"})
        return Code(f"{text}  # its task computes it", names, complete=False)
    if setting.quoted and isinstance(node, ast.AnnAssign) and node.value is not None:
        text = f"{symbol.name}: {ast.unparse(node.annotation)!r} = {ast.unparse(node.value)}"
    comment = textwrap.wrap(" ".join(symbol.description.split()), WIDTH - 2)
    return Code("\n".join([*(f"# {line}" for line in comment), text]), names, complete=is_data(symbol))


def _class(symbol: Symbol, setting: Setting) -> Code:
    line = class_line(symbol)
    node = parse_class(line)
    bases = frozenset(base_names(node))
    names = symbol_names(symbol)
    lines = [f"{head(line)}:"]
    if symbol.kind is SymbolKind.MODEL and not node.decorator_list and not bases & PLAIN_BASES:
        lines.insert(0, _dataclass_line(bases, setting))
        names |= Names(live=frozenset({"dataclass"}))
    body = [docstring(described(symbol) or f"{symbol.name}.", "    ")]
    if symbol.kind is SymbolKind.ERROR and symbol.fields:
        body += _error_fields(symbol)
    else:
        is_record = symbol.kind is SymbolKind.MODEL or _is_dataclass(node)
        rendered = [_field(f, bases, setting, record=is_record) for f in symbol.fields]
        names |= Names(live=frozenset({"field"} if any("field(" in r for r in rendered) else ()))
        body += ["", *(f"    {r}" for r in rendered)] if rendered else []
    for text in symbol.methods:
        body += ["", *_method(text, symbol, setting)]
    return Code("\n".join([*lines, *body]), names, complete=is_data(symbol))


def _is_dataclass(node: ast.ClassDef) -> bool:
    heads = (d.func if isinstance(d, ast.Call) else d for d in node.decorator_list)
    return any(dotted(h).rsplit(".", 1)[-1] == "dataclass" for h in heads)


def _dataclass_line(bases: Collection[str], setting: Setting) -> str:
    """Frozen, unless the model inherits from one whose own decorator says otherwise: dataclasses can't mix."""
    for name in sorted(bases):
        parent = setting.model(name)
        decorators = parse_class(class_line(parent)).decorator_list if parent else []
        if decorators:
            return f"@{ast.unparse(decorators[0])}"
    return "@dataclass(frozen=True)"


def _field(text: str, bases: Collection[str], setting: Setting, *, record: bool) -> str:
    node = parse_field(text)
    name = target(node)
    if isinstance(node, ast.Assign):
        return text.strip()
    annotation = ast.unparse(node.annotation)
    shown = repr(annotation) if setting.quoted else annotation
    if ENUM_BASES & set(bases) and node.value is not None:
        return f"{name} = {ast.unparse(node.value)}"
    if node.value is None or "TypedDict" in bases:
        return f"{name}: {shown}"
    if _runs(node.value, setting):
        return f"{name}: {shown} = ..."
    factory = _factory(node.value, setting) if record and not PLAIN_BASES & set(bases) else ""
    value = f"field(default_factory={factory})" if factory else _source(text, node.value)
    return f"{name}: {shown} = {value}"


def _source(text: str, value: ast.expr) -> str:
    """The value as it was written, so that quotes and numbers keep their form."""
    return ast.get_source_segment(text.strip(), value) or ast.unparse(value)


def _factory(value: ast.expr, setting: Setting) -> str:
    """The `default_factory` for a default that must not be shared between instances; empty where it may be."""
    called = dotted(value.func) if isinstance(value, ast.Call) else ""
    if isinstance(value, ast.List | ast.Dict | ast.Set):
        empty = {ast.List: "list", ast.Dict: "dict"}.get(type(value), "set")
        filled = value.keys if isinstance(value, ast.Dict) else value.elts
        return empty if not filled else f"lambda: {ast.unparse(value)}"
    if called in _FACTORIES or setting.model(called):
        plain = isinstance(value, ast.Call) and not value.args and not value.keywords
        return called if plain else f"lambda: {ast.unparse(value)}"
    return ""


def _error_fields(symbol: Symbol) -> list[str]:
    """The constructor of an error with fields: it keeps them, and its message shows them."""
    parsed = [parse_field(f) for f in symbol.fields]
    names = [target(p) for p in parsed]
    shown = ", ".join(f"{n}={{{n}!r}}" for n in names)
    lines = ["", f"    def __init__(self, {', '.join(ast.unparse(p) for p in parsed)}) -> None:"]
    message = names[0] if names[0] in ("message", "reason", "detail") else f'f"{shown}"'
    lines.append(f"        super().__init__({message})")
    return [*lines, *(f"        self.{name} = {name}" for name in names)]


def _method(text: str, symbol: Symbol, setting: Setting) -> list[str]:
    node = parse_def(text)
    name = f"{symbol.name}.{node.name}"
    code = f"{_def_head(text, node, setting)}:\n    {_not_there(setting, name)}"
    return textwrap.indent(code, "    ").split("\n")


def method_stub(text: str, symbol: Symbol, setting: Setting) -> str:
    """One method of a class, unindented. Raises BadSignature."""
    return textwrap.dedent("\n".join(_method(text, symbol, setting)))
