"""The pieces of a cut become tasks with owned paths, contracts and dependencies."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from shlex import quote

from swarm.domain.blueprint import Blueprint, FileSpec
from swarm.domain.ids import slug
from swarm.domain.plan import Contract, Role, Task
from swarm.planning.cuts import Piece
from swarm.planning.describe import describe, shortened, title_of
from swarm.planning.graph import WorkGraph
from swarm.planning.paths import SOURCE_ROOTS, is_javascript, is_python, is_test, stem
from swarm.planning.scaffold import SCAFFOLD
from swarm.planning.symbols import crossing

EVERYTHING = "./"
"""The owned prefix of a solo task."""
RESERVED = frozenset({SCAFFOLD, "plan", "judge", "integrator", "fixer", "solo"})


class Assembly:
    """Tasks and contracts of one cut."""

    def __init__(self, graph: WorkGraph, pieces: Sequence[Piece], existing: Collection[str]) -> None:
        self._graph = graph
        self._pieces = pieces
        self._existing = existing

    def tasks(self) -> tuple[Task, ...]:
        """The tasks, those that others wait for first."""
        return tuple(self._task(i) for i in self._order())

    def contracts(self) -> tuple[Contract, ...]:
        """Exactly the symbols that cross parts, one contract a file, sorted by path."""
        return tuple(self._contracts[path] for path in sorted(self._contracts))

    @cached_property
    def _names(self) -> tuple[str, ...]:
        taken: set[str] = set(RESERVED)
        found: list[str] = []
        for piece in self._pieces:
            name = _free(_candidates(piece, self._graph.specs), taken)
            taken.add(name)
            found.append(name)
        return tuple(found)

    @cached_property
    def _owner(self) -> dict[str, int]:
        return {path: i for i, piece in enumerate(self._pieces) for path in (*piece.files, *piece.tests)}

    @cached_property
    def _contracts(self) -> dict[str, Contract]:
        specs = self._graph.specs
        wanted = {pair for i in range(len(self._pieces)) for pair in self._wanted(i)}
        wanted |= {pair for path in self._graph.shared for pair in _pairs(specs[path], specs)}
        wanted |= {(path, s.name) for path in self._graph.rendered for s in specs[path].symbols}
        taken: set[str] = set()
        found = {}
        for path, names in crossing(specs, wanted).items():
            if not self._is_promised(path):
                continue
            found[path] = Contract(
                id=_contract_id(path, taken),
                path=path,
                provider=self._names[self._owner[path]] if path in self._owner else SCAFFOLD,
                purpose=specs[path].purpose,
                symbols=tuple(s for s in specs[path].symbols if s.name in names),
            )
            taken.add(found[path].id)
        return found

    def _is_promised(self, path: str) -> bool:
        """Whether somebody provides the file in this run: existing and shared files stand there already."""
        made = path in self._owner or path in self._graph.rendered
        return made and not is_test(path)

    def _wanted(self, index: int) -> set[tuple[str, str]]:
        """What a piece uses of files that are not its own."""
        piece, specs = self._pieces[index], self._graph.specs
        found: set[tuple[str, str]] = set()
        for path in (*piece.files, *piece.tests):
            if path in specs:
                found |= {pair for pair in _pairs(specs[path], specs) if self._owner.get(pair[0]) != index}
        for test in self._graph.tests:
            if test.path in piece.tests and self._owner.get(test.home, index) != index:
                found |= {(test.home, s.name) for s in specs[test.home].symbols}
        return found

    def _consumed(self, index: int) -> list[Contract]:
        paths = crossing(self._graph.specs, self._wanted(index))
        return [self._contracts[p] for p in paths if p in self._contracts and self._owner.get(p) != index]

    def _order(self) -> list[int]:
        """The pieces, each after those that it depends on."""
        done: list[int] = []
        while len(done) < len(self._pieces):
            free = [
                i
                for i, p in enumerate(self._pieces)
                if i not in done and (p.hard | p.soft | self._sources(i)) - {i} <= set(done)
            ]
            done.append(min(free, key=lambda i: (self._pieces[i].kind != "core", i)))
        return done

    def _sources(self, index: int) -> set[int]:
        return {self._owner[c.path] for c in self._consumed(index) if c.path in self._owner}

    def _task(self, index: int) -> Task:
        piece = self._pieces[index]
        hard = sorted(self._names[i] for i in piece.hard)
        soft = sorted({self._names[i] for i in piece.soft | self._sources(index)} - set(hard))
        name = self._names[index]
        return Task(
            id=name,
            role=Role.TEST_WRITER if piece.kind == "tests" else Role.CODER,
            title=title_of(piece, self._graph.specs),
            description=describe(
                piece, self._graph, {p: c.provider for p, c in self._contracts.items()}, hard, soft
            ),
            depends_on=tuple(hard),
            soft_depends_on=tuple(soft),
            owns=tuple(sorted((*piece.files, *piece.tests))),
            provides=tuple(c.id for p, c in sorted(self._contracts.items()) if self._owner.get(p) == index),
            consumes=tuple(sorted(c.id for c in self._consumed(index))),
            size=piece.lines,
            tests=run_commands(piece.tests, self._graph.specs, self._existing),
        )


def solo_task(graph: WorkGraph, blueprint: Blueprint, existing: Collection[str]) -> Task:
    """The one task of a solo plan: it owns everything."""
    files = (*graph.work, *graph.rendered, *graph.shared)
    tests = tuple(t.path for t in graph.tests)
    lines = sum(graph.lines(p) for p in files) + sum(t.lines for t in graph.tests)
    whole = Piece("core", tuple(sorted(files)), tests, lines, 0, frozenset(), frozenset())
    return Task(
        id="solo",
        role=Role.SOLO,
        title=shortened(" ".join(blueprint.summary.split())) or "The whole goal",
        description=describe(whole, graph, {}, [], []),
        owns=(EVERYTHING,),
        size=lines,
        tests=run_commands(tests, graph.specs, existing),
    )


def _pairs(spec: FileSpec, specs: Mapping[str, FileSpec]) -> set[tuple[str, str]]:
    """The (path, symbol) pairs that a file uses; every symbol of a file where it names none."""
    return {
        (use.path, name)
        for use in spec.uses
        if use.path in specs
        for name in (use.symbols or tuple(s.name for s in specs[use.path].symbols))
    }


def _candidates(piece: Piece, specs: Mapping[str, FileSpec]) -> list[str]:
    """Names for a task, the best first: after its largest module, with its folder where that is taken."""
    if piece.kind == "wiring":
        return ["wiring"]
    if piece.kind == "tests":
        return ["tests", "cross-tests"]
    main = main_file(piece, specs)
    parts = (
        main.rsplit(".", 1)[0].split("/") if "." in main.rsplit("/", 1)[-1].lstrip(".") else main.split("/")
    )
    names = [slug(stem(main), limit=30), slug("-".join(parts[-2:]), limit=40), slug(main, limit=40)]
    return [n for n in names if n] or ["part"]


def main_file(piece: Piece, specs: Mapping[str, FileSpec]) -> str:
    """The largest file of a piece, Python before others."""
    return min(piece.files, key=lambda p: (not is_python(p), -specs[p].lines, p))


def _free(candidates: Sequence[str], taken: Collection[str]) -> str:
    for name in candidates:
        if name not in taken:
            return name
    number = 2
    while f"{candidates[0]}-{number}" in taken:
        number += 1
    return f"{candidates[0]}-{number}"


def _contract_id(path: str, taken: Collection[str]) -> str:
    """The slug of a path; of a long one the end, which says more than the beginning."""
    whole = slug(path.removesuffix(".py"), limit=400)
    return _free(
        [whole[-40:].strip("-") or "contract", slug(path, limit=400)[-40:].strip("-") or "file"], taken
    )


def run_commands(
    tests: Sequence[str], specs: Mapping[str, FileSpec], existing: Collection[str]
) -> tuple[str, ...]:
    """The commands that run these test files."""
    python = sorted(t for t in tests if is_python(t) and is_test(t))
    script = sorted(t for t in tests if is_javascript(t) and is_test(t))
    commands = []
    if python:
        root = _source_root(specs)
        prefix = f"PYTHONPATH={root} " if root else ""
        commands.append(f"{prefix}python -m pytest -q {' '.join(map(quote, python))}")
    if script:
        manifest = any(p.rsplit("/", 1)[-1] == "package.json" for p in (*specs, *existing))
        commands.append("npm test" if manifest else f"node --test {' '.join(map(quote, script))}")
    return tuple(commands)


def _source_root(specs: Mapping[str, FileSpec]) -> str:
    """The folder that imports start from, where it isn't the repository itself."""
    roots = {p.split("/", 1)[0] for p in specs if is_python(p) and "/" in p}
    return next(iter(sorted(roots & SOURCE_ROOTS)), "")
