"""Contracts against sources: what keeps them, what breaks them, and what the agent is told."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.domain.blueprint import Symbol, SymbolKind
from swarm.domain.plan import Contract
from swarm.verification.annotations import normalise
from swarm.verification.contracts import contract_findings

PATH = "shortener/store.py"


def contract(*symbols: Symbol, path: str = PATH) -> Contract:
    return Contract(id="shortener-store", path=path, provider="store", symbols=symbols)


def function(signature: str, name: str = "create_link") -> Symbol:
    return Symbol(name=name, kind=SymbolKind.FUNCTION, signature=signature)


def check(symbol: Symbol, source: str) -> tuple[str, ...]:
    return contract_findings(contract(symbol), source.encode())


CREATE = "def create_link(url: str, ttl: int | None = None, *, code: Optional[str] = None) -> Link"
TTL, CODE = "ttl: int | None = None", "code: str | None = None"


@pytest.mark.parametrize(
    "head",
    [
        f"def create_link(url: str, {TTL}, *, {CODE}) -> Link",
        "def create_link(url: 'str', ttl: Optional[int] = 60, *, code: typing.Optional[str]=None) -> 'Link'",
        f"def create_link(url: str, ttl: Union[None, int] = None, {CODE}) -> models.Link",
        f"def create_link(url: str, ttl: int|None = None, *, {CODE}, now: float = 0) -> Link",
        f"def create_link(url: str, {TTL}, *a, {CODE}, **k) -> Link",
        f"if True:\n def create_link(url: str, {TTL}, *, {CODE}) -> Link",
        f"create_link = other\ndef other(url: str, {TTL}, *, {CODE}) -> Link",
        "from impl import create_link\ndef other()",
    ],
)
def test_a_compatible_function_gives_no_finding(head: str) -> None:
    assert check(function(CREATE), f"{head}: return 1") == ()


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("def other()", "function `create_link` is missing"),
        ("class create_link", "there is a class of that name at line 1"),
        (f"def create_link(link: str, {TTL}, *, {CODE}) -> Link", "parameter 1 `url: str` is missing"),
        (f"def create_link(url: str, *, {TTL}, {CODE}) -> Link", "`ttl` must be positional, number 2"),
        (f"def create_link(url: str, ttl: int | None, *, {CODE}) -> Link", "`ttl` must have a default"),
        (
            f"def create_link(url: bytes, {TTL}, *, {CODE}) -> Link",
            "`url` must be annotated `str`, not `bytes`",
        ),
        (
            f"def create_link(url, {TTL}, *, {CODE}) -> Link",
            "`url` must be annotated `str`, which is missing",
        ),
        (f"def create_link(url: str, {TTL}) -> Link", "`code: str | None = …` (keyword-only) is missing"),
        (f"def create_link(url: str, {TTL}, *, {CODE}) -> str", "must return `Link`, not `str`"),
        (f"def create_link(url: str, {TTL}, *, {CODE})", "return annotation `Link` is missing"),
        (f"async def create_link(url: str, {TTL}, *, {CODE}) -> Link", "must not be async"),
        (
            f"def create_link(url: str, {TTL}, *, {CODE}, db: object) -> Link",
            "`db: object` is not in the contract",
        ),
        (f"def create_link(url: str, /, {TTL}, *, {CODE}) -> Link", "`url` must also be allowed by keyword"),
    ],
)
def test_an_incompatible_function_is_named_with_what_is_expected(head: str, said: str) -> None:
    (finding,) = check(function(CREATE), f"{head}: pass")
    assert finding.startswith(PATH)
    assert said in finding


def test_a_finding_carries_path_line_expected_and_found() -> None:
    (finding,) = check(
        function("def create_link(url: str) -> str"),
        "import os\n\ndef create_link(u: str) -> str:\n    return u\n",
    )
    assert finding.startswith(f"{PATH}:3: ")
    assert "Expected `def create_link(url: str) -> str`" in finding
    assert "found `def create_link(u: str) -> str`" in finding


def test_a_more_precise_generic_keeps_the_contract() -> None:
    assert (
        check(function("def create_link() -> dict"), "def create_link() -> dict[str, int]: return {}") == ()
    )
    assert check(function("def create_link() -> dict[str, int]"), "def create_link() -> dict: return {}")


def test_a_context_manager_may_be_written_as_a_generator() -> None:
    source = "@contextmanager\ndef create_link(p: str) -> Iterator[Connection]:\n    yield connect(p)\n"
    assert check(function("def create_link(p: str) -> ContextManager[sqlite3.Connection]"), source) == ()
    assert check(function("def create_link(p: str) -> Iterator[Connection]"), source) == ()


def test_the_last_overload_counts() -> None:
    source = "@overload\ndef create_link(a: int) -> int: ...\ndef create_link(a: int | str) -> int | str: return a\n"
    assert check(function("def create_link(a: str | int) -> str | int"), source) == ()


def test_a_stub_of_the_scaffold_is_a_finding() -> None:
    source = (
        'def create_link() -> int:\n    """Doc."""\n    raise NotImplementedError("contract: create_link")\n'
    )
    (finding,) = check(function("def create_link() -> int"), source)
    assert finding == f"{PATH}:3: `create_link` is still the contract's stub: implement it."


def test_any_other_not_implemented_error_is_no_contract_stub() -> None:
    source = 'def create_link() -> int:\n    raise NotImplementedError("on Windows")\n'
    assert check(function("def create_link() -> int"), source) == ()


STORE = Symbol(
    name="Store",
    kind=SymbolKind.CLASS,
    signature="class Store(Backend)",
    methods=(
        "def __init__(self, path: Path) -> None",
        "def get(self, code: str) -> Link | None",
        "async def flush(self) -> None",
        "@property def size(self) -> int",
        "@staticmethod\ndef key(code: str) -> str",
        "def copy(self) -> Store",
    ),
)
STORE_SOURCE = """
class Backend:
    async def flush(self) -> None:
        await done()

