"""Contracts become the common base of all tasks: stub modules that parse, pass the linter and import."""

from __future__ import annotations

import ast
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from swarm.domain.blueprint import Symbol, SymbolKind
from swarm.domain.plan import Contract, Plan
from swarm.planning.modules import (
    FUTURE,
    Header,
    Scope,
    header,
    import_lines,
    module_text,
    ordered,
    top_level,
    typing_block,
)
from swarm.planning.names import BUILTINS, Import, root
from swarm.planning.paths import is_init, is_python
from swarm.planning.signatures import (
    CODE_KINDS,
    BadSignature,
    Function,
    Names,
    def_names,
    expression_names,
    parse_def,
)
from swarm.planning.stubs import Code, Setting, method_stub, render_symbol, shown_signature
from swarm.planning.symbols import hides_builtin

SCAFFOLD = "scaffold"
DOCUMENTS = "docs/contracts"


def scaffold_files(plan: Plan, existing: Mapping[str, str]) -> dict[str, str]:
    """Path → whole text of every file that the common base needs beyond what is there.

    `existing` holds the texts at the base commit of at least the plan's contract and shared paths and of all
    `__init__.py` files. Nothing that exists is replaced: a Python file with contracts gets the missing definitions
    appended, any other file stays as it is. Contracts of Python files become stub modules at their own paths (routes
    and commands in the docstring); other contracts become `docs/contracts/<id>.md`.
    """
    files = {s.path: s.content for s in plan.shared if s.path not in existing}
    scope = _scope(plan, existing)
    for contract in plan.contracts:
        setting = _setting(contract, plan)
        if not is_python(contract.path):
            document = f"{DOCUMENTS}/{contract.id}.md"
            if contract.path not in existing and document not in existing:
                files[document] = f"# {contract.path}\n\n{contract_text(contract)}\n"
        elif contract.path in existing:
            text = _extended(existing[contract.path], contract, setting, scope)
            if text != existing[contract.path]:
                files[contract.path] = text
        else:
            files[contract.path] = _module(contract, setting, scope)
    return dict(sorted(files.items()))


def contract_text(contract: Contract) -> str:
    """How a contract reads in a prompt: its place, who provides it, and its symbols as code or as lines."""
    who = "the scaffold (complete)" if contract.provider == SCAFFOLD else f"task `{contract.provider}`"
    lines = [f"Contract `{contract.id}`: file `{contract.path}`, provided by {who}"]
    if contract.purpose:
        lines.append(contract.purpose)
    code = [s for s in contract.symbols if s.kind in CODE_KINDS and is_python(contract.path)]
    if code:
        lines += ["```python", "\n\n".join(_readable(s, contract) for s in code), "```"]
    lines += [_line(s) for s in contract.symbols if s not in code]
    return "\n".join(lines)


def _readable(symbol: Symbol, contract: Contract) -> str:
    try:
        text = render_symbol(symbol, Setting(contract.id)).text
    except BadSignature:  # an edited plan shows what it says; validate_plan names the fault
        return "\n".join([symbol.signature or symbol.name, *symbol.fields, *symbol.methods])
    return "\n".join(_shown_body(line) for line in text.split("\n"))


def _shown_body(line: str) -> str:
    bare = line.lstrip()
    return line[: len(line) - len(bare)] + "..." if bare.startswith("raise NotImplementedError(") else line


def _line(symbol: Symbol) -> str:
    """A symbol that is no Python code, as an item of a list."""
    shown = (
        symbol.signature if symbol.name in symbol.signature else f"{symbol.name} {symbol.signature}".strip()
    )
    parts = [f"- {symbol.kind.value} `{shown}`"]
    if symbol.description:
        parts.append(f": {' '.join(symbol.description.split())}")
    if symbol.raises:
        parts.append(f" (errors: {', '.join(symbol.raises)})")
    inner = [f"    - `{shown_signature(t)}`" for t in (*symbol.fields, *symbol.methods)]
    return "\n".join(["".join(parts), *inner])


def _scope(plan: Plan, existing: Mapping[str, str]) -> Scope:
    homes: dict[str, set[str]] = defaultdict(set)
    for contract in plan.contracts:
        if is_python(contract.path):
            for symbol in contract.symbols:
                if symbol.name not in BUILTINS or hides_builtin(symbol.kind):
                    homes[symbol.name].add(contract.path)
    for path in sorted(existing):
        if is_python(path) and not is_init(path):
            for name, node in (top_level(existing[path]) or {}).items():
                function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and name not in BUILTINS
                if isinstance(node, ast.ClassDef) or function:
                    homes[name].add(path)
    paths = {*existing, *(s.path for s in plan.shared), *(o for t in plan.tasks for o in t.owns)}
    return Scope(
        {name: tuple(sorted(places)) for name, places in homes.items()}, frozenset(filter(is_init, paths))
    )


