"""Every problem of a blueprint is one exact sentence."""

from __future__ import annotations

import pytest

from swarm.domain.blueprint import Blueprint, FileSpec, FileState, Symbol, SymbolKind, Use
from swarm.planning.blueprint import validate_blueprint

F = Symbol(name="f", kind=SymbolKind.FUNCTION, signature="def f(a: int) -> str")
A = FileSpec(path="pkg/a.py", purpose="a", symbols=(F,))


def problems(
    *files: FileSpec,
    existing: tuple[str, ...] = (),
    acceptance: tuple[str, ...] = ("pytest",),
    dependencies: tuple[str, ...] = (),
) -> tuple[str, ...]:
    blueprint = Blueprint(summary="s", files=files, acceptance=acceptance, dependencies=dependencies)
    return validate_blueprint(blueprint, existing)


def with_symbol(**fields: object) -> FileSpec:
    symbol = Symbol.model_validate({"name": "f", "kind": "function", **fields})
    return A.model_copy(update={"symbols": (symbol,)})


def using(path: str, *names: str, file: str = "pkg/b.py") -> FileSpec:
    return FileSpec(path=file, purpose="b", uses=(Use(path=path, symbols=names),))


def test_a_sound_blueprint_has_no_problems() -> None:
    assert problems(A, using("pkg/a.py", "f")) == ()


def test_no_files_and_no_acceptance_are_named() -> None:
    found = problems(acceptance=(" ",))
    assert found == (
        "files: none is new or changed; list every file that the goal makes or changes.",
        (
            "acceptance: there is none; name at least one command that exits 0 on the finished tree, "
            "for example `python -m pytest -q`."
        ),
    )


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/etc/x.py", "is not relative to the repository"),
        ("~/x.py", "is not relative to the repository"),
        ("C:/x.py", "is not relative to the repository"),
        ("../x.py", "leaves the repository through `..`"),
        ("a/.git/hooks/x", "lies in `.git`"),
        ("a\\b.py", "holds a backslash"),
        ("a//b.py", "has an empty or `.` folder in it"),
        ("a/\nb.py", "holds a control character"),
        ("", "is empty"),
        ("a/ b.py", "has white space at the edge of a name"),
        ("a" * 201, "is longer than 200 characters"),
        ("a/*.py", "holds one of"),
    ],
)
def test_insane_paths_are_named(path: str, problem: str) -> None:
    found = problems(FileSpec(path=path, purpose="x"))
    assert any(sentence.startswith(f"{path!r}, path: it {problem}") for sentence in found), found


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ((A, A), "pkg/a.py, path: it is listed 2 times; merge the entries."),
        (
            (A, FileSpec(path="pkg/a.py/b.txt", purpose="x")),
            "pkg/a.py/b.txt, path: `pkg/a.py` is a file, so nothing can lie under it.",
        ),
        (
            (FileSpec(path="logging.py", purpose="x"),),
            "logging.py, path: `logging` would hide the standard library's module of that name; rename it.",
        ),
        (
            (A, FileSpec(path="pkg.py", purpose="x")),
            "pkg.py, path: module and folder `pkg/` would have one import name.",
        ),
        (
            (A.model_copy(update={"path": "my-pkg/a.py"}), using("my-pkg/a.py", "f")),
            "my-pkg/a.py, path: it is used but can't be imported; use letters, digits and underscores only.",
        ),
    ],
)
def test_paths_that_clash_are_named(files: tuple[FileSpec, ...], sentence: str) -> None:
    assert problems(*files) == (sentence,)


def test_a_used_symbol_that_is_defined_nowhere_comes_with_the_nearest_names() -> None:
    file = A.model_copy(
        update={"symbols": (F.model_copy(update={"name": "get_link", "signature": "def get_link() -> int"}),)}
    )
    assert problems(file, using("pkg/a.py", "get_lnik")) == (
        "pkg/b.py, uses: `get_lnik` of pkg/a.py is defined nowhere; near: `get_link` (pkg/a.py).",
    )


def test_a_symbol_of_another_file_is_said_to_be_there() -> None:
    other = FileSpec(path="pkg/c.py", purpose="c")
    assert problems(A, other, using("pkg/c.py", "f")) == (
        "pkg/b.py, uses: `f` isn't defined in pkg/c.py but in pkg/a.py.",
    )


