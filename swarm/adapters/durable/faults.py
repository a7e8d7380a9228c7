"""What happens to a run whose step or body raised: it stops, says why, and nothing is recorded."""

from __future__ import annotations

import shutil
import sqlite3
import traceback
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy.exc

from swarm.adapters.durable.gate import StopGate
from swarm.adapters.durable.store import Unrecordable
from swarm.domain.errors import (
    EnvironmentFault,
    InternalFault,
    OutageFault,
    StopFault,
    SwarmError,
    UsageFault,
)
from swarm.domain.redaction import Redactor
from swarm.domain.storage import disk_full, storage_fault

INTERNAL_ERROR_FILE = "internal-error.txt"


class Faults:
    """Turns exceptions into the reason of the gate, and keeps the traceback of those that are bugs."""

    def __init__(self, folder: Path, gate: StopGate) -> None:
        self._folder = folder
        self._gate = gate

    def stop(self, error: Exception, where: str) -> None:
        """Stops the run because of an exception at `where` (workflow and step)."""
        while isinstance(error, Unrecordable) and isinstance(error.error, Exception):
            error = error.error
        fault = self._translated(error, where)
        if isinstance(fault, InternalFault):
            self._keep(error, where)
        self._gate.stop(fault)

    def _translated(self, error: Exception, where: str) -> SwarmError:
        if isinstance(error, StopFault | InternalFault):
            return error
        fault: SwarmError
        if isinstance(error, UsageFault | EnvironmentFault):
            # What would be bad input before a run is an outage in the middle of one: mend it and resume.
            fault = OutageFault(error.what, where=error.where or where, remedy=error.remedy)
        elif isinstance(error, OSError) and disk_full(error):
            fault = storage_fault(error, folder=str(self._folder), free=_free(self._folder))
        elif isinstance(error, sqlalchemy.exc.DBAPIError | sqlite3.Error):
            fault = OutageFault(
                f"The run's database failed: {getattr(error, 'orig', None) or error}",
                where=str(self._folder),
                remedy="Make sure that the disk works and has space, then `swarm resume`.",
            )
        else:
            fault = InternalFault(
                f"{type(error).__name__}: {error}",
                where=where,
                remedy=f"The traceback is in {self._folder / INTERNAL_ERROR_FILE}.",
            )
        fault.__cause__ = error
        return fault

    def _keep(self, error: Exception, where: str) -> None:
        """Appends the traceback; where even that fails, the fault itself still says what happened."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        text = f"{at} {where}\n{''.join(traceback.format_exception(error))}\n"
        try:
            with (self._folder / INTERNAL_ERROR_FILE).open("a", encoding="utf-8") as file:
                file.write(Redactor().clean(text))
        except OSError as failed:
            error.add_note(f"The traceback could not be kept: {failed}")


def _free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return -1
