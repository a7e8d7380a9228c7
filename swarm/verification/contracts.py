"""Whether a file keeps its contract: each provided symbol is there, with its signature, and is no stub any more.

Python is checked by syntax alone, nothing is imported or executed. Routes and commands cannot be seen in syntax and
give no finding; other languages are only checked for the file's existence. Each finding is a sentence for the agent:
path, line, what is expected, what was found.
"""

from __future__ import annotations

import ast

from swarm.domain.blueprint import Symbol, SymbolKind
from swarm.domain.plan import Contract
from swarm.verification.annotations import compatible
from swarm.verification.modules import (
    Field,
    ModuleIndex,
    base_names,
    chain,
    field_of,
    fields,
    has_outside_base,
    index_module,
    is_enum,
    is_synthesised,
    methods,
    parse_python,
)
from swarm.verification.signatures import Function, decorators, differences, one_line, parse_function

_UNSEEN = (SymbolKind.ROUTE, SymbolKind.COMMAND)
# How a class is made is the implementer's choice; what callers catch or pass it as is not.
_FREE_BASES = {"", "object", "ABC", "Protocol", "Generic", "BaseModel", "NamedTuple", "TypedDict"}
_PROPERTY = {"property", "cached_property"}


def contract_findings(contract: Contract, source: bytes | None) -> tuple[str, ...]:
    """What the file at `contract.path` lacks of the contract; `source` is None where there is no such file."""
    symbols = [s for s in contract.symbols if s.kind not in _UNSEEN]
    if not symbols:
        return ()
    if source is None:
        names = ", ".join(f"`{s.name}`" for s in symbols)
        return (f"{contract.path}: the file does not exist; the contract expects it to define {names}.",)
    if not contract.path.endswith((".py", ".pyi")):
        return ()
    try:
        tree = parse_python(source, contract.path)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        return (
            f"{contract.path}:{line}: the file does not parse ({error}), so its contract cannot be checked.",
        )
    index = index_module(tree)
    found = [f"{contract.path}{text}" for symbol in symbols for text in _symbol_findings(index, symbol)]
    return tuple(dict.fromkeys(found)) + _stubs(contract.path, tree)


def _symbol_findings(index: ModuleIndex, symbol: Symbol) -> list[str]:
    """Findings without the path: `:LINE: …` or `: …`."""
    if symbol.kind is SymbolKind.FUNCTION:
        return _function_findings(index, symbol)
    if symbol.kind is SymbolKind.CONSTANT:
        return _constant_findings(index, symbol)
    node = index.classes.get(index.aliases.get(symbol.name, symbol.name))
    if node is not None:
        return _class_findings(index, symbol, node)
    if symbol.name in index.functions:
        line = index.functions[symbol.name].lineno
        return [f":{line}: `{symbol.name}` is a function; the contract expects {_expected_class(symbol)}."]
    if symbol.name in index.other and symbol.kind is not SymbolKind.ERROR:
        return []  # made by a call (namedtuple and the like) or imported: there, and no more can be seen
    if symbol.name in index.imported:
        return []
    return [f": `{symbol.name}` is missing; the contract expects {_expected_class(symbol)}."]


def _expected_class(symbol: Symbol) -> str:
    line = symbol.signature.strip().rstrip(":") or f"class {symbol.name}"
    return f"the {symbol.kind} `{line}`"


# --- functions and methods


def _function_findings(index: ModuleIndex, symbol: Symbol) -> list[str]:
    owner, _, name = symbol.name.rpartition(".")
    if owner:
        cls = index.classes.get(owner)
        if cls is None:
            return [
                f": class `{owner}` is missing; the contract expects its method `{symbol.signature or name}`."
            ]
        return _method_findings(
            index, cls, symbol.signature or f"def {name}()", checked=bool(symbol.signature)
        )
    node = index.functions.get(index.aliases.get(name, name))
    if node is None:
        if name in index.other:
            return []  # imported, or made by a call: there, and its signature cannot be seen here
        kind = (
            f" (there is a class of that name at line {index.classes[name].lineno})"
            if name in index.classes
            else ""
        )
        return [f": function `{name}` is missing{kind}; the contract expects `{_head(symbol)}`."]
    return _compare(parse_function(symbol.signature), node, name, owner="")


def _head(symbol: Symbol) -> str:
    return symbol.signature.strip().rstrip(":") or f"def {symbol.name}(…)"


def _compare(expected: Function | None, node: Function, name: str, *, owner: str) -> list[str]:
    if expected is None:
        return []
    problems = list(differences(expected, node, owner=owner))
    wants, has = bool(_PROPERTY & decorators(expected)), bool(_PROPERTY & decorators(node))
    if wants != has:
        problems.append(
            "it must be a property" if wants else "it must be a method that is called, not a property"
        )
    if not problems:
        return []
    label = f"{owner}.{name}" if owner else name
    what = f":{node.lineno}: `{label}` departs from its contract: {'; '.join(problems)}."
    return [f"{what} Expected `{one_line(expected)}`, found `{one_line(node)}`."]


def _method_findings(
    index: ModuleIndex, cls: ast.ClassDef, signature: str, *, checked: bool = True
) -> list[str]:
    expected = parse_function(signature)
    if expected is None:
        return []
    known = methods(index, cls)
    node = known.get(expected.name)
    if node is not None:
        return _compare(expected, node, expected.name, owner=cls.name) if checked else []
    held = fields(index, cls)
    if expected.name in held and (_PROPERTY & decorators(expected) or not held[expected.name].annotation):
        return []  # a plain attribute serves a property's readers, and `get = _get` may hold anything
    if expected.name == "__init__" and is_synthesised(index, cls):
        return []  # made from the fields, which are checked by themselves
    where = f":{cls.lineno}: method `{expected.name}` of class `{cls.name}` is missing in this file"
    return [f"{where}; the contract expects `{one_line(expected)}`."]


