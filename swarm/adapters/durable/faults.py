"""What happens to a run whose step or body raised: it stops, says why, and nothing is recorded."""

from __future__ import annotations

import sqlite3
import traceback
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy.exc

from swarm.adapters.durable.gate import StopGate
from swarm.domain.errors import InternalFault, OutageFault, StopFault, SwarmError
from swarm.domain.redaction import Redactor

INTERNAL_ERROR_FILE = "internal-error.txt"


class Faults:
    """Turns exceptions into the reason of the gate, and keeps the traceback of those that are bugs."""

    def __init__(self, folder: Path, gate: StopGate) -> None:
        self._folder = folder
        self._gate = gate

    def stop(self, error: Exception, where: str) -> None:
        """Stops the run because of an exception at `where` (workflow and step)."""
        fault = self._translated(error, where)
        if isinstance(fault, InternalFault):
            self._keep(error, where)
        self._gate.stop(fault)

    def _translated(self, error: Exception, where: str) -> SwarmError:
        if isinstance(error, StopFault | InternalFault):
            return error
        if isinstance(error, sqlalchemy.exc.DBAPIError | sqlite3.Error):
            fault: SwarmError = OutageFault(
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
                file.write(Redactor().text(text))
        except OSError as failed:
            error.add_note(f"The traceback could not be kept: {failed}")
