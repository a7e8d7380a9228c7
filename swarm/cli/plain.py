"""Progress without a terminal: one time-stamped line per happening."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from swarm.cli.text import clock, count, describe, duration, money, one_line, tokens

if TYPE_CHECKING:
    from swarm.cli.progress import Progress
    from swarm.domain.events import Event
    from swarm.domain.report import RunRecord

# Each turn ends in tool calls, which say more; model calls are in the turns. `swarm logs` shows all.
_QUIET = frozenset({"model.called", "task.turn"})


def line(event: Event, *, date: bool = False) -> str:
    """An event as a line: time, task (a dash for the run itself), what happened."""
    return f"{clock(event.at, date=date)}  {event.task or '-':<16}  {describe(event)}"


class PlainView:
    """Writes events to a stream as they happen."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def start(self, record: RunRecord, seen: Progress) -> None:
        """Says which run it is, and how far it had come."""
        self.notice(f"run {record.run}: {one_line(record.goal.text, 100)}")
        if seen.last:
            done = sum(1 for t in seen.tasks.values() if t.state in {"done", "merged"})
            used = f"{tokens(seen.usage.tokens)} tokens, {money(seen.usage.usd, used=seen.usage.tokens)}"
            took = duration(seen.seconds(seen.last))
            self.notice(f"so far: {done} of {count(len(seen.tasks), 'task')} done, {used}, {took}")

    def on_event(self, event: Event) -> None:
        """Writes the event's line; each is flushed, so that a pipe shows it at once."""
        if event.kind not in _QUIET:
            self.notice(line(event))

    def notice(self, text: str) -> None:
        """Writes a line of our own."""
        # One write per line: happenings come from several threads and must not interleave.
        self._out.write(text + "\n")
        self._out.flush()

    def stop(self) -> None:
        """Nothing is held."""
