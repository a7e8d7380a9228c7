"""The tools that read and change one file. They start no process, so they work at the limit of processes too."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

from sandboxes.tool_server.config import Config
from sandboxes.tool_server.files import Refused, inside, locate, read_bytes, write_bytes

_MAX_LINES = 2000
_MAX_BYTES = 60_000
_MAX_LINE = 2000
_LARGEST = 10_000_000
_SHOWN_MATCHES = 8
_LINE_NUMBER = re.compile(r"^ *\d+\t", re.MULTILINE)
Outcome = dict[str, Any]


def outcome(text: str, *, ok: bool = True, changed: bool = False, **data: object) -> Outcome:
    """What a tool gives back."""
    return {"ok": ok, "text": text, "changed": changed, "data": data}


def read_file(config: Config, path: str, start_line: int = 1, end_line: int = 0) -> Outcome:
    """A file's lines, numbered from 1; at most 2000 lines or 60 kB at once."""
    real = locate(config, path, writing=False)
    text = _text(_content(config, real))
    if not text:
        return outcome(f"{inside(config, real)} is empty", lines=0)
    lines = text.removesuffix("\n").split("\n")
    total = len(lines)
    first = max(1, start_line if start_line >= 0 else total + start_line + 1)
    last = min(end_line or total, total)
    if first > total or last < first:
        raise Refused(
            f"{path} has {total} lines: no line is between start_line={start_line} and end_line={end_line}"
        )
    shown = _numbered(lines, first, last)
    end = first + len(shown) - 1
    if end < last:
        shown.append(f"[lines {end + 1} to {last} of {total} left out: call again with start_line={end + 1}]")
    elif (first, end) != (1, total):
        shown.append(f"[lines {first} to {end} of {total}]")
    return outcome("\n".join(shown), lines=total)


def write_file(config: Config, path: str, content: str) -> Outcome:
    """Creates a file or replaces the whole of it."""
    real = locate(config, path, writing=True)
    data = content.encode(errors="surrogateescape")
    before = None if real.is_dir() else read_bytes(real, _LARGEST + len(data))
    name = inside(config, real)
    if before == data:
        return outcome(f"{name} already has exactly this content: nothing changed")
    write_bytes(real, data)
    lines = content.count("\n") + (not content.endswith("\n") and bool(content))
    done = "created" if before is None else "replaced"
    return outcome(f"{done} {name} ({lines} lines)", changed=True)


def edit_file(config: Config, path: str, old_text: str, new_text: str) -> Outcome:
    """Replaces the one place where `old_text` stands."""
    real = locate(config, path, writing=True)
    text = _content(config, real).decode(errors="surrogateescape")
    if not old_text:
        raise Refused("'old_text' is empty: give the passage to replace, or use write_file for a whole file")
    if "\r\n" in text and "\r\n" not in old_text:
        # read_file shows such a file without its carriage returns; it keeps them.
        old_text, new_text = old_text.replace("\n", "\r\n"), new_text.replace("\n", "\r\n")
    if old_text == new_text:
        raise Refused("'old_text' and 'new_text' are the same: nothing would change")
    count = text.count(old_text)
    if count != 1:
        raise Refused(_no_single_match(inside(config, real), text, old_text, count))
    line = text[: text.index(old_text)].count("\n") + 1
    write_bytes(real, text.replace(old_text, new_text).encode(errors="surrogateescape"))
    return outcome(f"edited {inside(config, real)} at line {line}", changed=True, line=line)


def _content(config: Config, real: Path) -> bytes:
    if real.is_dir():
        raise Refused(f"'{inside(config, real)}' is a folder: use list_files for its files")
    data = read_bytes(real, _LARGEST + 1)
    if data is None:
        raise Refused(f"there is no file '{inside(config, real)}'{_near_names(config, real)}")
    if len(data) > _LARGEST:
        raise Refused(
            f"'{inside(config, real)}' is larger than {_LARGEST} bytes: use run with head, tail or sed"
        )
    if b"\0" in data[:8192]:
        raise Refused(
            f"'{inside(config, real)}' is a binary file of {len(data)} bytes: it has no lines of text"
        )
    return data


def _near_names(config: Config, real: Path) -> str:
    folder = real.parent
    if not folder.is_dir():
        return (
            f": its folder '{inside(config, folder)}' does not exist either; list_files shows what there is"
        )
    near = difflib.get_close_matches(real.name, [entry.name for entry in folder.iterdir()], n=3)
    return f"; did you mean {', '.join(inside(config, folder / name) for name in near)}?" if near else ""


def _text(data: bytes) -> str:
    return data.decode(errors="replace").replace("\r\n", "\n")


def _numbered(lines: list[str], first: int, last: int) -> list[str]:
    shown: list[str] = []
    size = 0
    for number in range(first, min(last, first + _MAX_LINES - 1) + 1):
        line = lines[number - 1]
        if len(line) > _MAX_LINE:
            line = f"{line[:_MAX_LINE]} [... {len(line) - _MAX_LINE} characters left out]"
        shown.append(f"{number:>6}\t{line}")
        size += len(shown[-1].encode(errors="replace")) + 1
        if size > _MAX_BYTES and len(shown) > 1:
            shown.pop()
            break
    return shown


def _no_single_match(name: str, text: str, old_text: str, count: int) -> str:
    if count > 1:
        lines = ", ".join(str(n) for n in _match_lines(text, old_text)[:_SHOWN_MATCHES])
        return (
            f"'old_text' occurs {count} times in {name} (at lines {lines}) and must occur exactly once: "
            "include more of the lines around it. Nothing was changed"
        )
    return f"'old_text' does not occur in {name}; {_nearest(text, old_text)}. Nothing was changed"


def _match_lines(text: str, old_text: str) -> list[int]:
    found: list[int] = []
    position = text.find(old_text)
    while position >= 0:
        found.append(text.count("\n", 0, position) + 1)
        position = text.find(old_text, position + len(old_text))
    return found


def _nearest(text: str, old_text: str) -> str:
    if _LINE_NUMBER.match(old_text) and _LINE_NUMBER.sub("", old_text) in text:
        return "it would without the line numbers, which read_file adds and the file does not have"
    lines = text.split("\n")
    wanted = [line.strip() for line in old_text.strip("\r\n").split("\n")]
    stripped = [line.strip() for line in lines]
    for index in range(len(lines) - len(wanted) + 1):
        if stripped[index : index + len(wanted)] == wanted:
            exact = "\n".join(lines[index : index + len(wanted)])
            span = f"lines {index + 1} to {index + len(wanted)}"
            return f"{span} differ from it in white space only; they are:\n{exact}\n"
    first = next((line for line in wanted if line), "")
    near = difflib.get_close_matches(first, [line for line in stripped if line], n=1, cutoff=0.5)
    if not near:
        return "no line is like its first line; read the file again"
    number = stripped.index(near[0]) + 1
    return f"the line most like its first line is line {number}:\n{lines[number - 1]}\n(read the file around it again)"
