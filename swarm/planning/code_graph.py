"""The dependency graph of existing Python code: facts that complete what a model says about it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from swarm.planning.paths import is_init, is_python, module_name


def import_uses(texts: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Path → the paths among these Python files that it imports: the dependency graph of existing code."""
    inits = {p for p in texts if is_init(p)}
    modules = {module_name(p, inits): p for p in sorted(texts) if is_python(p)}
    found = {}
    for path in sorted(modules.values()):
        names = _imported(texts[path], module_name(path, inits), path)
        found[path] = tuple(sorted({modules[n] for n in names if n in modules} - {path}))
    return found


def _imported(text: str, module: str, path: str) -> Iterable[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    package = module if is_init(path) else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            yield base
            yield from (f"{base}.{a.name}" for a in node.names)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])
