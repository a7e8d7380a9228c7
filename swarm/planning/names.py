"""Where a bare name in a signature comes from: a builtin, the standard library, or nowhere that we know."""

from __future__ import annotations

import builtins
import re
import sys
from dataclasses import dataclass

_TABLE = {
    "abc": "ABC abstractmethod",
    "argparse": "ArgumentParser",
    "collections": "ChainMap Counter OrderedDict defaultdict deque",
    "collections.abc": (
        "AsyncGenerator AsyncIterable AsyncIterator Awaitable Callable Collection Container Coroutine Generator "
        "Hashable ItemsView Iterable Iterator KeysView Mapping MutableMapping MutableSequence MutableSet Reversible "
        "Sequence Sized ValuesView"
    ),
    "concurrent.futures": "Executor Future ProcessPoolExecutor ThreadPoolExecutor",
    "contextlib": (
        "AbstractAsyncContextManager AbstractContextManager AsyncExitStack ExitStack asynccontextmanager closing "
        "contextmanager suppress"
    ),
    "dataclasses": "InitVar asdict dataclass field fields replace",
    "datetime": "UTC date datetime time timedelta timezone tzinfo",
    "decimal": "Decimal",
    "email.message": "EmailMessage",
    "enum": "Enum Flag IntEnum IntFlag StrEnum auto unique",
    "fractions": "Fraction",
    "functools": "cached_property lru_cache partial singledispatch total_ordering wraps",
    "http": "HTTPMethod HTTPStatus",
    "http.cookies": "SimpleCookie",
    "http.server": "BaseHTTPRequestHandler HTTPServer SimpleHTTPRequestHandler ThreadingHTTPServer",
    "io": "BytesIO StringIO",
    "ipaddress": "IPv4Address IPv4Network IPv6Address IPv6Network",
    "logging": "Logger",
    "os": "PathLike",
    "pathlib": "Path PurePath PurePosixPath",
    "queue": "PriorityQueue Queue SimpleQueue",
    "random": "Random",
    "re": "Match Pattern",
    "socketserver": "BaseRequestHandler StreamRequestHandler TCPServer ThreadingMixIn",
    "sqlite3": "Connection Cursor Row",
    "string": "Template",
    "subprocess": "CompletedProcess Popen",
    "tempfile": "TemporaryDirectory",
    "threading": "Condition Event Lock RLock Semaphore Thread",
    "types": "MappingProxyType ModuleType SimpleNamespace TracebackType",
    "typing": (
        "Annotated Any AnyStr BinaryIO ClassVar Concatenate Final Generic IO Literal LiteralString NamedTuple Never "
        "NewType NoReturn NotRequired Optional ParamSpec Protocol Required Self SupportsFloat SupportsIndex "
        "SupportsInt TextIO Text Type TypeAlias TypeGuard TypeVar TypedDict Union Unpack cast final overload override "
        "runtime_checkable Dict FrozenSet List Set Tuple DefaultDict Deque"
    ),
    "unittest": "TestCase",
    "urllib.parse": "ParseResult SplitResult",
    "uuid": "UUID uuid4",
    "wsgiref.types": "StartResponse WSGIApplication WSGIEnvironment",
    "zoneinfo": "ZoneInfo",
}
_TWELVE = frozenset({"override"})  # in typing only since Python 3.12, which the sandboxes don't have
HOMES = {name: module for module, names in _TABLE.items() for name in names.split() if name not in _TWELVE}
BUILTINS = frozenset(dir(builtins))
_TYPE_VARIABLE = re.compile(r"^_?[A-Z]$")
_SUBMODULES = frozenset(
    {
        "asyncio.subprocess", "collections.abc", "concurrent.futures", "email.message", "email.policy",
        "http.client", "http.cookies", "http.server", "importlib.abc", "importlib.resources", "json.decoder",
        "logging.handlers", "multiprocessing.pool", "os.path", "unittest.mock", "urllib.error", "urllib.parse",
        "urllib.request", "wsgiref.simple_server", "wsgiref.types", "xml.etree", "xml.etree.ElementTree",
    }
)  # fmt: skip
_CLASS_ATTRIBUTES = {
    "datetime": frozenset({"datetime", "date", "timedelta", "time", "timezone", "tzinfo", "UTC"})
}


@dataclass(frozen=True)
class Import:
    """One import: `from module import name`, or `import module` where `name` is empty."""

    module: str
    name: str = ""

    def __str__(self) -> str:
        return f"from {self.module} import {self.name}" if self.name else f"import {self.module}"

    @property
    def standard(self) -> bool:
        """Whether it comes with Python."""
        return is_standard(self.module)


def is_standard(module: str) -> bool:
    """Whether a dotted module belongs to the standard library."""
    return module.split(".", maxsplit=1)[0] in sys.stdlib_module_names


def is_type_variable(name: str) -> bool:
    """Whether the name is one that type variables have by habit: `T`, `_K`."""
    return bool(_TYPE_VARIABLE.match(name))


def root(chain: str) -> str:
    """The first name of a dotted one."""
    return chain.split(".", 1)[0]


def well_known(chain: str) -> Import | None:
    """The import that makes a dotted name of the standard library usable; None for any other."""
    first, _, rest = chain.partition(".")
    if first in _CLASS_ATTRIBUTES:
        as_module = rest.split(".")[0] in _CLASS_ATTRIBUTES[first]
        return Import(first) if as_module else Import(HOMES[first], first)
    if rest and first in sys.stdlib_module_names:
        return Import(_longest_module(chain))
    if first in HOMES:
        return Import(HOMES[first], first)
    return None


def foreign(chain: str) -> Import | None:
    """The import of a name written with a module that is not of the standard library: `pydantic.BaseModel`."""
    module, _, _ = chain.rpartition(".")
    return Import(module) if module and module.replace(".", "").replace("_", "").islower() else None


def _longest_module(chain: str) -> str:
    parts = chain.split(".")
    for size in range(len(parts), 1, -1):
        if ".".join(parts[:size]) in _SUBMODULES:
            return ".".join(parts[:size])
    return parts[0]
