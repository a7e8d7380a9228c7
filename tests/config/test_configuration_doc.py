from __future__ import annotations

from pathlib import Path

from swarm.config.reference import configuration_markdown
from swarm.config.settings import Settings

DOC = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_committed_document_is_current() -> None:
    hint = "write it anew: python -m swarm.config.reference docs/configuration.md"
    assert DOC.read_text() == configuration_markdown(), hint


def test_every_setting_has_help_and_a_row() -> None:
    text = configuration_markdown()
    assert [
        name for name, f in Settings.model_fields.items() if not f.description or f"| `{name}` |" not in text
    ] == []
