"""Whether a function keeps the signature that a contract promised: every call that the contract allows still works."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from swarm.verification.annotations import compatible, normalise

Function = ast.FunctionDef | ast.AsyncFunctionDef
_DECORATOR = re.compile(r"(@[\w.]+(?:\([^()\n]*\))?)[ \t]+(?=@|async\b|def\b)")
_CONTEXT = re.compile(r"^(?:Iterator|Iterable|Generator)\[(.*)\]$")
_ASYNC_CONTEXT = re.compile(r"^(?:AsyncIterator|AsyncIterable|AsyncGenerator)\[(.*?)(?:, None)?\]$")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; `kind` is `positional`, `positional-only`, `keyword-only`, `*` or `**`."""

    name: str
    kind: str
    annotation: str
    optional: bool

    def __str__(self) -> str:
        star = self.kind if self.kind in ("*", "**") else ""
        text = f"{star}{self.name}" + (f": {self.annotation}" if self.annotation else "")
        return f"{text} = …" if self.optional and not star else text


def parse_function(signature: str) -> Function | None:
    """A contract's `def` line as syntax; `def`, the colon and the body may be missing. None where it is no Python.

    Decorators may stand on the same line, as in `@property def name(self) -> str`.
    """
    text = _DECORATOR.sub(r"\1\n", signature.strip())
    text = text.rstrip(":").removesuffix("...").rstrip().rstrip(":")
    for head in ("", "def "):
        for tail in (": ...", ""):
            try:
                body = ast.parse(f"{head}{text}{tail}").body
            except (SyntaxError, ValueError):
                continue
            if len(body) == 1 and isinstance(body[0], Function):
                return body[0]
    return None


def decorators(node: Function | ast.ClassDef) -> frozenset[str]:
    """The last names of its decorators: `functools.cached_property` reads as `cached_property`."""
    return frozenset(_last_name(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list)


def one_line(node: Function) -> str:
    """The head of a function as one line, for messages."""
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{word} {node.name}({ast.unparse(node.args)}){returns}"


def differences(expected: Function, found: Function, *, owner: str = "") -> tuple[str, ...]:
    """What a caller by the contract would trip over, one phrase each; empty when the signature is kept.

    `owner` is the class of a method: its `self` or `cls` doesn't count. More optional parameters at the end are fine.
    """
    problems: list[str] = []
    wants_async, is_async = (isinstance(f, ast.AsyncFunctionDef) for f in (expected, found))
    if wants_async != is_async:
        problems.append("it must be `async def`" if wants_async else "it must not be async")
    problems += _parameter_problems(_parameters(expected, owner), _parameters(found, owner))
    returns, given = normalise(expected.returns, owner=owner), normalise(found.returns, owner=owner)
    kept = compatible(returns, given) or compatible(_as_called(expected, returns), _as_called(found, given))
    if not kept and not (found.name == "__init__" and not given):
        problems.append(
            f"it must return `{returns}`, not `{given}`"
            if given
            else f"the return annotation `{returns}` is missing"
        )
    return tuple(problems)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _parameters(node: Function, owner: str) -> list[Parameter]:
    args = node.args
    plain = [*args.posonlyargs, *args.args]
    optional = [False] * (len(plain) - len(args.defaults)) + [True] * len(args.defaults)
    kinds = ["positional-only"] * len(args.posonlyargs) + ["positional"] * len(args.args)
    found = [_parameter(a, kind, given, owner) for a, kind, given in zip(plain, kinds, optional, strict=True)]
    if owner and found and found[0].name in ("self", "cls") and "staticmethod" not in decorators(node):
        found = found[1:]
    if args.vararg:
        found.append(_parameter(args.vararg, "*", True, owner))
    defaults = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    found += [_parameter(a, "keyword-only", default is not None, owner) for a, default in defaults]
    if args.kwarg:
        found.append(_parameter(args.kwarg, "**", True, owner))
    return found


def _parameter(arg: ast.arg, kind: str, optional: bool, owner: str) -> Parameter:
    return Parameter(arg.arg, kind, normalise(arg.annotation, owner=owner), optional)


def _is_positional(parameter: Parameter) -> bool:
    return parameter.kind in ("positional", "positional-only")


def _parameter_problems(expected: list[Parameter], found: list[Parameter]) -> list[str]:
    problems: list[str] = []
    matched: set[str] = set()
    positions = [p for p in found if _is_positional(p)]
    for index, want in enumerate(p for p in expected if _is_positional(p)):
        have = positions[index] if index < len(positions) else None
        problems += _positional_problems(want, have, index, found)
        matched |= {want.name} | ({have.name} if have else set())
    for want in (p for p in expected if not _is_positional(p)):
        candidates = [
            p for p in found if p.kind == want.kind and (want.kind in ("*", "**") or p.name == want.name)
        ]
        if want.kind == "keyword-only":
            candidates += [p for p in found if p.kind == "positional" and p.name == want.name]
        problems += (
            _detail_problems(want, candidates[0])
            if candidates
            else [f"parameter `{want}` ({want.kind}) is missing"]
        )
        matched |= {p.name for p in candidates[:1]}
    extra = [p for p in found if p.name not in matched and not p.optional]
    return problems + [
        f"parameter `{p}` is not in the contract: remove it or give it a default" for p in extra
    ]


def _positional_problems(
    want: Parameter, have: Parameter | None, index: int, found: list[Parameter]
) -> list[str]:
    if have is None or have.name != want.name:
        elsewhere = next((p for p in found if p.name == want.name), None)
        if elsewhere is None:
            instead = f" (there is `{have}` in its place)" if have else ""
            return [f"parameter {index + 1} `{want}` is missing{instead}"]
        return [f"parameter `{want.name}` must be positional, number {index + 1}"]
    if have.kind == "positional-only" and want.kind == "positional":
        return [f"parameter `{want.name}` must also be allowed by keyword"]
    return _detail_problems(want, have)


def _detail_problems(want: Parameter, have: Parameter) -> list[str]:
    problems = []
    if want.optional and not have.optional:
        problems.append(f"parameter `{want.name}` must have a default")
    if not compatible(want.annotation, have.annotation):
        given = f"not `{have.annotation}`" if have.annotation else "which is missing"
        problems.append(f"parameter `{want.name}` must be annotated `{want.annotation}`, {given}")
    return problems


def _as_called(node: Function, returns: str) -> str:
    """What callers get: the iterator of a `@contextmanager` reads as the context manager that it becomes."""
    names = decorators(node)
    if "contextmanager" in names:
        return _CONTEXT.sub(r"AbstractContextManager[\1]", returns)
    if "asynccontextmanager" in names:
        return _ASYNC_CONTEXT.sub(r"AbstractAsyncContextManager[\1]", returns)
    return returns
