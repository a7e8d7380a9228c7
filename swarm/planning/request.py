"""What the planner is asked: the goal, what is there, and what was wrong with its last answer."""

from __future__ import annotations

from collections.abc import Sequence

from swarm.domain.goal import Brief


def planning_request_text(
    goal_text: str, brief: Brief, *, problems: Sequence[str] = (), previous: str = ""
) -> str:
    """The user message of a planning call; with `problems`, a correction of the `previous` answer is asked for.

    What never changes comes first, so that a correction shares the prompt's prefix with the first request.
    """
    sections = [
        f"# Goal\n\n{goal_text.strip()}",
        _repository(brief),
        "Answer with the blueprint as one JSON object and nothing else.",
    ]
    if problems:
        listed = "\n".join(f"- {p}" for p in problems)
        if previous:
            sections.append(f"# Your previous answer\n\n{previous.strip()}")
        sections.append(
            f"# Problems of that answer\n\n{listed}\n\nMend exactly these, keep the rest, and answer with the whole "
            "blueprint again."
        )
    return "\n\n".join(s for s in sections if s) + "\n"


def _repository(brief: Brief) -> str:
    if brief.empty:
        return "# Repository\n\nIt is empty: every file is new. Choose the layout."
    languages = ", ".join(f"{name} ({lines} lines)" for name, lines in sorted(brief.languages.items()))
    parts = [
        "# Repository",
        "It has code already. Keep its layout and habits; `state` is `changed` for files that exist and change.",
        f"Languages: {languages}." if languages else "",
        f"## Files\n\n```\n{brief.tree.strip()}\n```" if brief.tree.strip() else "",
        f"## Python modules and their symbols\n\n```\n{brief.modules.strip()}\n```"
        if brief.modules.strip()
        else "",
        *(f"## {name}\n\n{text.strip()}" for name, text in sorted(brief.conventions.items())),
    ]
    return "\n\n".join(p for p in parts if p)
