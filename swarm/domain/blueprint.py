"""The model's part of planning: files, symbols and who uses what (after Co-Coder, arXiv 2606.00953)."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from swarm.domain.base import Value


class SymbolKind(StrEnum):
    """What a contract symbol is."""

    FUNCTION = "function"
    CLASS = "class"
    MODEL = "model"
    ERROR = "error"
    CONSTANT = "constant"
    ROUTE = "route"
    COMMAND = "command"


class Symbol(Value):
    """A name that other files may use.

    `signature` is Python for functions (`def f(a: int) -> str`), the `class` line for classes, models and errors,
    `NAME: type = value` for constants, `GET /path` for routes, the command line for commands.
    `fields` are `name: type [= default]` lines of a model; `methods` full `def` lines of a class;
    `raises` the names of errors; `description` says behaviour that the signature does not.
    """

    name: str
    kind: SymbolKind
    signature: str = ""
    fields: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    raises: tuple[str, ...] = ()
    description: str = ""


class Use(Value):
    """Symbols of another file of the blueprint that a file needs."""

    path: str
    symbols: tuple[str, ...] = ()


class FileState(StrEnum):
    """What happens to a file: made, changed, or only used."""

    NEW = "new"
    CHANGED = "changed"
    EXISTING = "existing"


class FileSpec(Value):
    """One file of the result; `lines` is the expected size, `tests` the test files that belong to it."""

    path: str
    purpose: str
    state: FileState = FileState.NEW
    symbols: tuple[Symbol, ...] = ()
    uses: tuple[Use, ...] = ()
    lines: int = Field(default=60, ge=0, le=20_000)
    tests: tuple[str, ...] = ()


class Blueprint(Value):
    """The whole answer of the planner: `acceptance` are commands that exit 0 on the finished tree."""

    summary: str
    files: tuple[FileSpec, ...]
    acceptance: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    notes: str = ""