def test_a_used_file_that_is_nowhere_is_named_with_the_nearest_one() -> None:
    assert problems(A, using("pkg/aa.py", "f")) == (
        "pkg/b.py, uses: `pkg/aa.py` is no file of the blueprint or the repository; near: pkg/a.py, pkg/b.py.",
    )


def test_existing_code_may_be_used_without_listing_its_symbols() -> None:
    existing = ("pkg/old.py", "pkg/seen.py")
    seen = FileSpec(path="pkg/seen.py", purpose="x", state=FileState.EXISTING)
    assert (
        problems(using("pkg/old.py", "g"), using("pkg/seen.py", "h", file="c.py"), seen, existing=existing)
        == ()
    )


@pytest.mark.parametrize(
    ("state", "existing", "sentence"),
    [
        (FileState.NEW, ("pkg/a.py",), "it says new, but the file exists; say changed"),
        (
            FileState.CHANGED,
            ("pkg/aa.py",),
            "it says changed, but there is no such file; near: pkg/aa.py; say new",
        ),
        (FileState.EXISTING, (), "it says existing, but there is no such file; say new or mend it."),
    ],
)
def test_states_have_to_agree_with_the_repository(
    state: FileState, existing: tuple[str, ...], sentence: str
) -> None:
    found = problems(A.model_copy(update={"state": state}), existing=existing)
    assert any(f"pkg/a.py, state: {sentence}" in s for s in found), found


def test_an_import_cycle_is_named_in_full_also_where_only_signatures_close_it() -> None:
    b = Symbol(name="B", kind=SymbolKind.CLASS, signature="class B")
    one = A.model_copy(update={"symbols": (F.model_copy(update={"signature": "def f(a: B) -> str"}),)})
    other = using("pkg/a.py", "f").model_copy(update={"symbols": (b,)})
    assert problems(one, other) == (
        "pkg/a.py, uses: import cycle pkg/a.py → pkg/b.py → pkg/a.py; move what both need into a file of its own.",
    )


@pytest.mark.parametrize(
    ("symbol", "sentence"),
    [
        ({"signature": "def f(a) -> str"}, "signature: `def f(a) -> str` lacks annotations for `a`."),
        ({"signature": "def f(a: int)"}, "signature: `def f(a: int)` lacks annotations for `return`."),
        ({"signature": "def f(a: int -> str"}, "signature: `def f(a: int -> str` is not Python: "),
        ({"signature": "def g() -> int"}, "signature: it defines `g`, not `f`."),
        ({"signature": ""}, "signature: it is missing; write `def f(…) -> …`."),
        ({"name": "C.f", "signature": "def f() -> int"}, "name: list `f` under the methods of class `C`."),
        ({"name": "f g", "signature": "def f() -> int"}, "name: it is no Python name."),
        ({"kind": "class", "signature": "class g"}, "signature: it defines `g`, not `f`."),
        (
            {"kind": "class", "signature": "class f", "methods": ("def m() -> int",)},
            "methods: `def m() -> int` is a method without `self` (or `cls`, or @staticmethod).",
        ),
        (
            {"kind": "class", "signature": "class f", "methods": ("def m(self, x) -> int",)},
            "methods: `def m(self, x) -> int` lacks annotations for `x`.",
        ),
        ({"kind": "model", "fields": ("a",)}, "fields: `a` is not `name: type` or `name: type = default`."),
        (
            {"kind": "model", "fields": ("a = 3",)},
            "fields: `a = 3` has no type; write `name: type = default`.",
        ),
        ({"kind": "model", "fields": ("a: dict[",)}, "fields: `a: dict[` is not Python: "),
        (
            {"kind": "model", "signature": "class f(StrEnum)", "fields": ("A: str",)},
            "fields: `A: str` is an enum's member without value; write `NAME = value`.",
        ),
        (
            {"kind": "model", "fields": ("a: int = 1", "b: int")},
            "fields: `b: int` has no default but follows one",
        ),
        (
            {"kind": "constant", "signature": "f: int"},
            "signature: `f: int` has no value; write `NAME: type = value`.",
        ),
        ({"kind": "constant", "signature": "g: int = 1"}, "signature: it defines `g`, not `f`."),
        ({"signature": "def f() -> Lnik"}, "`Lnik` is defined nowhere; define it in a file,"),
        ({"signature": "def f() -> pydantic.BaseModel"}, "is of a package that dependencies doesn't list."),
        ({"signature": "def f() -> int", "raises": ("NoSuch",)}, "`NoSuch` is defined nowhere"),
    ],
)
def test_symbols_that_are_no_python_are_named(symbol: dict[str, object], sentence: str) -> None:
    found = problems(with_symbol(**symbol))
    name = symbol.get("name", "f")
    assert any(s.startswith(f"pkg/a.py, symbol `{name}`") and sentence in s for s in found), found