class Store(Backend):
    def __init__(self, path: Path, *, timeout: float = 5) -> None:
        self.path = path
    def get(self, code: str) -> Optional["Link"]:
        return None
    @functools.cached_property
    def size(self) -> int:
        return 1
    @staticmethod
    def key(code: str) -> str:
        return code
    def copy(self) -> Self:
        return self
"""


def test_a_class_with_its_methods_own_or_inherited_in_the_file_keeps_the_contract() -> None:
    assert check(STORE, STORE_SOURCE) == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("def get(", "def fetch(", "method `get` of class `Store` is missing"),
        ("    @functools.cached_property\n", "", "it must be a property"),
        ("    @staticmethod\n    def key(code", "    @property\n    def key(self, code", "not a property"),
        ("code: str) -> Optional", "key: str) -> Optional", "parameter 1 `code: str` is missing"),
        ("class Store(Backend)", "class Store", "does not derive from `Backend`"),
        ("class Store(", "class Shop(", "`Store` is missing"),
        (
            "path: Path, *, timeout: float = 5",
            "path: Path, timeout: float",
            "`timeout: float` is not in the contract",
        ),
    ],
)
def test_a_broken_class_is_named(old: str, new: str, said: str) -> None:
    assert old in STORE_SOURCE
    findings = check(STORE, STORE_SOURCE.replace(old, new))
    assert any(said in finding for finding in findings), findings


def test_a_property_with_a_setter_is_a_property() -> None:
    symbol = Symbol(name="A", kind=SymbolKind.CLASS, methods=("@property\ndef size(self) -> int",))
    source = "class A:\n @property\n def size(self) -> int: return 1\n @size.setter\n def size(self, v: int): pass\n"
    assert check(symbol, source) == ()


def test_a_method_that_only_an_imported_base_could_have_is_missing() -> None:
    findings = check(STORE, "from base import Backend\nclass Store(Backend):\n    pass\n")
    assert any("method `get` of class `Store` is missing" in f for f in findings)


LINK = Symbol(
    name="Link",
    kind=SymbolKind.MODEL,
    signature="class Link",
    fields=(
        "code: str",
        "url: str",
        "expires_at: datetime | None = None",
        "tags: list[str] = field(default_factory=list)",
    ),
)


DATACLASS = """
@dataclass(frozen=True)
class Link:
    code: str
    url: str
    expires_at: 'Optional[datetime.datetime]' = None
    tags: List[str] = field(default_factory=list)
    clicks: int = 0
