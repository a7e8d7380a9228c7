"""How values lie in the database: plain JSON with a version, and by reference where they are large."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from dbos import Serializer

from swarm.domain.errors import InternalFault
from swarm.domain.storage import storage_fault

INLINE_BYTES = 900_000
"""The largest JSON text kept in the database itself; DESIGN section 4."""

SCHEMA_VERSION = 1


class Unrecordable(TypeError):
    """Raised in place of recording `error`. dbos also tries to record why a recording failed, so it may be nested."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"errors are not recorded: {error}")
        self.error = error


class PlainJson(Serializer):
    """Writes JSON, never pickles, and refuses exceptions: dbos then leaves a failed step unrecorded.

    A recorded error would come back at every resume; here a failure parks the run instead, and the step runs again.
    """

    def serialize(self, data: Any) -> str:
        """The JSON text of a value; Unrecordable for an exception, TypeError for anything else that is no JSON."""
        if isinstance(data, BaseException):
            raise Unrecordable(data)
        return json.dumps(data, ensure_ascii=False)

    def deserialize(self, serialized_data: str) -> Any:
        """The value of a JSON text."""
        return json.loads(serialized_data)

    def name(self) -> str:
        """The format's name, which dbos keeps with each row."""
        return "swarm_json"


class Artifacts:
    """Packs values for the database: small ones inline, large ones as a file `artifacts/<sha256>`.

    Raises OutageFault when a file cannot be written, InternalFault when a referenced one is gone or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def pack(self, value: object) -> dict[str, Any]:
        """What to record for a JSON value. Blocks on the disk when the value is large."""
        text = json.dumps(value, ensure_ascii=False).encode()
        if len(text) <= INLINE_BYTES:
            return {"schema_version": SCHEMA_VERSION, "value": value}
        return {"schema_version": SCHEMA_VERSION, "artifact": self._write(text)}

    def unpack(self, packed: Any) -> Any:
        """The JSON value of a record."""
        if not isinstance(packed, dict) or packed.get("schema_version") != SCHEMA_VERSION:
            raise InternalFault(
                "A record of the run's database is of another version", where=str(self._folder.parent)
            )
        if "artifact" not in packed:
            return packed["value"]
        return json.loads(self._read(packed["artifact"]))

    def _write(self, text: bytes) -> str:
        sha = hashlib.sha256(text).hexdigest()
        path = self._folder / sha
        try:
            if not path.exists():
                self._folder.mkdir(parents=True, exist_ok=True)
                # The process id keeps two writers of the same content apart; the rename makes either the winner.
                draft = self._folder / f".{sha}.{os.getpid()}.{os.urandom(4).hex()}"
                _write_durably(draft, text)
                draft.rename(path)
        except OSError as error:
            free = shutil.disk_usage(self._folder.parent).free
            raise storage_fault(error, folder=str(self._folder), free=free) from error
        return sha

    def _read(self, sha: str) -> bytes:
        path = self._folder / sha
        try:
            text = path.read_bytes()
        except FileNotFoundError as error:
            raise InternalFault("A large result is missing from the run's folder", where=str(path)) from error
        if hashlib.sha256(text).hexdigest() != sha:
            raise InternalFault("A large result in the run's folder is damaged", where=str(path))
        return text


def _write_durably(path: Path, text: bytes) -> None:
    with path.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
