"""The tools that look through the work tree or run commands in it."""

from __future__ import annotations

import re
from pathlib import Path

from sandboxes.tool_server.config import SYSTEM_PATH, Config
from sandboxes.tool_server.editing import Outcome, outcome
from sandboxes.tool_server.files import Refused, inside, locate
from sandboxes.tool_server.processes import Capture, Ended, execute, shell
from sandboxes.tool_server.repository import Repository

DEFAULT_SECONDS = 120
MOST_SECONDS = 600
_OUTPUT_LIMIT = 30_000
_MAX_PATHS = 500
_RESULTS = 100
_MOST_RESULTS = 500
_SEARCH_SECONDS = 60
_SEARCH_LIMIT = 1_000_000
_LONGEST_HIT = 300


def list_files(config: Config, path: str = ".", pattern: str = "") -> Outcome:
    """Paths of files that are not ignored, sorted; at most 500."""
    real = locate(config, path or ".", writing=False)
    if not real.exists():
        raise Refused(f"there is no folder '{path}'")
    if not real.is_relative_to(config.work.resolve()):
        raise Refused("list_files looks in the work tree only: use run with ls for other folders")
    prefix = "" if real == config.work.resolve() else inside(config, real)
    paths = Repository(config).files(*_pathspecs(prefix, pattern, real.is_dir()))
    if not paths:
        return outcome("no files", files=0)
    shown = paths[:_MAX_PATHS]
    if len(paths) > len(shown):
        shown.append(f"[{len(paths) - _MAX_PATHS} more left out: narrow it by path or pattern]")
    return outcome("\n".join(shown), files=len(paths))


def _pathspecs(prefix: str, pattern: str, is_folder: bool) -> list[str]:
    if not pattern:
        return [f":(top,literal){prefix}"] if prefix else []
    if not is_folder:
        return [f":(top,literal){prefix}"]
    # As in .gitignore, a pattern without a slash is meant for names at any depth.
    deep = pattern.lstrip("/") if "/" in pattern else f"**/{pattern}"
    start = re.sub(r"([*?\[\]\\])", r"\\\1", prefix)
    return [f":(top,glob){start}/{deep}" if start else f":(top,glob){deep}"]


def search(
    config: Config, pattern: str, path: str = ".", glob: str = "", max_results: int = _RESULTS
) -> Outcome:
    """Lines that match a regular expression (ripgrep's), as `path:line: text`."""
    if not pattern:
        raise Refused("'pattern' is empty: give a regular expression")
    real = locate(config, path or ".", writing=False)
    if not real.exists():
        raise Refused(f"there is no file or folder '{path}'")
    target = inside(config, real)
    most = min(max(1, max_results), _MOST_RESULTS)
    argv = [
        *(
            "rg",
            "--no-config",
            "--color=never",
            "--no-heading",
            "--with-filename",
            "--line-number",
            "--sort=path",
        ),
        *(
            "--hidden",
            "--no-require-git",
            "--glob=!.git",
            f"--max-columns={_LONGEST_HIT}",
            "--max-columns-preview",
        ),
        *([f"--glob={glob}"] if glob else []),
        *("--regexp", pattern, "--", target),
    ]
    capture = Capture(_SEARCH_LIMIT)
    environment = {**config.environment, "PATH": SYSTEM_PATH}
    try:
        ended = execute(
            argv, cwd=config.work, environment=environment, timeout=_SEARCH_SECONDS, capture=capture
        )
    except FileNotFoundError as error:
        raise Refused("ripgrep (rg) is not installed in this sandbox: use run with 'git grep -n'") from error
    return _found(ended, capture, most)


def _found(ended: Ended, capture: Capture, most: int) -> Outcome:
    text = capture.text()
    if ended.timed_out:
        raise Refused(f"the search took more than {_SEARCH_SECONDS} s: narrow it by path or glob")
    if ended.exit_code == 1 and not text:
        return outcome("no match", matches=0)
    if ended.exit_code not in {0, 1}:
        raise Refused(
            f"the search failed: {text.strip()[:1000]}. Special characters such as ( [ . need a backslash"
        )
    lines = [line.removeprefix("./") for line in text.splitlines()]
    shown = lines[:most]
    if len(lines) > most or capture.cut:
        more = "many" if capture.cut else str(len(lines) - most)
        shown.append(f"[{more} more matches left out: narrow the pattern, path or glob]")
    return outcome("\n".join(shown), matches=len(lines))


def run(config: Config, command: str, timeout: int = DEFAULT_SECONDS) -> Outcome:
    """Runs a command; its output (the middle left out beyond 30 kB, then all of it is in a file) and exit code."""
    if not command.strip():
        raise Refused("'command' is empty: give a shell command")
    seconds = min(max(1, timeout), MOST_SECONDS)
    repository = Repository(config)
    before = repository.stamps()
    capture = Capture(_OUTPUT_LIMIT, spill=_new_output_file(config))
    environment = config.environment
    ended = execute(
        shell(command, environment),
        cwd=config.work,
        environment=environment,
        timeout=seconds,
        capture=capture,
    )
    changed = repository.stamps() != before
    return outcome(
        _account(ended, capture, seconds),
        changed=changed,
        exit_code=ended.exit_code,
        timed_out=ended.timed_out,
        size=capture.size,
        output_file=str(capture.spill or "") if capture.cut else "",
    )


def _new_output_file(config: Config) -> Path | None:
    """A file for the whole output, numbered and not random, so that a replayed run names the same ones."""
    for number in range(1, 10_000):
        path = config.tmp / f"output-{number}.txt"
        try:
            path.open("xb").close()
        except FileExistsError:
            continue
        except OSError:  # scratch is full: the reply still carries head and tail
            return None
        return path
    return None


def _account(ended: Ended, capture: Capture, seconds: int) -> str:
    parts = [capture.text().rstrip("\n") or "(no output)"]
    if capture.spill is not None:
        if capture.cut:
            parts.append(f"[{capture.size} bytes of output; the whole is in {capture.spill}]")
        else:
            capture.spill.unlink(missing_ok=True)
    if ended.leftovers:
        parts.append(f"[{ended.leftovers} processes that the command left running were stopped]")
    if ended.timed_out:
        parts.append(f"[timed out after {seconds} s; the command and all its processes were stopped]")
    else:
        parts.append(f"[exit code {ended.exit_code}]")
    return "\n".join(parts)
