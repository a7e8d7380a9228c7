"""One line per Python file: its top-level classes and functions, with signatures, cut to fit a prompt."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

_LINE = 400
_SIGNATURE = 120
_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def outline(path: str, source: bytes) -> str:
    """`path: class A(Base): m(self), n(self, x: int) -> str; def f(a: int) -> str`; says when it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the file's own invalid escapes are no concern of ours
            body = ast.parse(source).body
        symbols = "; ".join(_symbols(body))
    except _UNREADABLE as fault:
        return f"{path}: (does not parse: {type(fault).__name__})"
    return _cut(f"{path}: {symbols}" if symbols else path, _LINE)


def _symbols(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield _class(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield _function(node, "async def " if isinstance(node, ast.AsyncFunctionDef) else "def ")


def _class(node: ast.ClassDef) -> str:
    bases = ", ".join(
        [ast.unparse(base) for base in node.bases] + [ast.unparse(word) for word in node.keywords]
    )
    head = f"class {node.name}({bases})" if bases else f"class {node.name}"
    methods = [
        _function(item, "")
        for item in node.body
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and _is_public(item.name)
    ]
    return f"{head}: {', '.join(methods)}" if methods else head


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, keyword: str) -> str:
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return _cut(f"{keyword}{node.name}({ast.unparse(node.args)}){returns}", _SIGNATURE)


def _is_public(name: str) -> bool:
    return name == "__init__" or not name.startswith("_")


def _cut(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
