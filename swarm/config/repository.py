"""A target repository's own `swarm.toml`. It comes from whoever wrote the repository, so it may set little.

Checks and profile are read. Endpoint, keys, models, skills and limits belong to the user: a repository that could set
them could send the user's key and code to an endpoint of its own. They are ignored, with a sentence, unless the user
trusts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from swarm.config.settings import Settings
from swarm.config.sources import beside
from swarm.config.toml import check_keys, first_problem, parse_toml
from swarm.domain.base import Value
from swarm.domain.errors import UsageFault
from swarm.domain.ids import slug


class Checks(Value):
    """`[checks]`: commands that exit 0 on a good tree, and commands that prepare a fresh sandbox."""

    commands: tuple[str, ...] = Field(default=(), max_length=50)
    setup: tuple[str, ...] = Field(default=(), max_length=50)


class RepositorySettings(Value):
    """What a repository sets. `overrides` are settings that a trusted one adds; `warnings` sentences for the user."""

    checks: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    profile: str = ""
    overrides: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()


def repository_settings(
    data: bytes | None, *, where: str, trust_repo: bool = False, folder: Path | None = None
) -> RepositorySettings:
    """Reads the text of a repository's `swarm.toml` (None: it has none), called `where` in messages.

    `folder` is the repository's, against which a trusted file's relative folders are taken. UsageFault names the key.
    """
    if data is None:
        return RepositorySettings()
    values = parse_toml(data, where=where)
    check_keys(values, {"checks", *Settings.model_fields}, where=where)
    checks = _checks(values.pop("checks", {}), where)
    profile = _profile(values.pop("profile", ""), where)
    overrides = beside(values, folder) if folder else values
    return RepositorySettings(
        checks=checks.commands,
        setup=checks.setup,
        profile=profile,
        overrides=overrides if trust_repo else {},
        warnings=() if trust_repo else _ignored(values, where),
    )


def _checks(table: object, where: str) -> Checks:
    if not isinstance(table, Mapping):
        raise UsageFault(
            "[checks] must be a table", where=where, remedy='Write [checks] and then commands = ["..."].'
        )
    check_keys(table, Checks.model_fields, where=f"{where}, [checks]", kind="key")
    try:
        return Checks.model_validate(table)
    except ValidationError as error:
        path, text = first_problem(error)
        key = ".".join(("checks", *path))
        raise UsageFault(f"{key} has a value that can't be used: {text}", where=where) from error


def _profile(name: object, where: str) -> str:
    if not isinstance(name, str) or slug(name) != name:
        raise UsageFault(
            "profile must be the name of a sandbox: small letters, digits and hyphens",
            where=f"{where}, profile",
        )
    return name


def _ignored(values: Mapping[str, Any], where: str) -> tuple[str, ...]:
    if not values:
        return ()
    names = ", ".join(sorted(values))
    ignored = f"{where} sets {names}, which a repository may not: ignored."
    return (f"{ignored} Set it in your own swarm.toml, or run with --trust-repo if you trust who wrote it.",)