"""
PYDANTIC = """
class _Base(BaseModel):
    code: str = Field(min_length=1)
class Link(_Base):
    url: str
    expires_at: datetime | None = Field(None)
    tags: list[str] = Field(default_factory=list)
"""
NAMED_TUPLE = """
class Link(NamedTuple):
    code: str
    url: str
    expires_at: datetime | None = None
    tags: list[str] = []
"""
PLAIN = """
class Link:
    def __init__(self, code: str, url: str, expires_at: datetime | None = None, tags: list[str] = ()):
        self.code = code
        self.url = url
        self.expires_at = expires_at
        self.tags: list[str] = list(tags)
"""


@pytest.mark.parametrize(
    "source", [DATACLASS, PYDANTIC, NAMED_TUPLE, PLAIN, "Link = namedtuple('Link', 'code url')"]
)
def test_a_model_may_be_made_in_any_way(source: str) -> None:
    assert check(LINK, source) == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "    expires_at: datetime | None = None\n",
            "",
            "`expires_at: datetime | None = None` of `Link` is missing",
        ),
        ("code: str", "code: int", ":3: field `code` of `Link` must be of type `str`, not `int`"),
        ("datetime | None = None", "datetime | None", "`expires_at` of `Link` must have a default"),
        (
            "tags: list[str] = []",
            "tags: list[str] = []\n    owner: str",
            "`owner` of `Link` is not in the contract",
        ),
    ],
)
def test_a_broken_model_is_named(old: str, new: str, said: str) -> None:
    assert old in NAMED_TUPLE
    (finding,) = check(LINK, NAMED_TUPLE.replace(old, new))
    assert said in finding


def test_members_of_an_enumeration_need_no_annotation() -> None:
    symbol = Symbol(
        name="State",
        kind=SymbolKind.MODEL,
        signature="class State(StrEnum)",
        fields=('OPEN = "open"', "DONE: str"),
    )
    assert check(symbol, 'class State(StrEnum):\n    OPEN = "open"\n    DONE = "done"\n') == ()
    assert check(symbol, 'class State(StrEnum):\n    OPEN = "open"\n')


@pytest.mark.parametrize(
    "source",
    [
        "class Gone(KeyError): ...",
        "class Base(Exception): ...\nclass Gone(Base): ...",
        "from errors import Base\nclass Gone(Base): ...",
        "import errors\nclass Gone(errors.Base): ...",
        "from errors import Gone",
    ],
)
def test_an_error_derives_from_exception_as_far_as_the_file_shows(source: str) -> None:
    assert check(Symbol(name="Gone", kind=SymbolKind.ERROR), source) == ()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("class Gone: ...", "does not derive from Exception"),
        ("class Gone(int): ...", "does not derive from Exception"),
        ("class Base: ...\nclass Gone(Base): ...", "does not derive from Exception"),
        ("class Gone(Gone): ...", "does not derive from Exception"),
        ("Gone = Exception()", "`Gone` is missing"),
    ],
)
def test_a_class_that_is_no_exception_is_no_error(source: str, said: str) -> None:
    (finding,) = check(Symbol(name="Gone", kind=SymbolKind.ERROR), source)
    assert said in finding


def test_an_error_keeps_the_family_that_callers_catch() -> None:
    symbol = Symbol(name="Gone", kind=SymbolKind.ERROR, signature="class Gone(ShortenerError)")
    assert check(symbol, "class ShortenerError(Exception): ...\nclass Gone(ShortenerError): ...") == ()
    (finding,) = check(symbol, "class ShortenerError(Exception): ...\nclass Gone(Exception): ...")
    assert "does not derive from `ShortenerError`" in finding


def test_a_constant_has_to_be_assigned() -> None:
    symbol = Symbol(name="LIMIT", kind=SymbolKind.CONSTANT, signature="LIMIT: int = 10")
    assert check(symbol, "LIMIT: Final[int] = 10") == ()
    assert check(symbol, "try:\n    from os import LIMIT\nexcept ImportError:\n    LIMIT = 3\n") == ()
    assert "never assigned" in check(symbol, "LIMIT: int")[0]
    assert "constant `LIMIT` is missing" in check(symbol, "limit = 10")[0]


def test_routes_and_commands_give_no_finding() -> None:
    symbols = (
        Symbol(name="redirect", kind=SymbolKind.ROUTE, signature="GET /{code}"),
        Symbol(name="run", kind=SymbolKind.COMMAND),
    )
    assert contract_findings(contract(*symbols), b"") == ()
    assert contract_findings(contract(*symbols), None) == ()


def test_an_absent_file_is_one_finding_that_names_its_symbols() -> None:
    (finding,) = contract_findings(contract(LINK, STORE), None)
    assert finding == f"{PATH}: the file does not exist; the contract expects it to define `Link`, `Store`."


def test_a_file_that_does_not_parse_is_one_finding_with_its_line() -> None:
    (finding,) = check(LINK, "x = 1\nclass Link(:\n")
    assert finding.startswith(f"{PATH}:2: the file does not parse")


def test_other_languages_are_only_checked_for_existence() -> None:
    symbol = function("create_link(url: string): Link")
    assert contract_findings(contract(symbol, path="src/store.ts"), b"nothing of it") == ()
    assert contract_findings(contract(symbol, path="src/store.ts"), None)


def test_nothing_of_the_source_is_executed() -> None:
    assert (
        check(
            function("def create_link() -> None"),
            "raise SystemExit(3)\ndef create_link() -> None: return None\n",
        )
        == ()
    )


NAMES = st.sampled_from(["int", "str", "Link", "datetime"])
TYPES = st.recursive(
    NAMES,
    lambda inner: st.one_of(
        inner.map(lambda t: f"list[{t}]"),
        st.tuples(inner, inner).map(lambda t: f"dict[{t[0]}, {t[1]}]"),
        inner.map(lambda t: f"{t} | None"),
    ),
    max_leaves=4,
)


def respell(text: str) -> str:
    """The same type as Python 3.8 would write it, quoted."""
    node = ast.parse(text, mode="eval").body
    return repr(_old(node))


def _old(node: ast.expr) -> str:
    if isinstance(node, ast.BinOp):
        return f"typing.Optional[{_old(node.left)}]"
    if isinstance(node, ast.Subscript):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return f"{ast.unparse(node.value).capitalize()}[{','.join(_old(p) for p in parts)}]"
    return ast.unparse(node)


@given(TYPES)
def test_two_spellings_of_a_type_are_one(text: str) -> None:
    new, old = (normalise(ast.parse(t, mode="eval").body) for t in (text, respell(text)))
    assert new == old


@given(st.lists(st.tuples(TYPES, st.booleans()), min_size=1, max_size=5), TYPES)
def test_a_function_keeps_its_own_signature_and_breaks_it_without_a_parameter(
    parameters: list[tuple[str, bool]], returns: str
) -> None:
    ordered = sorted(parameters, key=lambda p: p[1])
    texts = [f"p{i}: {t}" + (" = 1" if optional else "") for i, (t, optional) in enumerate(ordered)]
    symbol = function(f"def create_link({', '.join(texts)}) -> {returns}")
    assert check(symbol, f"def create_link({', '.join(texts)}) -> {returns}:\n    return 1\n") == ()
    for drop in range(len(texts)):
        fewer = texts[:drop] + texts[drop + 1 :]
        assert check(symbol, f"def create_link({', '.join(fewer)}) -> {returns}:\n    return 1\n")
