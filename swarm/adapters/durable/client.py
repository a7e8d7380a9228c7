"""What another process can do with a run: send it a message, read what it published, cancel it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
import sqlalchemy.exc
from dbos import DBOSClient, error

from swarm.adapters.durable.database import APPLICATION, DATABASE_FILE, redirected_logging
from swarm.adapters.durable.store import Artifacts, PlainJson
from swarm.domain.errors import OutageFault, UsageFault


def send(folder: Path, run: str, topic: str, text: str) -> None:
    """Sends a message to the workflow of that id (a run, or `<run>.<child>`); its `wait_event` returns the text.

    It waits in the database when nobody works on the run now. UsageFault where there is no such workflow.
    """
    with _client(folder) as client:
        try:
            client.send(run, text, topic)
        except error.DBOSNonExistentWorkflowError as missing:
            raise UsageFault(
                f"The run {run} has not begun, so it takes no messages", where=str(folder)
            ) from missing


def published(folder: Path, run: str, key: str) -> Any:
    """The JSON value that a workflow last published under a key; None when it has not."""
    with _client(folder) as client:
        packed = client.get_event(run, key, timeout_seconds=0)
    return None if packed is None else Artifacts(folder / "artifacts").unpack(packed)


def cancel(folder: Path, run: str) -> None:
    """Ends a run for good, with its children. A process at work on it notices at its next look, 0.1 s later.

    Nothing happens to a run that has ended, or that never began.
    """
    if not (folder / DATABASE_FILE).exists():
        return
    with _client(folder) as client:
        client.cancel_workflow(run, cancel_children=True)


@contextmanager
def _client(folder: Path) -> Iterator[DBOSClient]:
    path = folder / DATABASE_FILE
    if not path.exists():
        raise UsageFault("The run has not begun", where=str(folder))
    url = sqlalchemy.URL.create("sqlite", database=str(path)).render_as_string()
    with redirected_logging(folder):
        client = DBOSClient(system_database_url=url, serializer=PlainJson(), application_name=APPLICATION)
        try:
            yield client
        except sqlalchemy.exc.DBAPIError as failure:
            raise OutageFault(f"The run's database failed: {failure.orig}", where=str(folder)) from failure
        finally:
            client.destroy()
