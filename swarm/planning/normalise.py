"""A model's near-misses brought into the blueprint's shape: other key names, one for many, numbers as text.

Only the form is mended here; what is missing or wrong is left for pydantic and the rules to name.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from swarm.domain.blueprint import Blueprint, FileSpec, Symbol, SymbolKind, Use
from swarm.planning.paths import is_python, module_name

Raw = dict[str, Any]
_WRAPPERS = ("blueprint", "plan", "result", "answer", "output", "response", "data", "arguments", "content")
_ALIASES = {
    "blueprint": {"acceptance_commands": "acceptance", "acceptance_criteria": "acceptance", "deps": "dependencies"},
    "file": {
        "file": "path", "filename": "path", "name": "path", "description": "purpose", "exports": "symbols",
        "defines": "symbols", "imports": "uses", "depends_on": "uses", "loc": "lines", "size": "lines",
        "estimated_lines": "lines", "expected_lines": "lines", "status": "state", "action": "state",
    },
    "symbol": {"type": "kind", "sig": "signature", "doc": "description", "docstring": "description",
               "behavior": "description", "behaviour": "description", "errors": "raises", "attributes": "fields"},
    "use": {"file": "path", "module": "path", "from": "path", "names": "symbols", "symbol": "symbols"},
}  # fmt: skip
_KINDS = {
    "func": "function", "method": "function", "def": "function", "coroutine": "function", "async function": "function",
    "async": "function", "fixture": "function", "interface": "class", "protocol": "class", "abstract class": "class",
    "dataclass": "model", "struct": "model", "dto": "model", "entity": "model", "schema": "model", "record": "model",
    "typeddict": "model", "namedtuple": "model", "enum": "model", "data model": "model", "data class": "model",
    "exception": "error", "exception class": "error", "const": "constant", "variable": "constant", "type": "constant",
    "type alias": "constant", "alias": "constant", "setting": "constant", "endpoint": "route", "api": "route",
    "http": "route", "http route": "route", "url": "route", "cli": "command", "cli command": "command",
    "subcommand": "command",
}  # fmt: skip
_STATES = {
    "create": "new", "created": "new", "add": "new", "added": "new", "to create": "new", "modify": "changed",
    "modified": "changed", "change": "changed", "update": "changed", "updated": "changed", "edit": "changed",
    "edited": "changed", "exists": "existing", "unchanged": "existing", "read": "existing", "used": "existing",
}  # fmt: skip
_NUMBER = re.compile(r"-?\d+")
_HEADS = {"function": "def", "class": "class", "model": "class", "error": "class"}


def is_blueprint(value: object) -> bool:
    """Whether a JSON value has, somewhere under its wrappings, what a blueprint has."""
    return isinstance(_unwrapped(value).get("files"), list | dict)


def blueprint_shape(value: object) -> Raw:
    """The value in the blueprint's shape, unknown keys dropped; what can't be read stays as it is."""
    raw = _renamed(_unwrapped(value), "blueprint", Blueprint.model_fields)
    files = raw.get("files")
    if isinstance(files, Mapping):
        files = [{"path": path, **_mapping(spec)} for path, spec in files.items()]
    raw["files"] = [_file(f) for f in _listed(files)]
    for key in ("acceptance", "dependencies"):
        raw[key] = [t for t in (_text(v) for v in _listed(raw.get(key))) if t]
    for key in ("summary", "notes"):
        raw[key] = _text(raw.get(key))
    _resolve_uses(raw["files"])
    return raw


def _unwrapped(value: object) -> Raw:
    for _ in range(6):
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                return {}
        if isinstance(value, list):
            if len(value) != 1 or (isinstance(value[0], dict) and "path" in value[0]):
                return {"files": value}
            value = value[0]
        if not isinstance(value, Mapping):
            return {}
        inner = next((value[w] for w in _WRAPPERS if w in value and "files" not in value), None)
        if inner is None:
            return dict(value)
        value = inner
    return {}


def _renamed(raw: Mapping[str, Any], what: str, known: Iterable[str]) -> Raw:
    aliases, wanted = _ALIASES[what], set(known)
    found: Raw = {}
    for key, value in raw.items():
        name = str(key).strip().lower()
        name = name if name in wanted else aliases.get(name, name)
        if name in wanted and value is not None and (name not in found or key == name):
            found[name] = value
    return found


def _mapping(value: object) -> Raw:
    return dict(value) if isinstance(value, Mapping) else {"purpose": _text(value)}


def _listed(value: object) -> list[Any]:
    if value is None or value == "":
        return []
    if isinstance(value, list | tuple):
        return [v for v in value if v is not None]
    return [value]


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return _text(next((value[k] for k in ("command", "run", "path", "name", "text") if k in value), ""))
    if isinstance(value, list | tuple):
        return "\n".join(_text(v) for v in value)
    return "" if value is None else str(value).strip()


def _path(value: object) -> str:
    text = _text(value)
    while text.startswith("./"):
        text = text[2:]
    return text


def _file(value: object) -> object:
    if isinstance(value, str):
        value = {"path": value}
    if not isinstance(value, Mapping):
        return value
    raw = _renamed(value, "file", FileSpec.model_fields)
    raw["path"] = _path(raw.get("path"))
    raw["purpose"] = _text(raw.get("purpose"))
    raw["symbols"] = [_symbol(s, raw["path"]) for s in _listed(raw.get("symbols"))]
    raw["uses"] = _uses(raw.get("uses"))
    raw["tests"] = list(dict.fromkeys(t for t in (_path(v) for v in _listed(raw.get("tests"))) if t))
    if "lines" in raw:
        raw["lines"] = _number(raw["lines"])
    if "state" in raw:
        state = _text(raw["state"]).lower()
        raw["state"] = _STATES.get(state, state)
    return raw


def _number(value: object) -> object:
    if isinstance(value, float):
        return round(value) if abs(value) < 1e9 else str(value)
    if isinstance(value, str) and (found := _NUMBER.search(value.replace(",", ""))):
        return int(found.group(0))
    return value


def _symbol(value: object, path: str) -> object:
    if isinstance(value, str):
        value = {"signature": value}
    if not isinstance(value, Mapping):
        return value
    raw = _renamed(value, "symbol", Symbol.model_fields)
    signature = _text(raw.get("signature"))
    kind = _kind(raw.get("kind"), signature)
    name = _text(raw.get("name")) or _bound_name(signature, kind)
    raw |= {"kind": kind, "name": name.removesuffix("()"), "description": _text(raw.get("description"))}
    raw["signature"] = _signature(signature, kind, raw["name"]) if is_python(path) else signature
    raw["raises"] = [r for r in (_text(v).split("(")[0].strip() for v in _listed(raw.get("raises"))) if r]
    raw["fields"] = _each(raw.get("fields"), _field_line)
    raw["methods"] = _each(raw.get("methods"), _method_line)
    return raw


def _kind(value: object, signature: str) -> str:
    kind = _text(value).lower().replace("_", " ").replace("-", " ")
    if not kind:
        bare = signature.lstrip()
        if re.match(r"(@\S+\s+)*class\b", bare):
            return "class"
        return "function" if re.match(r"(@\S+\s+)*(async\s+)?def\b", bare) else "constant"
    return _KINDS.get(kind, kind)


def _bound_name(signature: str, kind: str) -> str:
    if kind in (SymbolKind.ROUTE, SymbolKind.COMMAND):
        return signature
    found = re.search(r"(?:def|class)\s+([\w.]+)", signature) or re.match(r"\s*([\w.]+)", signature)
    return found.group(1) if found else signature


def _signature(text: str, kind: str, name: str) -> str:
    """A signature with the `def` or `class` that models leave out."""
    word = _HEADS.get(kind)
    if word is None or not text:
        return f"class {name}" if word == "class" and not text and kind != "error" else text
    if re.match(r"@|(async\s+)?def\b|class\b", text):
        return text
    if text.startswith("("):
        return f"{word} {name}{text}"
    if text.startswith("async "):
        return f"async {word} {text.removeprefix('async ')}"
    return f"{word} {text}" if re.match(rf"{re.escape(name)}\b", text) else text


def _each(value: object, line: Callable[[object], str]) -> list[str]:
    if isinstance(value, Mapping):
        value = [f"{name}: {_text(kind)}" for name, kind in value.items()]
    return [t for t in (line(v) for v in _listed(value)) if t]


def _field_line(value: object) -> str:
    if not isinstance(value, Mapping):
        return _text(value)
    if "name" not in value:
        return "; ".join(f"{k}: {_text(v)}" for k, v in value.items())
    kind = _text(value.get("type") or value.get("annotation"))
    default = value.get("default")
    line = f"{_text(value['name'])}: {kind}" if kind else _text(value["name"])
    return line if default is None else f"{line} = {_text(default)}"


def _method_line(value: object) -> str:
    text = _text(value.get("signature") or value.get("name")) if isinstance(value, Mapping) else _text(value)
    bare = re.match(r"@|(async\s+)?def\b", text)
    if bare or not re.match(r"[A-Za-z_]\w*\s*\(", text):
        return text
    return f"def {text}"


def _uses(value: object) -> list[object]:
    """Uses as one entry a path: `{"a.py": ["X"]}`, `["a.py:X"]` and repeated paths read alike."""
    if isinstance(value, Mapping) and "path" not in value:
        value = [{"path": path, "symbols": symbols} for path, symbols in value.items()]
    merged: dict[str, list[str]] = {}
    for item in _listed(value):
        if isinstance(item, Mapping):
            raw = _renamed(item, "use", Use.model_fields)
        elif isinstance(item, str):
            path, _, rest = item.partition(":")
            raw = {"path": path, "symbols": rest.split(",")}
        else:
            continue
        names = merged.setdefault(_path(raw.get("path")), [])
        names.extend(n for n in (_used_name(s) for s in _listed(raw.get("symbols"))) if n and n not in names)
    return [{"path": path, "symbols": names} for path, names in merged.items()]


def _used_name(value: object) -> str:
    text = _text(value).removesuffix("()")
    return text.split(".", 1)[0] if re.fullmatch(r"[A-Za-z_][\w.]*", text) else text


def _resolve_uses(files: list[Any]) -> None:
    """Paths written as modules become paths; the standard library isn't a use."""
    shaped = [f for f in files if isinstance(f, dict)]
    paths = {f["path"] for f in shaped}
    modules = {module_name(p): p for p in sorted(paths) if is_python(p)}
    for file in shaped:
        kept = []
        for use in file["uses"]:
            use["path"] = use["path"] if use["path"] in paths else modules.get(use["path"], use["path"])
            external = use["path"] not in paths and use["path"].split(".")[0] in sys.stdlib_module_names
            if not external and use["path"] != file["path"]:
                kept.append(use)
        file["uses"] = kept
