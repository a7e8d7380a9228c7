"""What git would run on the host because of what lies in the work tree or stands in the repository's settings."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePath

from swarm.adapters.repository.command import as_user, quietly, split

_NOTHING = "SWARM_NOTHING"
_FILTERS = r"^filter\..*\.(clean|process|required)$"


def run_by_git(where: Path, changed: Iterable[str]) -> tuple[str, ...]:
    """Those of the paths that git takes hooks or settings from, by the settings that hold at the top of a work tree.

    That is `core.hooksPath` inside the work tree (and above it, for a path may be turned into a link), hooks that are
    links into it, and files of it that the settings include. A hook that itself starts files of the work tree is not
    seen: it starts the merged ones, as after a merge by hand.
    """
    sources = [_folded(path) for path in _inside(where, (*_hooks(where), *_settings(where)))]
    return tuple(path for path in changed if any(_touches(_folded(path), source) for source in sources))


def without_filters(where: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """Options and environment for a git command for which no configured filter (`filter.<name>.clean`) runs."""
    listed = quietly(where, "config", "--null", "--name-only", "--get-regexp", _FILTERS, ok=(0, 1)).out
    # Not `-c name=`: a filter's name may hold an equals sign, and then the setting would be another one.
    options = tuple(f"--config-env={name}={_NOTHING}" for name in dict.fromkeys(split(listed)))
    return options, {_NOTHING: ""}


def _hooks(where: Path) -> Iterable[Path]:
    # As the user, since everything else here sets the hooks' folder.
    folder = where / as_user(where, "rev-parse", "--git-path", "hooks").line
    yield folder
    if folder.name == "_":
        # husky: `.husky/_/post-merge` starts `.husky/post-merge`.
        yield folder.parent
    if folder.is_dir():
        yield from (entry for entry in folder.iterdir() if entry.is_symlink())


def _settings(where: Path) -> Iterable[Path]:
    # Origins and `key\nvalue` by turns.
    for origin in split(as_user(where, "config", "--list", "--show-origin", "--null").out)[::2]:
        kind, _, name = origin.partition(":")
        if kind == "file":
            yield where / name


def _inside(where: Path, paths: Iterable[Path]) -> Iterable[PurePath]:
    """The paths, and where their links lead, relative to the top of the work tree, without what is outside."""
    tops = {Path(os.path.normpath(where)), Path(os.path.realpath(where))}
    for path in paths:
        for form in {Path(os.path.normpath(path)), Path(os.path.realpath(path))}:
            yield from (form.relative_to(top) for top in tops if form.is_relative_to(top))


def _folded(path: str | PurePath) -> PurePath:
    # Some file systems take `.GitHooks` for `.githooks`.
    return PurePath(str(path).casefold())


def _touches(path: PurePath, source: PurePath) -> bool:
    return path.is_relative_to(source) or source.is_relative_to(path)
