"""The base of every value that is stored or exchanged."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value. Unknown fields are errors, so that a typo in a hand-edited plan is named and not lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(Value):
    """The result of a step that is done for its effect."""
