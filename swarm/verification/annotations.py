"""Type annotations as canonical text, so that two spellings of one type compare equal.

Quotes, white space, `typing.List` against `list`, `Optional[X]` against `X | None`, module prefixes and the order of
a union don't matter. Works on syntax alone: nothing is imported or executed.
"""

from __future__ import annotations

import ast

_ALIASES = {
    "List": "list",
    "Dict": "dict",
    "Set": "set",
    "FrozenSet": "frozenset",
    "Tuple": "tuple",
    "Type": "type",
    "Text": "str",
    "DefaultDict": "defaultdict",
    "Deque": "deque",
    "NoneType": "None",
    "ContextManager": "AbstractContextManager",
    "AsyncContextManager": "AbstractAsyncContextManager",
    "AbstractSet": "Set",
}
_TRANSPARENT = {"Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly", "InitVar"}


def normalise(node: ast.expr | None, *, owner: str = "") -> str:
    """The canonical text of an annotation; `owner` is the class it stands in, whose own name reads as `Self`."""
    if node is None:
        return ""
    return _text(node, owner)


def compatible(expected: str, found: str) -> bool:
    """Whether a canonical annotation keeps the promise of another: equal, or the same type with its parameters said."""
    return expected in ("", "Any") or found == expected or found.startswith(f"{expected}[")


def _text(node: ast.expr, owner: str) -> str:
    if isinstance(node, ast.Constant):
        return _constant(node, owner)
    if isinstance(node, ast.Name | ast.Attribute):
        return _name(node.id if isinstance(node, ast.Name) else node.attr, owner)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union([_text(node.left, owner), _text(node.right, owner)])
    if isinstance(node, ast.Subscript):
        return _subscript(node, owner)
    if isinstance(node, ast.List | ast.Tuple):
        inner = ", ".join(_text(e, owner) for e in node.elts)
        return f"[{inner}]" if isinstance(node, ast.List) else inner
    return ast.unparse(node)


def _constant(node: ast.Constant, owner: str) -> str:
    if node.value is None:
        return "None"
    if node.value is Ellipsis:
        return "..."
    if not isinstance(node.value, str):
        return repr(node.value)
    try:
        return _text(ast.parse(node.value.strip(), mode="eval").body, owner)
    except (SyntaxError, ValueError):
        return "".join(node.value.split())


def _name(name: str, owner: str) -> str:
    return "Self" if owner and name == owner else _ALIASES.get(name, name)


def _subscript(node: ast.Subscript, owner: str) -> str:
    base = _text(node.value, owner)
    parts = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if base in _TRANSPARENT and parts:
        return _text(parts[0], owner)
    if base == "Literal":
        return f"Literal[{', '.join(sorted(ast.unparse(p) for p in parts))}]"
    inner = [_text(p, owner) for p in parts]
    if base == "Optional":
        return _union([*inner, "None"])
    if base == "Union":
        return _union(inner)
    if base == "Generator" and inner[1:] == ["None", "None"]:
        inner = inner[:1]  # the defaults of Python 3.13: two spellings of one type
    return f"{base}[{', '.join(inner)}]"


def _union(members: list[str]) -> str:
    flat = {part for member in members for part in _split(member)}
    return " | ".join(sorted(flat - {"None"}) + (["None"] if "None" in flat else []))


def _split(union: str) -> list[str]:
    """The members of a canonical union; bars inside brackets belong to a member."""
    parts, depth, current = [], 0, ""
    for char in union:
        depth += (char in "[(") - (char in "])")
        if char == "|" and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += char
    return [*parts, current.strip()]
