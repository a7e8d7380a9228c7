"""What a task's author reads: what to build in each file, which tests to write, and who works beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from swarm.domain.blueprint import FileSpec, FileState, Symbol, Use
from swarm.planning.cuts import Piece
from swarm.planning.graph import ModuleTest, WorkGraph
from swarm.planning.paths import is_python
from swarm.planning.stubs import shown_signature

_STATES = {
    FileState.NEW: "new",
    FileState.CHANGED: "exists: change it",
}
_TITLE = 80


def title_of(piece: Piece, specs: Mapping[str, FileSpec]) -> str:
    """A title for people: what the largest file is for."""
    if piece.kind == "tests":
        return "Tests across modules"
    largest = max(sorted(piece.files), key=lambda p: (is_python(p), specs[p].lines))
    purpose = " ".join(specs[largest].purpose.split()).rstrip(".")
    more = len(piece.files) - 1
    first = purpose or largest
    end = f" (and {more} more file{'s' if more > 1 else ''})" if more else ""
    return shortened(first) + end


def shortened(text: str) -> str:
    """A title's text, cut where it is too long."""
    return text if len(text) <= _TITLE else f"{text[: _TITLE - 1]}…"


def describe(
    piece: Piece, graph: WorkGraph, providers: Mapping[str, str], hard: Sequence[str], soft: Sequence[str]
) -> str:
    """The description of a task in Markdown. `providers` maps a contract's path to its task or the scaffold."""
    tests = {t.path: t for t in graph.tests if t.path in piece.tests}
    own = set(piece.files)
    sections = [_file_section(graph.specs[p], graph, own, providers) for p in piece.files]
    if tests:
        sections.append(_test_section([tests[p] for p in piece.tests], graph, piece, providers))
    if beside := _beside(piece, hard, soft):
        sections.append(beside)
    return "\n\n".join(sections)


def _file_section(spec: FileSpec, graph: WorkGraph, own: set[str], providers: Mapping[str, str]) -> str:
    state = _STATES.get(spec.state, spec.state.value)
    if spec.state is FileState.NEW and spec.path in providers:
        state = "new, replaces the stub that stands there"
    lines = [f"## {spec.path} ({state}, about {graph.lines(spec.path)} lines of code)"]
    if spec.purpose.strip():
        lines.append(spec.purpose.strip())
    if spec.symbols:
        lines += ["", "Symbols:", *(_symbol(s, spec.path) for s in spec.symbols)]
    if spec.uses:
        lines += ["", "Uses:", *(_use(u, own, providers, graph) for u in spec.uses)]
    return "\n".join(lines)


def _symbol(symbol: Symbol, path: str) -> str:
    shown = shown_signature(symbol.signature) if is_python(path) else symbol.signature
    shown = " ".join(shown.split()) or symbol.name
    named = shown if symbol.name in shown else f"{symbol.name} {shown}"
    lines = [f"- {symbol.kind.value} `{named}`"]
    if symbol.description.strip():
        lines[0] += f": {' '.join(symbol.description.split())}"
    if symbol.raises:
        lines.append(f"  - raises {', '.join(f'`{r}`' for r in symbol.raises)}")
    lines += [f"  - `{' '.join(text.split())}`" for text in (*symbol.fields, *symbol.methods)]
    return "\n".join(lines)


def _use(use: Use, own: set[str], providers: Mapping[str, str], graph: WorkGraph) -> str:
    names = f": {', '.join(f'`{n}`' for n in use.symbols)}" if use.symbols else ""
    return f"- `{use.path}` ({_whose(use.path, own, providers, graph)}){names}"


def _whose(path: str, own: set[str], providers: Mapping[str, str], graph: WorkGraph) -> str:
    if path in own:
        return "yours"
    if path in graph.shared or path in graph.rendered:
        return "there already" if providers else "yours"
    spec = graph.specs.get(path)
    if spec is None or spec.state is FileState.EXISTING:
        return "there already"
    return f"by task {providers[path]}" if path in providers else "by another task"


def _test_section(
    tests: Sequence[ModuleTest], graph: WorkGraph, piece: Piece, providers: Mapping[str, str]
) -> str:
    lines = ["## Tests to write"]
    for test in tests:
        spec = graph.specs.get(test.path)
        subject = test.home or ", ".join(test.uses) or "the modules together"
        purpose = (
            " ".join(spec.purpose.split()) if spec and spec.purpose.strip() else f"behaviour of {subject}"
        )
        lines.append(f"- `{test.path}`: {purpose}")
        if spec and piece.kind == "tests":
            lines += [f"  {_use(u, set(), providers, graph)}" for u in spec.uses]
    lines.append(
        "Cover the normal case, the edges and every error that the symbols name. No network beyond 127.0.0.1; "
        "wait for conditions, not for times."
    )
    return "\n".join(lines)


def _beside(piece: Piece, hard: Sequence[str], soft: Sequence[str]) -> str:
    lines = []
    if hard:
        lines.append(f"Merged before you start, so the real code is there: {', '.join(hard)}.")
    if soft:
        lines.append(
            f"Written by others while you work: {', '.join(soft)}. Where only stubs stand (they raise "
            "NotImplementedError), write against the contract."
        )
        if piece.kind == "tests":
            lines.append(
                "Your tests are run against the real code once it is merged; until then they must collect and be "
                "right by the contract. Don't test the stubs."
            )
        else:
            lines.append(
                "Test your files without their code: hand in small fakes that keep the contract. Your branch is "
                "merged after theirs."
            )
    return "\n".join(["## Work beside yours", *lines]) if lines else ""