@pytest.mark.parametrize(
    "signature",
    [
        "async def f(a: int, /, *b: str, c: float = 1.0, **d: object) -> AsyncIterator[int]",
        "@contextmanager def f(a: Path) -> Iterator[sqlite3.Connection]",
        "def f(x: Sequence[T]) -> T",
        "def f(a: datetime.datetime, b: 'Decimal') -> Literal['x', 'y']",
        "def f(a: int) -> str: ...",
    ],
)
def test_signatures_with_known_names_are_sound(signature: str) -> None:
    assert problems(with_symbol(signature=signature)) == ()


def test_a_name_that_two_files_define_has_to_be_chosen_in_uses() -> None:
    c1, c2 = (
        FileSpec(path=f"pkg/{n}.py", purpose=n, symbols=(Symbol(name="Conf", kind=SymbolKind.CLASS),))
        for n in "cd"
    )
    user = with_symbol(signature="def f(a: Conf) -> str")
    assert problems(c1, c2, user) == (
        "pkg/a.py, symbol `f`: `Conf` is defined in pkg/c.py and pkg/d.py; say in uses which one is meant.",
    )
    assert (
        problems(c1, c2, user.model_copy(update={"uses": (Use(path="pkg/d.py", symbols=("Conf",)),)})) == ()
    )


def test_existing_code_may_define_the_names_that_the_blueprint_does_not() -> None:
    assert problems(with_symbol(signature="def f(a: Settings) -> str"), existing=("pkg/settings.py",)) == ()


def test_signatures_of_other_languages_are_not_read_as_python() -> None:
    symbol = Symbol(name="f", kind=SymbolKind.FUNCTION, signature="function f(a) {}")
    assert problems(A.model_copy(update={"path": "web/a.js", "symbols": (symbol,)})) == ()


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            (
                A.model_copy(update={"tests": ("tests/test_x.py",)}),
                FileSpec(path="pkg/b.py", purpose="b", tests=("tests/test_x.py",)),
            ),
            "tests/test_x.py, tests: it is listed under pkg/a.py and pkg/b.py; a test across modules is a",
        ),
        (
            (A.model_copy(update={"tests": ("tests/check_a.py",)}),),
            "tests/check_a.py, tests: test runners don't collect it",
        ),
        ((A.model_copy(update={"tests": ("pkg/a.py",)}),), "pkg/a.py, tests: a file can't be its own test."),
        (
            (
                A.model_copy(update={"tests": ("tests/x/test_a.py",)}),
                FileSpec(path="tests/y/test_a.py", purpose="t"),
            ),
            "tests/y/test_a.py, path: pytest can't collect it beside tests/x/test_a.py",
        ),
    ],
)
def test_tests_that_collide_are_named(files: tuple[FileSpec, ...], sentence: str) -> None:
    assert any(s.startswith(sentence) for s in problems(*files)), problems(*files)


@pytest.mark.parametrize("text", ["rm -rf /", "httpx; echo", "--index-url=x", "git+https://x/y", ""])
def test_dependencies_that_are_no_requirements_are_named(text: str) -> None:
    assert problems(A, dependencies=(text,)) == (
        f"dependencies: `{text}` is no package requirement; write it like `httpx>=0.27`.",
    )


def test_the_standard_library_is_no_dependency_and_requirements_are_fine() -> None:
    assert problems(A, dependencies=("sqlite3", "httpx[http2]>=0.27,<1", "PyYAML")) == (
        "dependencies: `sqlite3` is in Python's standard library; leave it out.",
    )


def test_doubled_symbols_are_named() -> None:
    assert problems(A.model_copy(update={"symbols": (F, F)})) == (
        "pkg/a.py, symbol `f`: it is listed twice.",
    )