def _setting(contract: Contract, plan: Plan) -> Setting:
    symbols = [s for c in plan.contracts for s in c.symbols]
    return Setting(
        contract=contract.id,
        functions=frozenset(s.name for s in symbols if s.kind in (SymbolKind.FUNCTION, SymbolKind.CLASS)),
        models={s.name: s for s in symbols if s.kind is SymbolKind.MODEL},
    )


def _module(contract: Contract, setting: Setting, scope: Scope) -> str:
    lines = [_line(s) for s in contract.symbols if s.kind not in CODE_KINDS]
    doc = contract.purpose or f"The contract {contract.id}."
    if contract.provider != SCAFFOLD and any(s.kind in CODE_KINDS for s in contract.symbols):
        doc = f"{doc}\nStub of the contract {contract.id}: task {contract.provider} writes this file."
    return module_text(contract.path, "\n".join([doc, *lines]), contract.symbols, setting, scope)


def _extended(text: str, contract: Contract, setting: Setting, scope: Scope) -> str:
    """An existing module with the definitions that it lacks; unchanged where it lacks none or doesn't parse."""
    there = top_level(text)
    if there is None:
        return text
    setting = replace(setting, quoted=FUTURE not in text)
    code = [s for s in contract.symbols if s.kind in CODE_KINDS]
    codes = {s.name: render_symbol(s, setting) for s in code if s.name not in there}
    extended, quiet = text, Names()
    for symbol in code:
        if isinstance(there.get(symbol.name), ast.ClassDef):
            extended, names = _with_methods(extended, symbol, replace(setting, bare=True), frozenset(there))
            quiet |= names
    if extended == text and not codes:
        return text
    needed = [*codes.values(), Code("", quiet, complete=False)]
    blocks = _late_imports(header(needed, [*codes, *there], contract.path, scope), codes.values())
    blocks += [codes[s.name].text for s in ordered([s for s in code if s.name in codes], codes)]
    return "\n\n\n".join([extended.rstrip("\n"), *blocks]) + "\n"


def _late_imports(top: Header, codes: Iterable[Code]) -> list[str]:
    """Imports at the end of an existing module.

    Project names for annotations alone are imported for type checkers only: they could close an import cycle.
    """
    live = {root(name) for code in codes for name in code.names.live}
    quiet = {i for i in top.live if i.name and i.name not in live and not i.standard}
    top.typing_only |= quiet
    top.live -= quiet
    if top.typing_only:
        top.live.add(Import("typing", "TYPE_CHECKING"))
    lines = [line for block in import_lines(top.live) for line in block.split("\n")]
    blocks = ["\n".join(f"{line}  # noqa: E402" for line in lines)] if lines else []
    helpers = ["\n".join(top.helpers.values())] if top.helpers else []
    return [*blocks, *typing_block(top), *helpers]


def _with_methods(text: str, symbol: Symbol, setting: Setting, known: frozenset[str]) -> tuple[str, Names]:
    """An existing class with the methods that the contract adds, and the names in their annotations."""
    node = (top_level(text) or {}).get(symbol.name)
    if not isinstance(node, ast.ClassDef) or node.body[0].lineno == node.lineno:
        return text, Names()
    there = {child.name for child in node.body if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)}
    missing = [m for m in symbol.methods if _addable(parse_def(m), there, known)]
    if not missing:
        return text, Names()
    indent = " " * node.body[0].col_offset
    stubs = [textwrap.indent(method_stub(m, symbol, setting), indent) for m in missing]
    lines = text.split("\n")
    at = node.end_lineno or len(lines)
    added = "\n".join([*lines[:at], *(part for stub in stubs for part in ("", stub)), *lines[at:]])
    return added, Names(quiet=frozenset(n for m in missing for n in def_names(parse_def(m)).quiet))


def _addable(node: Function, there: set[str], known: frozenset[str]) -> bool:
    """Whether a method is missing, and its decorators exist where the class is defined."""
    live = {root(name) for d in node.decorator_list for name in expression_names(d).live}
    return node.name not in there and live <= BUILTINS | known
