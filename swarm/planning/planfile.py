"""The plan as a YAML file that people read and edit, and back, with the line of every problem."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from swarm.domain.ids import slug
from swarm.domain.plan import Contract, Plan, Role, Task

_HEAD = """\
# A plan of swarm. Edit it, then run it:  swarm run "GOAL" --plan THIS_FILE
#
# tasks       one agent each. You may change titles, descriptions, tests and sizes, and move paths in `owns` from
#             task to task (each path has one owner; `dir/` means everything below). `depends_on` waits for a merge;
#             `soft_depends_on` starts at once against the contract's stub and is merged after.
# contracts   what crosses tasks, one entry a file: committed as stub code before anyone starts, checked afterwards.
#             The provider owns the path and lists the id in `provides`; who uses it lists it in `consumes`.
#             The provider `scaffold` means: complete from the start, written by nobody.
# shared      files that the scaffold writes as they stand here; no task may own them.
# acceptance  commands that have to exit 0 on the finished tree.
# estimates   what was compared when the plan was made; editing them changes nothing.
"""
_UNPLAIN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]"
)  # YAML folds or changes these in a block
_KEPT = frozenset({"schema_version", "role", "size"})


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks; lists indented below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002  (yaml's own name)
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = '"' if _UNPLAIN.search(value) else "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


class _Loader(yaml.SafeLoader):
    """Every scalar but null is text, so that an id `1` or a word `on` stays what was written."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag == "tag:yaml.org,2002:null"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def plan_to_yaml(plan: Plan) -> str:
    """The plan as YAML with comments that say what may be edited; fields at their defaults are left out."""
    document = _document(plan)
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return f"{_HEAD}\n{body}"


def _document(value: Any) -> Any:
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        items = ((name, getattr(value, name), fields[name]) for name in fields)
        return {n: _document(v) for n, v, f in items if n in _KEPT or f.is_required() or v != f.get_default()}
    if isinstance(value, tuple):
        return [_document(v) for v in value]
    return str(value) if isinstance(value, str) else value


def plan_from_yaml(text: str, path: str) -> Plan | tuple[str, ...]:
    """The plan in a YAML text with its ids normalised, or its problems with file (`path`), line and field.

    What a plan says as a whole (cycles, owners, contracts) is validate_plan's business.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
        doubled = [f"{path}:{line}: the key `{key}` stands twice." for line, key in _doubled(node)]
        value = yaml.load(text, Loader=_Loader)  # noqa: S506  (a SafeLoader with fewer types)
    except yaml.YAMLError as error:
        return (_syntax_problem(error, path),)
    except RecursionError:
        return (f"{path}: it is nested too deeply.",)
    if not isinstance(value, dict):
        return (f"{path}: a plan is a mapping with goal, strategy, tasks and so on.",)
    if doubled:
        return tuple(doubled)
    try:
        return _normalised(Plan.model_validate(_without_nulls(value)))
    except ValidationError as error:
        return tuple(_problem(e["loc"], e["msg"], node, path) for e in error.errors(include_url=False))


def _syntax_problem(error: yaml.YAMLError, path: str) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or "unreadable characters"
    return f"{path}:{mark.line + 1}: not YAML: {what}." if mark else f"{path}: not YAML: {what}."


def _doubled(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, child in node.value:
            if str(key.value) in seen:
                yield key.start_mark.line + 1, str(key.value)
            seen.add(str(key.value))
            yield from _doubled(child)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _doubled(child)


def _without_nulls(value: Any) -> Any:
    """Empty values give way to the defaults; words of choice are read whatever their case."""
    if isinstance(value, dict):
        return {k: _choice(str(k), _without_nulls(v)) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value if v is not None]
    return value


def _choice(key: str, value: Any) -> Any:
    if key == "role" and isinstance(value, str):
        return slug(value)
    return value.strip().lower() if key in ("strategy", "kind") and isinstance(value, str) else value


def _problem(loc: Sequence[int | str], message: str, node: yaml.Node | None, path: str) -> str:
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).lstrip(".")
    line = _line(loc, node)
    allowed = f" (one of {', '.join(r.value for r in Role)})" if loc and loc[-1] == "role" else ""
    return f"{path}:{line}: {where or 'plan'}: {message}{allowed}."


def _line(loc: Sequence[int | str], node: yaml.Node | None) -> int:
    """The line of a field, or of what it is missing in."""
    line = node.start_mark.line + 1 if node else 1
    for step in loc:
        child: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == step), None)
            if found:
                line, child = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            child = node.value[step]
            line = child.start_mark.line + 1
        if child is None:
            return line
        node = child
    return line


def _normalised(plan: Plan) -> Plan:
    """Every id in canonical form, wherever it stands."""
    return plan.model_copy(
        update={
            "tasks": tuple(_task(t) for t in plan.tasks),
            "contracts": tuple(_contract(c) for c in plan.contracts),
        }
    )


def _task(task: Task) -> Task:
    lists = ("depends_on", "soft_depends_on", "provides", "consumes")
    return task.model_copy(
        update={"id": slug(task.id), **{n: tuple(dict.fromkeys(map(slug, getattr(task, n)))) for n in lists}}
    )


def _contract(contract: Contract) -> Contract:
    return contract.model_copy(update={"id": slug(contract.id), "provider": slug(contract.provider)})