# --- constants


def _constant_findings(index: ModuleIndex, symbol: Symbol) -> list[str]:
    name = symbol.name
    owner, _, attribute = name.rpartition(".")
    if owner in index.classes and attribute in fields(index, index.classes[owner]):
        return []
    if name in index.other or name in index.functions or name in index.classes:
        return []
    expected = f"the contract expects `{symbol.signature or name}`"
    if name in index.declared:
        return [f":{index.declared[name]}: `{name}` is declared but never assigned; {expected}."]
    return [f": constant `{name}` is missing; {expected}."]


# --- classes, models, errors


def _class_findings(index: ModuleIndex, symbol: Symbol, node: ast.ClassDef) -> list[str]:
    found = _base_findings(index, symbol, node)
    if symbol.kind is SymbolKind.ERROR and not _is_exception(index, node):
        found.append(
            f":{node.lineno}: error `{node.name}` does not derive from Exception; "
            f"the contract expects {_expected_class(symbol)}."
        )
    found += [text for signature in symbol.methods for text in _method_findings(index, node, signature)]
    return found + _field_findings(index, symbol, node)


def _is_exception(index: ModuleIndex, node: ast.ClassDef) -> bool:
    return "BaseException" in chain(index, node) or has_outside_base(index, node)


def _base_findings(index: ModuleIndex, symbol: Symbol, node: ast.ClassDef) -> list[str]:
    if symbol.kind is SymbolKind.MODEL or (has_outside_base(index, node) and symbol.kind is SymbolKind.ERROR):
        return []
    expected = _class_line(symbol.signature)
    if expected is None:
        return []
    known = chain(index, node) | {node.name}
    missing = [b for b in base_names(expected) if b not in _FREE_BASES and b not in known]
    return [
        f":{node.lineno}: class `{node.name}` does not derive from `{base}`; expected {_expected_class(symbol)}."
        for base in missing
    ]


def _class_line(signature: str) -> ast.ClassDef | None:
    text = signature.strip().rstrip(":")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    try:
        statement = ast.parse("\n".join([*lines[:-1], f"{lines[-1]}: ..."])).body[0]
    except (SyntaxError, ValueError):
        return None
    return statement if isinstance(statement, ast.ClassDef) else None


def _field_findings(index: ModuleIndex, symbol: Symbol, node: ast.ClassDef) -> list[str]:
    if not symbol.fields:
        return []
    found = fields(index, node)
    wanted = {
        name: (field, line) for line in symbol.fields for name, field in _field_line(line, node.name).items()
    }
    problems = []
    for name, (want, line) in wanted.items():
        have = found.get(name)
        if have is None:
            if name not in methods(index, node):
                problems.append(f":{node.lineno}: field `{line.strip()}` of `{node.name}` is missing.")
        else:
            problems += [
                f":{have.line}: field `{name}` of `{node.name}` {p}."
                for p in _field_problems(index, node, want, have)
            ]
    if is_synthesised(index, node):
        problems += [
            f":{have.line}: field `{name}` of `{node.name}` is not in the contract and has no default: "
            "callers by the contract cannot construct it. Give it a default or remove it."
            for name, have in found.items()
            if name not in wanted
            and not have.optional
            and not name.startswith("_")
            and have.annotation != "KW_ONLY"
        ]
    return problems


def _field_line(line: str, owner: str) -> dict[str, Field]:
    """`name: type [= default]` as a field; empty where it is no Python."""
    try:
        body = ast.parse(line.strip().rstrip(",")).body
    except (SyntaxError, ValueError):
        return {}
    if len(body) == 1 and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Name):
        return {body[0].value.id: Field("", False, 0)}
    return field_of(body[0], owner=owner) if len(body) == 1 else {}


def _field_problems(index: ModuleIndex, node: ast.ClassDef, want: Field, have: Field) -> list[str]:
    problems = []
    if not compatible(want.annotation, have.annotation) and not is_enum(index, node):
        given = f"not `{have.annotation}`" if have.annotation else "but has no annotation"
        problems.append(f"must be of type `{want.annotation}`, {given}")
    if want.optional and not have.optional:
        problems.append("must have a default")
    return problems


# --- stubs


def _stubs(path: str, tree: ast.Module) -> tuple[str, ...]:
    """What the scaffold wrote and nobody has replaced."""
    functions = (n for n in ast.walk(tree) if isinstance(n, Function))
    raises = (
        (f.name, n)
        for f in functions
        for n in f.body
        if isinstance(n, ast.Raise) and _is_contract_stub(n.exc)
    )
    return tuple(
        f"{path}:{n.lineno}: `{name}` is still the contract's stub: implement it." for name, n in raises
    )


def _is_contract_stub(raised: ast.expr | None) -> bool:
    if (
        not isinstance(raised, ast.Call)
        or not raised.args
        or getattr(raised.func, "id", "") != "NotImplementedError"
    ):
        return False
    text = raised.args[0]
    return (
        isinstance(text, ast.Constant)
        and isinstance(text.value, str)
        and text.value.lower().startswith("contract")
    )
