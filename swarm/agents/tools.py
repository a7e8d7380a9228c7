"""The tools as a model sees them. They run in the agent's container; `finish` ends the loop on the host."""

from __future__ import annotations

from typing import Any

from swarm.domain.conversation import ToolSpec

FINISH = "finish"


def _tool(
    name: str, description: str, required: dict[str, str], optional: dict[str, tuple[str, str]] | None = None
) -> ToolSpec:
    """`required` maps a string argument to its meaning, `optional` one to its JSON type and meaning."""
    properties: dict[str, Any] = {
        key: {"type": "string", "description": text} for key, text in required.items()
    }
    for key, (kind, text) in (optional or {}).items():
        properties[key] = {"type": kind, "description": text}
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
    return ToolSpec(name=name, description=description, parameters=schema)


TOOLS: tuple[ToolSpec, ...] = (
    _tool(
        "read_file",
        "Read a text file of the work tree, with line numbers.",
        {"path": "Path relative to the repository root."},
        {"start_line": ("integer", "First line, from 1."), "end_line": ("integer", "Last line, included.")},
    ),
    _tool(
        "write_file",
        "Create a file or replace the whole of it. Folders are made as needed.",
        {"path": "Path relative to the repository root.", "content": "The whole new content."},
    ),
    _tool(
        "edit_file",
        "Replace one exact passage of a file. `old_text` must occur exactly once; include enough lines around it.",
        {
            "path": "Path relative to the repository root.",
            "old_text": "The passage as it stands, without line numbers.",
            "new_text": "What replaces it.",
        },
    ),
    _tool(
        "list_files",
        "List files, ignored ones left out.",
        {},
        {"path": ("string", "Folder; the root if left out."), "pattern": ("string", "Glob such as *.py.")},
    ),
    _tool(
        "search",
        "Search file contents with a regular expression (ripgrep).",
        {"pattern": "Regular expression."},
        {
            "path": ("string", "File or folder to search."),
            "glob": ("string", "Only files that match, such as *.py."),
            "max_results": ("integer", "At most so many lines."),
        },
    ),
    _tool(
        "run",
        "Run a shell command (bash) at the repository root, without network. Processes it leaves behind are stopped "
        "when it ends. Exit code and output come back.",
        {"command": "The command."},
        {"timeout": ("integer", "Seconds until it is stopped; 120 if left out.")},
    ),
    _tool(
        FINISH,
        "Say that the task is done. The work is then checked in a fresh sandbox; failures come back to you.",
        {"report": "What was built, decisions taken, open points: a few lines."},
    ),
)
TOOL_NAMES = frozenset(tool.name for tool in TOOLS)
