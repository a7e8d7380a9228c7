"""The files that are shipped but are no Python: prompts, schemas, sandbox definitions, recordings.

In a wheel they stand in `swarm/_assets/`, in a checkout at the top of the repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from swarm.config.toml import first_problem
from swarm.domain.base import Value
from swarm.domain.errors import EnvironmentFault, UsageFault
from swarm.domain.ids import slug

_PACKAGE = Path(__file__).resolve().parent.parent
ROOTS = (_PACKAGE / "_assets", _PACKAGE.parent)

_FENCE = "---"


class Skill(Value):
    """A role's prompt, in the Agent Skills format; `text` is what stands below the front matter."""

    name: str
    description: str
    text: str


class _FrontMatter(Value):
    name: str
    description: str = ""


def asset_folder(kind: str, *, roots: Sequence[Path] = ROOTS) -> Path:
    """The folder `skills`, `contracts`, `sandboxes` or `examples`; EnvironmentFault names where it was sought."""
    for root in roots:
        if (root / kind).is_dir():
            return root / kind
    raise _missing(f"The shipped folder {kind!r} is missing", [root / kind for root in roots])


def assets_root(*, roots: Sequence[Path] = ROOTS) -> Path:
    """The folder that holds `sandboxes/`; EnvironmentFault names where it was sought."""
    return asset_folder("sandboxes", roots=roots).parent


def asset(kind: str, name: str, *, roots: Sequence[Path] = ROOTS) -> Path:
    """A file or folder within a shipped folder, whatever the hyphens, underscores and capitals of its name.

    A file is found by its name without its ending too. EnvironmentFault names where it was sought and what is there.
    """
    found = _child(asset_folder(kind, roots=roots), name)
    if found is None:
        raise _missing(f"There is no {kind} {name!r}", [asset_folder(kind, roots=roots)])
    return found


def skill(role: str, *, custom: Path | None = None, roots: Sequence[Path] = ROOTS) -> Skill:
    """The prompt of a role: from the user's folder `custom` where that has one, else the shipped one."""
    folders = [folder for folder in (custom, *(root / "skills" for root in roots)) if folder is not None]
    for folder in folders:
        found = _child(folder, role)
        if found is not None and (found / "SKILL.md").is_file():
            return _parse(found / "SKILL.md")
    raise _missing(
        f"There is no skill for the role {role!r}", [folder / slug(role) / "SKILL.md" for folder in folders]
    )


def _child(folder: Path, name: str) -> Path | None:
    if not folder.is_dir():
        return None
    entries = sorted(folder.iterdir())
    exact = [e for e in entries if slug(e.name) == slug(name)]
    return next(iter(exact or [e for e in entries if slug(e.stem) == slug(name)]), None)


def _parse(path: Path) -> Skill:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageFault(f"The skill can't be read: {error}", where=str(path)) from error
    lines = text.splitlines()
    closing = next((n for n, line in enumerate(lines) if n and line.strip() == _FENCE), 0)
    if not lines or lines[0].strip() != _FENCE or not closing:
        raise UsageFault(
            "The skill has no front matter",
            where=str(path),
            remedy="Begin it with ---, name:, description:, ---.",
        )
    front = _front_matter("\n".join(lines[1:closing]), path)
    body = "\n".join(lines[closing + 1 :]).strip()
    if not body:
        raise UsageFault("The skill has no text below its front matter", where=str(path))
    return Skill(name=front.name, description=front.description, text=body)


def _front_matter(text: str, path: Path) -> _FrontMatter:
    try:
        fields = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageFault(f"The skill's front matter is not YAML: {error}", where=str(path)) from error
    known = (
        {k: v for k, v in fields.items() if k in _FrontMatter.model_fields}
        if isinstance(fields, dict)
        else {}
    )
    try:
        return _FrontMatter.model_validate(known)
    except ValidationError as error:
        key, problem = first_problem(error)
        raise UsageFault(
            f"The skill's front matter is wrong: {'.'.join(key)}: {problem}", where=str(path)
        ) from error


def _missing(what: str, places: Sequence[Path]) -> EnvironmentFault:
    sought = ", ".join(str(place) for place in places)
    return EnvironmentFault(
        what, where=f"sought in {sought}", remedy="Is the installation whole? Install it again."
    )
