"""A Python file as names: what it binds at its top level, and what its classes hold. From its text, never by import."""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from swarm.verification.annotations import normalise
from swarm.verification.signatures import Function, decorators

_PARSED_BYTES = 1_000_000
"""Beyond it, the parser holds the interpreter's lock for seconds and takes half a gigabyte."""
_SYNTHESISED = {"NamedTuple", "TypedDict", "BaseModel"}
_ENUMS = {"Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"}


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute of a class: its canonical annotation (empty for none), and whether callers may leave it out."""

    annotation: str
    optional: bool
    line: int


@dataclass(frozen=True, slots=True)
class ModuleIndex:
    """Top-level names of a module, those under `if`, `try` and `with` included. `other` maps a name to its line."""

    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    other: dict[str, int] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    declared: dict[str, int] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)


def parse_python(source: bytes, path: str) -> ast.Module:
    """The syntax of a Python file. Raises SyntaxError or ValueError (null bytes); prints and runs nothing.

    A file of more than 1,000,000 bytes is not looked at: a SyntaxError says so.
    """
    if len(source) > _PARSED_BYTES:
        raise SyntaxError(f"too large to be checked: split it (at most {_PARSED_BYTES:,} bytes)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in an agent's file is no warning of ours
        try:
            return ast.parse(source, filename=path)
        except (RecursionError, MemoryError) as error:
            raise SyntaxError(f"nested too deeply ({type(error).__name__})") from error


def compile_python(source: bytes, path: str) -> None:
    """Finds what parsing lets pass, such as `return` outside a function; runs nothing. Raises as `parse_python`."""
    tree = parse_python(source, path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile(tree, path, "exec", dont_inherit=True)


def index_module(tree: ast.Module) -> ModuleIndex:
    """The names that a module binds; the last definition of a name counts (after its overloads)."""
    index = ModuleIndex()
    for statement in flatten(tree.body):
        if isinstance(statement, Function):
            index.functions[statement.name] = statement
        elif isinstance(statement, ast.ClassDef):
            index.classes[statement.name] = statement
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            names = {(alias.asname or alias.name.split(".")[0]) for alias in statement.names}
            index.imported.update(names)
            index.other.update(dict.fromkeys(names, statement.lineno))
        else:
            _bind(index, statement)
    return index


def flatten(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a scope, those inside `if`, `for`, `while`, `try` and `with` included."""
    for statement in body:
        yield statement
        for name in ("body", "orelse", "finalbody"):
            if not isinstance(statement, Function | ast.ClassDef):
                yield from flatten(getattr(statement, name, []))
        for handler in getattr(statement, "handlers", []):
            yield from flatten(handler.body)


def _bind(index: ModuleIndex, statement: ast.stmt) -> None:
    if isinstance(statement, ast.AnnAssign) and statement.value is None:
        if isinstance(statement.target, ast.Name):
            index.declared[statement.target.id] = statement.lineno
        return
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Name):
        index.aliases.update({t.id: statement.value.id for t in statement.targets if isinstance(t, ast.Name)})
    for node in _targets(statement):
        for name in ast.walk(node):
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                index.other[name.id] = statement.lineno


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return statement.targets
    if isinstance(statement, ast.AnnAssign | ast.AugAssign | ast.For | ast.AsyncFor):
        return [statement.target]
    if isinstance(statement, ast.With | ast.AsyncWith):
        return [item.optional_vars for item in statement.items if item.optional_vars]
    return []


def base_names(node: ast.ClassDef) -> list[str]:
    """The bases of a class by their last names; `Generic[T]` reads as `Generic`."""
    names = []
    for base in node.bases:
        expression = base.value if isinstance(base, ast.Subscript) else base
        names.append(
            expression.attr if isinstance(expression, ast.Attribute) else getattr(expression, "id", "")
        )
    return names


def lineage(index: ModuleIndex, node: ast.ClassDef) -> list[ast.ClassDef]:
    """The class and its ancestors in this file, nearest first."""
    found: list[ast.ClassDef] = []
    queue = [node]
    while queue:
        current = queue.pop(0)
        if current not in found:
            found.append(current)
            queue += [index.classes[b] for b in base_names(current) if b in index.classes]
    return found


