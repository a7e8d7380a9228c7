"""`python -m swarm.cli.schemas [FOLDER] [--check]` writes the JSON Schemas, or says which ones are out of date."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from swarm.cli.session import complain, say
from swarm.config.schemas import files


def write(folder: Path) -> tuple[str, ...]:
    """Writes the schemas that differ; their names."""
    changed = stale(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        (folder / name).write_text(files()[name], encoding="utf-8")
    return changed


def stale(folder: Path) -> tuple[str, ...]:
    """The names of the schemas that are missing in a folder or differ there."""
    return tuple(n for n, text in files().items() if _text(folder / n) != text)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def command(
    folder: Annotated[Path, typer.Argument(help="Where the schemas are.")] = Path("contracts"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when one is out of date.")
    ] = False,
) -> None:
    """Write the JSON Schemas of `contracts/` from the domain."""
    if check:
        old = stale(folder)
        for name in old:
            complain(f"{folder / name} is out of date. Run: make schemas")
        raise typer.Exit(1 if old else 0)
    for name in write(folder):
        say(f"wrote {folder / name}")


if __name__ == "__main__":
    typer.run(command)
