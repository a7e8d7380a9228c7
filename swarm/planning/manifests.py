"""Files that the scaffold writes whole, because nobody has to think about them: package inits and manifests."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from swarm.domain.blueprint import Blueprint, FileSpec, FileState, SymbolKind
from swarm.domain.ids import slug
from swarm.domain.plan import SharedFile
from swarm.planning.modules import FUTURE, Scope, import_lines, module_text
from swarm.planning.names import Import
from swarm.planning.paths import SOURCE_ROOTS, in_tests, is_init, is_python, module_name, package_inits
from swarm.planning.signatures import BadSignature
from swarm.planning.stubs import Setting, docstring, is_data

_MANIFESTS = frozenset(
    {"pyproject.toml", "requirements.txt", "requirements-dev.txt", "py.typed", ".gitignore"}
)
_IGNORED = (
    "__pycache__/\n*.py[cod]\n.pytest_cache/\n.ruff_cache/\n.mypy_cache/\n.venv/\nnode_modules/\n*.db\n"
)
_INSTALLED = re.compile(r"script|entry.?point|console|command|plugin|build", re.IGNORECASE)


def is_shared(spec: FileSpec, specs: Mapping[str, FileSpec]) -> bool:
    """Whether the scaffold can write a new file whole: a manifest, or an init or conftest without code of its own."""
    if spec.state is not FileState.NEW:
        return False
    name = PurePosixPath(spec.path).name
    if is_init(spec.path):
        constants = all(s.kind is SymbolKind.CONSTANT and is_data(s) for s in spec.symbols)
        return constants and all(u.path in specs and is_python(u.path) and u.symbols for u in spec.uses)
    if name == "conftest.py":
        return not spec.symbols and not spec.uses
    if name == "pyproject.toml" and (spec.symbols or _INSTALLED.search(spec.purpose)):
        return False  # it declares more than the blueprint tells us to write
    return name in _MANIFESTS


def shared_files(
    paths: Collection[str], specs: Mapping[str, FileSpec], blueprint: Blueprint, existing: Collection[str]
) -> tuple[SharedFile, ...]:
    """The shared files with their content: those of the blueprint, and package inits that it leaves out.

    `paths` are the shared ones among `specs`.
    """
    python = [p for p in specs if is_python(p) and specs[p].state is FileState.NEW]
    implied = [p for p in package_inits(python, existing) if p not in specs]
    inits = {p for p in (*existing, *specs, *implied) if is_init(p)}
    found = [
        SharedFile(path=p, purpose=specs[p].purpose, content=_content(specs[p], specs, blueprint, inits))
        for p in paths
    ]
    found += [SharedFile(path=p, purpose="Makes the folder a package.") for p in implied]
    return tuple(sorted([*found, *ignore_file(existing, specs)], key=lambda s: s.path))


def ignore_file(existing: Collection[str], specs: Collection[str]) -> tuple[SharedFile, ...]:
    """A `.gitignore` for a new repository, without which what test runs leave behind would be committed."""
    if existing or ".gitignore" in specs:
        return ()
    return (SharedFile(path=".gitignore", purpose="What tools leave behind.", content=_IGNORED),)


def _content(
    spec: FileSpec, specs: Mapping[str, FileSpec], blueprint: Blueprint, inits: Collection[str]
) -> str:
    name = PurePosixPath(spec.path).name
    if is_init(spec.path):
        return _init(spec, specs, inits)
    if name == "pyproject.toml":
        return _pyproject(blueprint)
    if name.startswith("requirements"):
        return "".join(f"{d}\n" for d in blueprint.dependencies)
    if name == ".gitignore":
        return _IGNORED
    return f"{docstring(spec.purpose)}\n" if name == "conftest.py" and spec.purpose else ""


def _init(spec: FileSpec, specs: Mapping[str, FileSpec], inits: Collection[str]) -> str:
    """A package init: its constants, and what it re-exports with `__all__`."""
    exported = {
        Import(module_name(u.path, inits), n) for u in spec.uses if u.path in specs for n in u.symbols
    }
    if not exported and not spec.symbols:
        return f"{docstring(spec.purpose)}\n" if spec.purpose else ""
    try:
        text = module_text(
            spec.path, spec.purpose, spec.symbols, Setting("init"), Scope({}, frozenset(inits))
        )
    except BadSignature:  # is_shared asked is_data, which parsed them
        text = f"{docstring(spec.purpose)}\n"
    if not exported:
        return text
    lines = "\n".join(import_lines(exported))
    listed = ", ".join(
        json.dumps(n) for n in sorted({i.name for i in exported} | {s.name for s in spec.symbols})
    )
    before, future, after = text.partition(f"{FUTURE}\n")
    head = f"{before}{future}\n" if future else f"{before.rstrip()}\n\n"
    return f"{head.lstrip()}{lines}\n\n__all__ = [{listed}]\n" + (
        f"\n{after.strip()}\n" if after.strip() else ""
    )


def _pyproject(blueprint: Blueprint) -> str:
    """A manifest that pip and pytest accept; the name is the package that most files lie in."""
    python = [f.path for f in blueprint.files if is_python(f.path) and not in_tests(f.path)]
    packages = Counter(module_name(p).split(".", maxsplit=1)[0] for p in python)
    package = min(packages, key=lambda p: (-packages[p], p)) if packages else "project"
    root = next((p.split("/", 1)[0] for p in python if p.split("/", 1)[0] in SOURCE_ROOTS), "")
    requires = "".join(f"    {json.dumps(d)},\n" for d in blueprint.dependencies)
    lines = [
        "[project]",
        f"name = {json.dumps(slug(package) or 'project')}",
        'version = "0.1.0"',
        f"description = {json.dumps(' '.join(blueprint.summary.split())[:200], ensure_ascii=False)}",
        'requires-python = ">=3.11"',
        f"dependencies = [\n{requires}]" if requires else "dependencies = []",
        "",
        "[tool.pytest.ini_options]",
        'testpaths = ["tests"]',
    ]
    if root:
        lines.append(f'pythonpath = ["{root}"]')
    return "\n".join(lines) + "\n"
