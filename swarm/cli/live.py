"""The live view on a terminal: the DAG of tasks, the phases, merges, checks, score, and what is used of the budget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from swarm.cli.progress import PHASES, Progress, TaskProgress, resumed, step
from swarm.cli.text import REPLAY, duration, money, one_line, tokens

if TYPE_CHECKING:
    from swarm.domain.events import Event
    from swarm.domain.report import RunRecord

REFRESH_PER_SECOND = 4
_FIXED_LINES = 10
_STATE_STYLES = {
    "running": "cyan",
    "gates": "yellow",
    "done": "green",
    "merged": "green",
    "failed": "red",
    "skipped": "magenta",
    "waiting": "dim",
}
_BUSY = frozenset({"running", "gates", "failed"})


class LiveView:
    """Draws a run while it goes on. Events may come from any thread."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.time) -> None:
        self._console, self._clock = console, clock
        self._lock = threading.Lock()
        self._progress = Progress()
        self._record: RunRecord | None = None
        self._notices: tuple[str, ...] = ()
        self._live = Live(
            get_renderable=self._draw,
            console=console,
            refresh_per_second=REFRESH_PER_SECOND,
            transient=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def start(self, record: RunRecord, seen: Progress) -> None:
        """Takes the terminal; `seen` is what earlier sessions of the run left, and the view goes on from there."""
        self._record = record
        self._progress = resumed(seen, self._clock())
        self._live.start()

    def on_event(self, event: Event) -> None:
        """Takes an event in; the next refresh shows it."""
        with self._lock:
            self._progress = step(self._progress, event)

    def notice(self, text: str) -> None:
        """Shows a line of our own under the view."""
        with self._lock:
            self._notices = (*self._notices, text)

    def stop(self) -> None:
        """Gives the terminal back, with the last state left on it."""
        self._live.stop()

    def _draw(self) -> RenderableType:
        with self._lock:
            progress, notices = self._progress, self._notices
        if self._record is None:
            return Text("")
        size = self._console.size
        shown = screen(self._record, progress, width=size.width, height=size.height, now=self._clock())
        return Group(shown, *(Text(n, style="bold yellow") for n in notices))


def screen(record: RunRecord, progress: Progress, *, width: int, height: int, now: float) -> RenderableType:
    """The whole view at one moment, for a terminal of that many columns and lines."""
    goal = one_line(record.goal.text, max(20, width - len(record.run) - 6))
    lines: list[RenderableType] = [
        Text.assemble(
            ("swarm ", "bold"), (record.run, "bold cyan"), f"  {goal}", overflow="ellipsis", no_wrap=True
        ),
        _phases(progress),
    ]
    if progress.estimate or progress.rationale:
        lines.append(Text(one_line(_estimate(progress), width), style="dim"))
    calls = tuple(_waited_for(c, now) for c in progress.under_way)
    if progress.tasks or calls:
        lines.append(_table(progress.tasks, calls, width, max(3, height - _FIXED_LINES)))
    lines.append(_results(progress))
    lines.append(_spending(progress, record, now))
    lines.extend(Text(one_line(n, width), style="yellow") for n in progress.notes)
    return Group(*lines)


def _phases(progress: Progress) -> Text:
    parts: list[tuple[str, str]] = []
    for name in PHASES:
        state = progress.phases.get(name, "")
        mark, style = {"done": ("✓", "green"), "running": ("▸", "bold cyan")}.get(state, ("·", "dim"))
        parts.append((f"{mark} {name}  ", style))
    return Text.assemble(*parts)


def _estimate(progress: Progress) -> str:
    if not progress.strategy:
        return f"planning takes about {tokens(progress.estimate)} tokens"
    cost = f"estimate {tokens(progress.estimate)} tokens; " if progress.estimate else ""
    why = f": {progress.rationale}" if progress.rationale else ""
    return f"{cost}{progress.strategy}{why}"


def _waited_for(call: TaskProgress, now: float) -> TaskProgress:
    elapsed = duration(max(0.0, now - call.at))
    return replace(call, action=f"{elapsed}  {call.action}")


def _results(progress: Progress) -> Text:
    text = Text(f"merges {progress.merges}")
    if progress.conflicts:
        text.append(f" ({progress.conflicts} with conflicts)", style="yellow")
    for name, passed in progress.checks.items():
        text.append(f"  {'✓' if passed else '✗'} {one_line(name, 24)}", style="green" if passed else "red")
    if progress.scores:
        good = progress.scores[-1] >= progress.threshold
        series = " → ".join(str(s) for s in progress.scores)
        text.append(f"  score {series} (needs {progress.threshold})", style="green" if good else "yellow")
    return text


def _spending(progress: Progress, record: RunRecord, now: float) -> Text:
    limits = record.goal.limits
    share = progress.usage.tokens / limits.tokens if limits.tokens else 0.0
    used = f"{tokens(progress.usage.tokens)} of {tokens(limits.tokens)} tokens ({share:.0%})"
    spent = money(progress.usage.usd, used=progress.usage.tokens)
    limit = f" of {money(limits.usd)}" if limits.usd is not None else ""
    recorded = " as recorded, nothing is spent" if record.model.startswith(REPLAY) else ""
    return Text(f"used {used}, {spent}{limit}{recorded}, {duration(progress.seconds(now))}", style="dim")


def _table(tasks: dict[str, TaskProgress], calls: tuple[TaskProgress, ...], width: int, rows: int) -> Table:
    table = Table(box=None, padding=(0, 1), expand=True, pad_edge=False)
    columns = _columns(width)
    for name in columns:
        numeric = name in {"turn", "tokens", "money"}
        ratio = {"task": 2, "last action": 3}.get(name)
        table.add_column(
            name,
            no_wrap=True,
            overflow="ellipsis",
            ratio=ratio,
            justify="right" if numeric else "left",
            header_style="bold",
        )
    depths = depth(tasks)
    shown = _visible(tuple(tasks.values()), max(1, rows - len(calls)))
    for task in (*shown, *calls):
        cells = _cells(task, depths.get(task.id, 0))
        table.add_row(*(Text(cells[c], style=_STATE_STYLES.get(task.state, "")) for c in columns))
    hidden = len(tasks) - len(shown)
    if hidden:
        table.add_row(Text(f"… and {hidden} more", style="dim"))
    return table


def _columns(width: int) -> tuple[str, ...]:
    if width >= 100:
        return ("task", "role", "state", "turn", "last action", "tokens", "money")
    if width >= 72:
        return ("task", "state", "turn", "last action", "tokens")
    return ("task", "state", "last action") if width >= 48 else ("task", "state")


def _cells(task: TaskProgress, level: int) -> dict[str, str]:
    waits = task.state == "waiting" and task.after
    return {
        "task": f"{'  ' * (level - 1)}└ {task.id}" if level else task.id,
        "role": task.role,
        "state": task.state,
        "turn": str(task.turn or ""),
        "last action": one_line(f"after {', '.join(task.after)}" if waits else task.action, 200),
        "tokens": tokens(task.usage.tokens) if task.usage.tokens else "",
        "money": money(task.usage.usd, used=task.usage.tokens) if task.usage.tokens else "",
    }


def _visible(tasks: tuple[TaskProgress, ...], rows: int) -> tuple[TaskProgress, ...]:
    """The tasks that fit: those at work first, then those to come, then those that are done; in plan order."""
    if len(tasks) <= rows:
        return tasks
    rank = {t.id: 0 if t.state in _BUSY else 1 if t.state == "waiting" else 2 for t in tasks}
    kept = {t.id for t in sorted(tasks, key=lambda t: rank[t.id])[: rows - 1]}
    return tuple(t for t in tasks if t.id in kept)


def depth(tasks: dict[str, TaskProgress]) -> dict[str, int]:
    """How many tasks stand before each on its longest chain; what an event left out counts as nothing."""
    depths: dict[str, int] = {}
    for _ in tasks:
        after = {
            n: max((depths.get(d, 0) + 1 for d in t.after if d in tasks), default=0) for n, t in tasks.items()
        }
        if after == depths:
            break
        depths = after
    return depths
