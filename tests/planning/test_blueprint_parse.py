"""Parsing a planner's answer: what was meant is read, what is not there is named."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from swarm.domain.blueprint import Blueprint, FileState, SymbolKind, Use
from swarm.planning.blueprint import blueprint_schema, parse_blueprint

FILE = {
    "path": "a.py",
    "purpose": "p",
    "symbols": [{"name": "f", "kind": "function", "signature": "def f() -> int"}],
}
PLAIN = {"summary": "s", "files": [FILE], "acceptance": ["pytest"]}


def read(value: object) -> Blueprint:
    parsed = parse_blueprint(value if isinstance(value, str) else json.dumps(value))
    assert isinstance(parsed, Blueprint), parsed
    return parsed


def file_with(**extra: Any) -> dict[str, Any]:
    return {**PLAIN, "files": [{**FILE, **extra}]}


def symbol_with(**extra: Any) -> dict[str, Any]:
    return file_with(symbols=[{"name": "f", "kind": "function", "signature": "def f() -> int", **extra}])


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(PLAIN),
        f"Here is the blueprint [as asked]:\n```json\n{json.dumps(PLAIN, indent=1)}\n```\nGood luck {{}}!",
        json.dumps([PLAIN]),
        json.dumps({"blueprint": PLAIN}),
        json.dumps({"result": {"plan": json.dumps(PLAIN)}}),
        json.dumps(PLAIN)[:-1] + ",}  // done",
        repr(PLAIN),
        json.dumps(PLAIN).replace('"acceptance"', '"x": None, "acceptance"'),
        json.dumps({**PLAIN, "files": {"a.py": {k: v for k, v in FILE.items() if k != "path"}}}),
        "\ufeff" + json.dumps({**PLAIN, "mood": "good"}),
    ],
    ids=["plain", "fenced", "listed", "keyed", "nested", "trailing", "python", "none", "mapping", "extra"],
)
def test_forms_of_one_answer_read_alike(text: str) -> None:
    assert read(text) == read(PLAIN)


def test_a_list_of_files_alone_is_a_blueprint() -> None:
    assert read([FILE, {**FILE, "path": "b.py"}]).files[1].path == "b.py"


def test_strings_keep_their_commas_comments_and_constants() -> None:
    purpose = 'Says None, // and "True,]" to https://x.y'
    assert read(json.dumps(file_with(purpose=purpose))[:-1] + ",}").files[0].purpose == purpose


@pytest.mark.parametrize(
    ("given", "lines"), [("120", 120), ("about 1,200 lines", 1200), (80.4, 80), (None, 60)]
)
def test_numbers_are_read_from_text(given: object, lines: int) -> None:
    assert read(file_with(lines=given)).files[0].lines == lines


def test_null_for_a_list_is_an_empty_list() -> None:
    file = read(file_with(uses=None, tests=None)).files[0]
    assert (file.uses, file.tests) == ((), ())


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("func", SymbolKind.FUNCTION),
        ("Async Function", SymbolKind.FUNCTION),
        ("dataclass", SymbolKind.MODEL),
        ("exception", SymbolKind.ERROR),
        ("endpoint", SymbolKind.ROUTE),
        ("interface", SymbolKind.CLASS),
        ("CONST", SymbolKind.CONSTANT),
        ("cli_command", SymbolKind.COMMAND),
    ],
)
def test_kinds_are_normalised(given: str, kind: SymbolKind) -> None:
    assert read(symbol_with(kind=given)).files[0].symbols[0].kind is kind


@pytest.mark.parametrize(
    ("kind", "given", "signature"),
    [
        ("function", "f(a: int) -> str", "def f(a: int) -> str"),
        ("function", "(a: int) -> str", "def f(a: int) -> str"),
        ("function", "async f() -> None", "async def f() -> None"),
        ("class", "f(Base)", "class f(Base)"),
        ("model", "", "class f"),
        ("constant", "f: int = 3", "f: int = 3"),
    ],
)
def test_signatures_get_the_word_that_was_left_out(kind: str, given: str, signature: str) -> None:
    assert read(symbol_with(kind=kind, signature=given)).files[0].symbols[0].signature == signature


def test_symbols_fields_and_methods_may_be_text_or_objects() -> None:
    symbols = [
        "def g(a: int) -> int",
        {"name": "M", "kind": "model", "fields": {"a": "int", "b": "str"}},
        {
            "name": "N",
            "kind": "model",
            "fields": [{"name": "a", "type": "int", "default": 3}, "b: str = 'x'"],
        },
        {
            "name": "C",
            "kind": "class",
            "methods": ["run(self) -> None", {"signature": "def stop(self) -> None"}],
        },
    ]
    function, model, other, klass = read(file_with(symbols=symbols)).files[0].symbols
    assert (function.name, function.kind) == ("g", SymbolKind.FUNCTION)
    assert model.fields == ("a: int", "b: str")
    assert other.fields == ("a: int = 3", "b: str = 'x'")
    assert klass.methods == ("def run(self) -> None", "def stop(self) -> None")


@pytest.mark.parametrize(
    "uses",
    [
        [{"path": "pkg/b.py", "symbols": ["X", "Y"]}],
        {"pkg/b.py": ["X", "Y"]},
        ["pkg/b.py: X, Y"],
        [{"file": "./pkg/b.py", "names": ["X", "X.method", "Y()"]}, "sqlite3"],
        [{"module": "pkg.b", "symbols": ["X"]}, {"path": "pkg/b.py", "symbols": "Y"}],
    ],
    ids=["plain", "mapping", "text", "aliases", "module"],
)
def test_uses_read_alike_in_every_form(uses: object) -> None:
    given = {**PLAIN, "files": [{**FILE, "uses": uses}, {"path": "pkg/b.py", "purpose": "q"}]}
    got = {name for use in read(given).files[0].uses for name in use.symbols if use.path == "pkg/b.py"}
    assert got == {"X", "Y"}
    assert {use.path for use in read(given).files[0].uses} == {"pkg/b.py"}


def test_uses_of_one_path_are_one_use() -> None:
    uses = [
        {"path": "b.py", "symbols": ["X"]},
        {"path": "b.py", "symbols": ["Y"]},
        {"path": "a.py", "symbols": ["f"]},
    ]
    assert read(file_with(uses=uses)).files[0].uses == (Use(path="b.py", symbols=("X", "Y")),)


def test_states_are_normalised() -> None:
    states = {"modify": FileState.CHANGED, "create": FileState.NEW, "unchanged": FileState.EXISTING}
    for given, state in states.items():
        assert read(file_with(state=given)).files[0].state is state


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the answer is empty"),
        ("I can't do that.", "there is no JSON object in the answer"),
        ('{"files": [{"path": "a.py", "purpose": "x"}, {"path": ', "the answer ends in the middle"),
        ('{"files" [1]}', "the answer is not JSON: line 1, column 10"),
        ('{"summary": "s"}', "blueprint, files: there is none"),
        ("[" * 100_000, "nested too deeply"),
        (json.dumps(file_with(state="maybe")), "blueprint, files[0] `a.py`, state:"),
        (json.dumps(symbol_with(kind="widget")), "files[0] `a.py`, symbols[0] `f`, kind:"),
        (
            json.dumps(file_with(lines=-4)),
            "files[0] `a.py`, lines: Input should be greater than or equal to 0",
        ),
        (json.dumps({**PLAIN, "files": [7]}), "blueprint, files[0]:"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(text: str, problem: str) -> None:
    parsed = parse_blueprint(text)
    assert isinstance(parsed, tuple)
    assert any(problem in sentence for sentence in parsed), parsed
    assert all(sentence.endswith(".") for sentence in parsed)


def test_the_schema_is_flat_and_strict_and_accepts_a_full_blueprint() -> None:
    schema = blueprint_schema()
    assert "$ref" not in json.dumps(schema)
    assert schema["required"] == ["summary", "files", "acceptance", "dependencies", "notes"]
    assert schema["properties"]["files"]["items"]["additionalProperties"] is False
    jsonschema.validate(json.loads(read(PLAIN).model_dump_json()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"summary": "s"}, schema)