def chain(index: ModuleIndex, node: ast.ClassDef) -> set[str]:
    """The names of all bases that this file shows, built-in ancestors of built-in exceptions included."""
    names = {name for cls in lineage(index, node) for name in base_names(cls)}
    for name in list(names):
        known = getattr(builtins, name, None)
        if isinstance(known, type) and name not in index.classes and name not in index.imported:
            names |= {parent.__name__ for parent in known.__mro__}
    return names


def has_outside_base(index: ModuleIndex, node: ast.ClassDef) -> bool:
    """Whether an ancestor comes from elsewhere (imported or computed), so that its own chain cannot be seen."""
    plain = {base for cls in lineage(index, node) for base in cls.bases if isinstance(base, ast.Name)}
    computed = any(base not in plain for cls in lineage(index, node) for base in cls.bases)
    return computed or any(base.id in index.imported or base.id in index.other for base in plain)


def methods(index: ModuleIndex, node: ast.ClassDef) -> dict[str, Function]:
    """The methods of a class and of its ancestors in this file, by name; the nearest definition counts."""
    found: dict[str, Function] = {}
    for cls in reversed(lineage(index, node)):
        for statement in flatten(cls.body):
            if isinstance(statement, Function) and not {"setter", "deleter"} & decorators(statement):
                found[statement.name] = statement
    return found


def is_synthesised(index: ModuleIndex, node: ast.ClassDef) -> bool:
    """Whether its constructor is made from its fields: a dataclass, NamedTuple, TypedDict or pydantic model."""
    marks = {"dataclass", "define", "frozen", "mutable", "attrs"}
    return bool(_SYNTHESISED & chain(index, node)) or any(
        marks & decorators(cls) for cls in lineage(index, node)
    )


def is_enum(index: ModuleIndex, node: ast.ClassDef) -> bool:
    """Whether it is an enumeration, whose members carry no annotation."""
    return bool(_ENUMS & chain(index, node))


def fields(index: ModuleIndex, node: ast.ClassDef) -> dict[str, Field]:
    """The fields of a class and of its ancestors in this file: annotated or assigned in the body or in `__init__`."""
    found: dict[str, Field] = {}
    for cls in reversed(lineage(index, node)):
        for statement in flatten(cls.body):
            if isinstance(statement, Function):
                found.update(_accessors(statement, cls.name))
            else:
                found.update(field_of(statement, owner=cls.name))
    return found


def field_of(statement: ast.stmt, *, owner: str = "") -> dict[str, Field]:
    """The field that a statement of a class body makes, by name; empty for anything else."""
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        note = normalise(statement.annotation, owner=owner)
        return {statement.target.id: Field(note, _has_default(statement.value), statement.lineno)}
    if isinstance(statement, ast.Assign):
        return {t.id: Field("", True, statement.lineno) for t in statement.targets if isinstance(t, ast.Name)}
    return {}


def _has_default(value: ast.expr | None) -> bool:
    if value is None or (isinstance(value, ast.Constant) and value.value is Ellipsis):
        return False
    if not isinstance(value, ast.Call):
        return True
    name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
    if name.lower() not in ("field", "attrib", "ib"):
        return True
    given = {k.arg for k in value.keywords} & {"default", "default_factory", "factory"}
    first = value.args[0] if value.args else None
    return bool(given) or (first is not None and _has_default(first))


def _accessors(function: Function, owner: str) -> dict[str, Field]:
    """Fields that a method gives: a property, or what `__init__` assigns to `self`."""
    if {"property", "cached_property"} & decorators(function):
        return {function.name: Field(normalise(function.returns, owner=owner), True, function.lineno)}
    if function.name != "__init__":
        return {}
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    notes = {a.arg: normalise(a.annotation, owner=owner) for a in arguments}
    found = {}
    for node in ast.walk(function):
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        for target in targets:
            if (
                isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id == "self"
            ):
                found[target.attr] = Field(_note(node, notes, owner), True, target.lineno)
    return found


def _note(node: ast.AST, notes: dict[str, str], owner: str) -> str:
    """The type of `self.x = value`: its own annotation, or that of the parameter it takes its value from."""
    if isinstance(node, ast.AnnAssign):
        return normalise(node.annotation, owner=owner)
    value = getattr(node, "value", None)
    return notes.get(value.id, "") if isinstance(value, ast.Name) else ""
