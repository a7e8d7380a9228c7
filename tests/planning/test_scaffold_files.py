"""Contracts as code: what is written, what imports, and what is left alone."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from swarm.domain.blueprint import Symbol
from swarm.domain.goal import Strategy
from swarm.domain.plan import Contract, Plan, SharedFile, Task
from swarm.planning.scaffold import contract_text, scaffold_files
from swarm.planning.stubs import is_data


def symbol(name: str, kind: str, signature: str = "", **extra: Any) -> Symbol:
    return Symbol.model_validate({"name": name, "kind": kind, "signature": signature, **extra})


def plan_with(*contracts: Contract, shared: tuple[SharedFile, ...] = ()) -> Plan:
    tasks = (Task(id="t", title="t", description="", owns=tuple(c.path for c in contracts) or ("x",)),)
    return Plan(goal="g", strategy=Strategy.SWARM, tasks=tasks, contracts=contracts, shared=shared)


def contract(path: str, *symbols: Symbol, provider: str = "t", purpose: str = "") -> Contract:
    return Contract(
        id=path.replace("/", "-").replace(".", "-"),
        path=path,
        provider=provider,
        purpose=purpose,
        symbols=symbols,
    )


def stub(*symbols: Symbol, existing: str | None = None, provider: str = "t") -> str:
    """The one module `m.py` that the symbols become."""
    files = {"m.py": existing} if existing is not None else {}
    return scaffold_files(plan_with(contract("m.py", *symbols, provider=provider)), files).get(
        "m.py", existing or ""
    )


def load(text: str, tmp_path: Path) -> ModuleType:
    """The module, imported and checked for undefined names."""
    path = tmp_path / "loaded_stub.py"
    path.write_text(text)
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--no-cache",
        "-q",
        "--select",
        "E9,F63,F7,F82",
        str(path),
    ]
    assert subprocess.run(ruff, capture_output=True, text=True, check=False).stdout == ""
    spec = importlib.util.spec_from_file_location("loaded_stub", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["loaded_stub"] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["loaded_stub"]
    return module


def test_a_function_stub_has_signature_docstring_and_an_error_that_names_the_contract(tmp_path: Path) -> None:
    f = symbol(
        "f",
        "function",
        "def f(a: Path, *, b: int = 3) -> Decimal",
        description="Adds.",
        raises=["ValueError"],
    )
    module = load(stub(f), tmp_path)
    assert module.f.__doc__ == "Adds.\n\n    Raises ValueError.\n    "
    assert module.f.__annotations__ == {"a": "Path", "b": "int", "return": "Decimal"}
    with pytest.raises(NotImplementedError, match="contract m-py: f"):
        module.f(Path())


def test_a_model_is_a_complete_frozen_dataclass_whose_mutable_defaults_are_not_shared(tmp_path: Path) -> None:
    tagged = symbol(
        "M", "model", "class M", fields=["a: int", "tags: list[str] = []", "seen: dict[str, int] = {'x': 1}"]
    )
    module = load(stub(tagged, provider="scaffold"), tmp_path)
    one, other = module.M(1), module.M(1)
    assert one == other
    assert one.tags is not other.tags
    assert one.seen == {"x": 1}
    with pytest.raises(AttributeError):
        one.a = 2


def test_defaults_that_are_made_by_a_call_are_made_anew_for_each_instance(tmp_path: Path) -> None:
    part = symbol("Part", "model", "@dataclass class Part", fields=["a: int = 1"])
    whole = symbol(
        "Whole",
        "model",
        fields=["part: Part = Part()", "many: list[int] = list()", "m: dict[str, int] = dict(x=1)"],
    )
    module = load(stub(whole, part), tmp_path)
    one, other = module.Whole(), module.Whole()
    one.part.a = 9
    one.many.append(1)
    assert (other.part.a, other.many, other.m) == (1, [], {"x": 1})


@pytest.mark.parametrize(
    ("kind", "signature", "expected"),
    [
        ("function", "def list(a: int) -> str", "def get() -> list[int]:"),
        ("constant", "list: int = 3", "def get() -> list[int]:"),
        ("class", "class list", "from pkg.commands import list"),
    ],
)
def test_only_a_type_named_like_a_builtin_takes_its_place_elsewhere(
    kind: str, signature: str, expected: str
) -> None:
    taken = contract("pkg/commands.py", symbol("list", kind, signature))
    text = scaffold_files(
        plan_with(taken, contract("pkg/b.py", symbol("get", "function", "def get() -> list[int]"))), {}
    )
    assert expected in text["pkg/b.py"]
    assert ("import list" in text["pkg/b.py"]) is (kind == "class")


def test_a_model_keeps_the_form_that_its_signature_gives(tmp_path: Path) -> None:
    mutable = symbol("M", "model", "@dataclass(order=True) class M", fields=["a: int"])
    child = symbol("N", "model", "class N(M)", fields=["b: int = 2"])
    enum = symbol("E", "model", "class E(StrEnum)", fields=['A = "a"', 'B: str = "b"'])
    pair = symbol("P", "model", "class P(NamedTuple)", fields=["a: int", "b: str = 'x'"])
    typed = symbol("D", "model", "class D(TypedDict, total=False)", fields=["a: int = 3"])
    module = load(stub(child, mutable, enum, pair, typed), tmp_path)
    item = module.M(1)
    item.a = 5
    assert module.M(1) < module.M(2)
    assert module.N(1) == module.N(1, b=2)
    assert [member.value for member in module.E] == ["a", "b"]
    assert module.P(1) == (1, "x")
    assert module.D(a=1) == {"a": 1}


def test_errors_keep_their_fields_and_come_after_their_base(tmp_path: Path) -> None:
    child = symbol("Missing", "error", "class Missing(Fault)", fields=["code: str", "tries: int = 1"])
    module = load(stub(child, symbol("Fault", "error")), tmp_path)
    fault = module.Missing("x")
    assert isinstance(fault, module.Fault)
    assert (fault.code, fault.tries, str(fault)) == ("x", 1, "code='x', tries=1")


def test_constants_stand_before_what_uses_them_and_stub_calls_are_not_run(tmp_path: Path) -> None:
    text = stub(
        symbol("f", "function", "def f(a: int = LIMIT, b: int = g()) -> int"),
        symbol("LIMIT", "constant", "LIMIT: int = BASE * 2", description="The most."),
        symbol("BASE", "constant", "BASE: int = 21"),
        symbol("CALLED", "constant", "CALLED: int = g()"),
        symbol("g", "function", "def g() -> int"),
    )
    module = load(text, tmp_path)
    assert module.LIMIT == 42
    assert module.f.__defaults__ == (42, ...)
    assert module.CALLED is None
    assert "# The most.\nLIMIT: int" in text


def test_classes_get_every_method_with_its_decorators(tmp_path: Path) -> None:
    methods = [
        "@property def size(self) -> int",
        "@classmethod def load(cls, p: Path) -> Self",
        "async def run(self) -> None",
    ]
    module = load(
        stub(symbol("C", "class", "class C(Generic[T])", methods=methods, fields=["a: int"])), tmp_path
    )
    assert isinstance(module.C.size, property)
    with pytest.raises(NotImplementedError, match=r"C\.load"):
        module.C.load(Path())


@pytest.mark.parametrize(
    "signature",
    [
        "def f(a: sqlite3.Connection, b: datetime.datetime) -> collections.abc.Iterator[http.server.HTTPServer]",
        "def f(a: Callable[[int], Awaitable[None]]) -> AbstractContextManager[Path]",
        "def f(a: T, b: unheard.of.Thing) -> NeverHeard",
        "def f(a: 'Sequence[Decimal]', b: Literal['x']) -> Annotated[int, 'y']",
        "@contextmanager def f(a: int,\n  b: int) -> Iterator[None]",
        "def f(a: Pattern[str] = re.compile('x'), b: date = date.today()) -> UUID",
    ],
)
def test_names_of_any_origin_leave_a_stub_that_imports(signature: str, tmp_path: Path) -> None:
    assert load(stub(symbol("f", "function", signature)), tmp_path).f.__name__ == "f"


def test_docstrings_survive_quotes_and_backslashes(tmp_path: Path) -> None:
    text = 'Ends with """quotes""" and \\d and "x"'
    assert (
        load(stub(symbol("f", "function", "def f() -> int", description=text)), tmp_path).f.__doc__.strip()
        == text
    )


def test_imports_between_contracts_use_the_package_that_is_there() -> None:
    files = scaffold_files(
        plan_with(
            contract(
                "backend/app/models.py", symbol("Link", "model", fields=["a: int"]), provider="scaffold"
            ),
            contract("backend/app/store.py", symbol("get", "function", "def get() -> Link")),
        ),
        {"backend/app/__init__.py": ""},
    )
    assert "from app.models import Link" in files["backend/app/store.py"]


def test_an_existing_module_keeps_its_text_and_gets_what_is_missing(tmp_path: Path) -> None:
    old = "import re\n\n\nclass C:\n    def a(self) -> int:\n        return 1\n\n\ndef kept() -> int:\n    return 2\n"
    text = stub(
        symbol(
            "C", "class", "class C", methods=["def a(self) -> int", "def b(self, x: Decimal = LIMIT) -> Path"]
        ),
        symbol("kept", "function", "def kept() -> str"),
        symbol("added", "function", "def added(c: C, d: Decimal) -> re.Pattern[str]"),
        symbol("LIMIT", "constant", "LIMIT: int = 3"),
        existing=old,
    )
    assert text.startswith("import re\n\n\nclass C:\n    def a(self) -> int:\n        return 1\n\n    def b(")
    module = load(text, tmp_path)
    assert (module.kept(), module.C().a(), module.LIMIT) == (2, 1, 3)
    with pytest.raises(NotImplementedError, match=r"C\.b"):
        module.C().b()
    assert "added" in dir(module)


def test_an_existing_module_that_lacks_nothing_or_does_not_parse_is_left_alone() -> None:
    f = symbol("f", "function", "def f() -> int")
    for old in ("def f():\n    return 1\n", "from other import f\n", "def broken(:\n"):
        assert scaffold_files(plan_with(contract("m.py", f)), {"m.py": old}) == {}


def test_project_names_for_annotations_do_not_run_in_an_existing_module() -> None:
    plan = plan_with(
        contract("pkg/a.py", symbol("f", "function", "def f(b: B) -> None")),
        contract("pkg/b.py", symbol("B", "class")),
    )
    text = scaffold_files(plan, {"pkg/a.py": "X = 1\n"})["pkg/a.py"]
    assert "if TYPE_CHECKING:\n    from pkg.b import B" in text
    assert "def f(b: 'B') -> None:" in text


def test_shared_files_are_written_once_and_never_over_existing_ones() -> None:
    shared = (
        SharedFile(path="pkg/__init__.py", content="A = 1\n"),
        SharedFile(path="README.md", content="new"),
    )
    assert scaffold_files(plan_with(shared=shared), {"README.md": "old"}) == {"pkg/__init__.py": "A = 1\n"}


def test_routes_of_python_files_are_told_in_the_docstring_and_leave_no_documents() -> None:
    route = symbol("GET /x", "route", "GET /x", description="The x.")
    files = scaffold_files(plan_with(contract("pkg/server.py", route, purpose="The server.")), {})
    assert list(files) == ["pkg/server.py"]
    assert "- route `GET /x`: The x." in files["pkg/server.py"]


def test_contracts_of_other_languages_become_documents() -> None:
    f = symbol("f", "function", "export function f(a)", description="Does f.", raises=["TypeError"])
    files = scaffold_files(plan_with(contract("web/f.js", f)), {})
    assert files == {
        "docs/contracts/web-f-js.md": (
            "# web/f.js\n\nContract `web-f-js`: file `web/f.js`, provided by task `t`\n"
            "- function `export function f(a)`: Does f. (errors: TypeError)\n"
        )
    }


def test_a_contract_that_was_edited_into_nonsense_still_reads() -> None:
    assert "def f(" in contract_text(contract("m.py", symbol("f", "function", "def f(")))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (symbol("M", "model", fields=["a: int"]), True),
        (symbol("M", "model", fields=["a: datetime.datetime"]), True),
        (symbol("M", "model", fields=["a: int"], methods=["def f(self) -> int"]), False),
        (symbol("M", "model", fields=["a: int"], raises=["ValueError"]), False),
        (symbol("M", "model", fields=["a: pydantic.EmailStr"]), False),
        (symbol("M", "model", fields=["a"]), False),
        (symbol("E", "error"), True),
        (symbol("K", "constant", "K: int = 1"), True),
        (symbol("K", "constant", "K: int"), False),
        (symbol("C", "class", "class C"), False),
    ],
)
def test_only_plain_data_is_complete_without_an_author(given: Symbol, expected: bool) -> None:
    assert is_data(given) is expected
