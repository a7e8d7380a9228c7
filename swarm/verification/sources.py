"""What can be said of changed files by themselves: they parse, hold no conflict marker, and no new placeholder."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import yaml

from swarm.verification.definitions import Definition, definitions, language_of, squash, syntax_error_line
from swarm.verification.modules import compile_python

_MARKER = re.compile(r"^(<{7,}|>{7,}|\|{7,})(?: .*)?\r?$")
_SEPARATOR = re.compile(r"^={7,}\r?$")
# JSON with comments by their tools' own rules.
_COMMENTED_JSON = re.compile(
    r"(^|/)((ts|js)config[^/]*\.json|\.vscode/.*|\.devcontainer/.*|\.eslintrc\.json)$"
)
_YAML_DEPTH = 200
_TEST_DATA = re.compile(r"(^|/)(tests?|testdata|fixtures|__tests__)/")
_LEFT_OUT = re.compile(
    r"""(?ix)^\s*(\#|//|/\*+|\*|<!--)\s*(
        (TODO|FIXME)\b.*\b(implement|finish|complete|fill|write)\b
        | (\.\.\.|…)\s*\(?(the\s+)?(rest|existing|remaining|other|omitted|unchanged|same|previous|keep)\b
        | (the\s+)?(rest|remainder)\s+of\s+(the\s+|this\s+)?(code|file|class|function|module|implementation|methods)\b
        | (existing|remaining|previous)\s+(code|methods|functions|tests)\s+(here|goes|stays?|unchanged|remains?)
    )"""
)
_STUB_LINE = re.compile(
    r"""(?ix)^\s*(
        (pass|\.\.\.|return(\s+(None|null))?;?)\s*(\#|//)\s*(TODO|FIXME|stub|placeholder|not\ implemented)\b
        | raise\s+NotImplementedError\b | throw\s+new\s+Error\(.*\bnot[ ]implemented
    )"""
)


def parse_findings(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """A sentence for each file that does not parse: Python, JavaScript, JSON, TOML, YAML; others are not looked at.

    JSON, TOML and YAML among test data may be broken on purpose and are left out.
    """
    faults = ((path, syntax_fault(path, source)) for path, source in sorted(files.items()))
    return tuple(f"{path}:{fault[0]}: does not parse: {fault[1]}." for path, fault in faults if fault)


def syntax_fault(path: str, source: bytes) -> tuple[int, str] | None:
    """(line, what is wrong) of the first syntax error of a file; None when it parses or its format is not known."""
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in (".py", ".pyi"):
        return _python_fault(path, source)
    if language_of(path):
        line = syntax_error_line(path, source)
        return (line, "the syntax is broken here or shortly before") if line else None
    if suffix in _FORMATS and not _TEST_DATA.search(path) and not _COMMENTED_JSON.search(path):
        return _FORMATS[suffix](source)
    return None


def _python_fault(path: str, source: bytes) -> tuple[int, str] | None:
    try:
        compile_python(source, path)
    except SyntaxError as error:
        return error.lineno or 1, error.msg
    except (ValueError, RecursionError, MemoryError) as error:
        return 1, str(error) or type(error).__name__
    return None


def _json_fault(source: bytes) -> tuple[int, str] | None:
    try:
        json.loads(source.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        return error.lineno, error.msg
    except (UnicodeDecodeError, RecursionError) as error:
        return 1, str(error)
    return None


def _toml_fault(source: bytes) -> tuple[int, str] | None:
    try:
        tomllib.loads(source.decode("utf-8"))
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        return int(line[1]) if line else source.count(b"\n") + 1, str(error)
    except (UnicodeDecodeError, RecursionError) as error:
        return 1, str(error)
    return None


def _yaml_fault(source: bytes) -> tuple[int, str] | None:
    if b"{{" in source or b"{%" in source:
        return None  # a template of YAML, not YAML
    try:
        depth = 0
        for event in yaml.parse(source, Loader=yaml.SafeLoader):  # events alone: tags are anybody's
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _YAML_DEPTH:  # the scanner takes quadratic time in it
                return (
                    event.start_mark.line + 1 if event.start_mark else 1
                ), "it is nested too deeply to be checked"
    except yaml.MarkedYAMLError as error:
        return error.problem_mark.line + 1 if error.problem_mark else 1, error.problem or "it is no YAML"
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        return 1, str(error)
    return None


_FORMATS = {".json": _json_fault, ".toml": _toml_fault, ".yaml": _yaml_fault, ".yml": _yaml_fault}


def conflict_markers(text: str) -> tuple[int, ...]:
    """The lines (from 1) of git's conflict markers; `=======` counts only between two (elsewhere it underlines)."""
    found: list[int] = []
    separators: list[int] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if match := _MARKER.match(line):
            found += separators if match[1][0] == ">" else []
            separators = []
            found.append(number)
        elif found and _SEPARATOR.match(line):
            separators.append(number)
    return tuple(sorted(found))


def placeholder_findings(base: Mapping[str, bytes], result: Mapping[str, bytes]) -> tuple[str, ...]:
    """A sentence for each body that `result` leaves to be written and that was not so at `base`.

    Both map paths to contents; only the paths of `result` are looked at. Abstract methods, overloads, overrides that
    silence, and empty bodies with a comment that says why are fine.
    """
    return tuple(
        f"{path}:{line}: {what}: write the real thing."
        for path, source in sorted(result.items())
        if language_of(path) and not path.endswith(".pyi")
        for line, what in _file_placeholders(path, base.get(path, b""), source)
    )


def _file_placeholders(path: str, base: bytes, source: bytes) -> Iterator[tuple[int, str]]:
    before = definitions(path, base)
    for name, definition in definitions(path, source).items():
        if is_placeholder(definition, lenient=bool(_TEST_DATA.search(path))) and not _was_stub(
            before.get(name)
        ):
            yield definition.line, f"the body of `{name}` is a placeholder ({_STUBS[definition.stub]})"
    for line, text in new_left_outs(source, base):
        yield line, f"`{text}` stands for code that was left out"


_STUBS = {
    "pass": "only `pass`",
    "...": "only `...`",
    "raise": "it raises a not-implemented error",
    "todo": "a to-do",
    "docstring": "only a docstring",
}


def is_placeholder(definition: Definition, *, lenient: bool = False) -> bool:
    """Whether its body was left to be written: one with a reason was not; `lenient` is for fakes in tests."""
    if definition.stub in ("", "return", "empty"):
        return False  # `() => {}` and a bare `return` are common, complete functions
    if definition.stub == "todo":
        return True
    return not definition.intended and (definition.stub == "raise" or not lenient)


def _was_stub(definition: Definition | None) -> bool:
    return definition is not None and bool(definition.stub)


def new_left_outs(result: bytes, *parents: bytes) -> list[tuple[int, str]]:
    """(line, text) of comments and statements that stand for code left out and are in none of the parents."""
    known = {squash(line) for parent in parents for line in parent.decode("utf-8", "replace").split("\n")}
    lines = enumerate(result.decode("utf-8", "replace").split("\n"), start=1)
    return [(n, x.strip()[:80]) for n, x in lines if _LEFT_OUT.match(x) and squash(x) not in known]


def new_stub_lines(result: bytes, *parents: bytes) -> list[tuple[int, str]]:
    """As `new_left_outs`, with the statements that stub a body: for merges, where such a line needs a parent."""
    known = {squash(line) for parent in parents for line in parent.decode("utf-8", "replace").split("\n")}
    lines = enumerate(result.decode("utf-8", "replace").split("\n"), start=1)
    hits = ((n, x) for n, x in lines if _LEFT_OUT.match(x) or _STUB_LINE.match(x))
    return [(n, x.strip()[:80]) for n, x in hits if squash(x) not in known]
