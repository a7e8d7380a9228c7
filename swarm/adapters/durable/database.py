"""The run's database file, and how dbos is set up on it: SQLite in WAL, silent, without network."""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dbos import DBOSConfig

from swarm.adapters.durable.store import PlainJson

DATABASE_FILE = "swarm.db"
LOG_FILE = "dbos.log"
APPLICATION = "swarm"

APPLICATION_VERSION = "swarm-1"
"""Raise it when bodies or step names change so that a run begun before cannot be replayed.

Pinned, because dbos would hash the source of the bodies, and one added comment would strand every run.
"""

POLL_SECONDS = 0.1


def connect(path: Path) -> sqlite3.Connection:
    """A connection with the settings that make a step cost 1.6 ms and not 7 (DESIGN section 4).

    A kill loses nothing with synchronous=NORMAL; a power cut may lose the last commits, and those steps run again.
    """
    connection = sqlite3.connect(path, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def configuration(folder: Path, run: str) -> DBOSConfig:
    """Dbos for one process at work on one run."""
    path = folder / DATABASE_FILE
    return {
        "name": APPLICATION,
        "system_database_url": f"sqlite:///{path}",
        # `synchronous` belongs to a connection, so every one has to be made by us.
        "db_engine_kwargs": {"creator": lambda: connect(path)},
        "application_version": APPLICATION_VERSION,
        "executor_id": f"{run}-{os.getpid()}-{secrets.token_hex(4)}",
        "serializer": PlainJson(),
        "notification_listener_polling_interval_sec": POLL_SECONDS,
        "log_level": "WARNING",
        "enable_otlp": False,
        "use_listen_notify": False,
    }


class _QuietFile(logging.FileHandler):
    """A log file that says nothing on the terminal when it can't be written: a full disk is said once, elsewhere."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging names it so
        """Drops the line."""


@contextmanager
def redirected_logging(folder: Path) -> Iterator[None]:
    """Sends dbos's own log to `dbos.log` in the run's folder for as long as the block lasts.

    Without a handler of ours dbos adds one for the terminal; the file is made when there is something to say.
    """
    logger = logging.getLogger("dbos")
    handler = _QuietFile(folder / LOG_FILE, delay=True, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        # Silent from here on: threads that are still ending may have a last word.
        logger.handlers = [logging.NullHandler()]
        # What is still buffered and finds no room is lost, as the lines before it were.
        with suppress(OSError):
            handler.close()
