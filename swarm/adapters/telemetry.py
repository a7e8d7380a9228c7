"""What happened, on disk and to whoever listens: the event log, the technical log, and following either."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import structlog
from pydantic import ValidationError

from swarm.domain.events import Event
from swarm.domain.redaction import Redactor
from swarm.domain.storage import storage_fault

Listener = Callable[[Event], None]

FOLLOW_SECONDS = 0.2


class EventLog:
    """Implements ports.Events: appends each event as one line of JSON, then tells the listeners.

    Secrets are taken out before anything is written or told. Listeners are called on the thread that publishes, one
    event at a time, in the order of the file; a listener that raises is logged and goes on hearing. OutageFault when
    the file cannot be written.
    """

    def __init__(
        self, path: Path, listeners: Sequence[Listener] = (), *, redactor: Redactor | None = None
    ) -> None:
        self._path = path
        self._listeners = tuple(listeners)
        self._redactor = redactor or Redactor()
        # Re-entrant: a listener may publish.
        self._lock = threading.RLock()
        self._torn = _is_torn(path)

    def publish(self, event: Event) -> None:
        """Records one event; never raises for a listener's fault."""
        clean = Event.model_validate(self._redactor.value(event.model_dump(mode="json")))
        with self._lock:
            self._append(clean.model_dump_json().encode() + b"\n")
            for listener in self._listeners:
                self._tell(listener, clean)

    def _append(self, line: bytes) -> None:
        # A line that a kill tore would swallow the next one.
        text = b"\n" + line if self._torn else line
        try:
            with self._path.open("ab", buffering=0) as file:
                file.write(text)
        except OSError as error:
            self._torn = True
            free = shutil.disk_usage(self._path.parent).free if self._path.parent.is_dir() else -1
            raise storage_fault(error, folder=str(self._path.parent), free=free) from error
        self._torn = False

    def _tell(self, listener: Listener, event: Event) -> None:
        try:
            listener(event)
        except Exception:  # a view that breaks must not break the run; the log keeps its traceback
            logging.getLogger(__name__).exception("a listener failed on %s", event.kind)


def follow(path: Path, *, until: Callable[[], bool], poll: float = FOLLOW_SECONDS) -> Iterator[Event]:
    """The events of a log from its start, and then as they come, until `until()` is true and all were given.

    The file may not exist yet. Lines that are no events (torn by a kill) are left out. Blocks between polls.
    """
    place, rest = 0, b""
    while True:
        last = until()
        data = _read_from(path, place)
        place += len(data)
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            event = _event(line)
            if event is not None:
                yield event
        if last and not data:
            return
        if not data:
            time.sleep(poll)


def configure_logging(
    path: Path, level: str = "info", *, redactor: Redactor | None = None
) -> Callable[[], None]:
    """Sends structlog's and the standard library's logs to a file as lines of JSON; the returned call undoes it.

    Nothing reaches the terminal. `level` is one of debug, info, warning, error. Exceptions come with tracebacks.
    """
    redact = redactor or Redactor()

    def clean(_logger: object, _name: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {key: redact.value(value) for key, value in entry.items()}

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        clean,
        structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
    ]
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise storage_fault(error, folder=str(path.parent), free=-1) from error
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=render))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return _installed(handler, level)


def _installed(handler: logging.Handler, level: str) -> Callable[[], None]:
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level.upper())

    def undo() -> None:
        root.removeHandler(handler)
        root.setLevel(before)
        handler.close()
        structlog.reset_defaults()

    return undo


def _is_torn(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.seek(0, 2) > 0 and file.seek(-1, 2) >= 0 and file.read(1) != b"\n"
    except FileNotFoundError:
        return False
    except OSError as error:
        raise storage_fault(error, folder=str(path.parent), free=-1) from error


def _read_from(path: Path, place: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(place)
            return file.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise storage_fault(error, folder=str(path.parent), free=-1) from error


def _event(line: bytes) -> Event | None:
    try:
        return Event.model_validate_json(line)
    except ValidationError:
        return None
