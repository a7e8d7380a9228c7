"""A listing of a repository that fits a prompt: every path while they fit, else the deepest folders as counts."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence


def listing(paths: Sequence[str], *, lines: int, characters: int) -> str:
    """One path a line, sorted. Folders that do not fit are one line `folder/ (n files)`; what is cut is counted.

    Folders are opened from the top down, small ones first, so that the shape shows before the bulk.
    """
    shown = _open_folders(sorted(set(paths)), lines)
    kept, used = 0, 0
    while kept < len(shown) and used + len(shown[kept]) + 1 <= characters:
        used += len(shown[kept]) + 1
        kept += 1
    if kept == len(shown):
        return "\n".join(shown)
    return "\n".join([*shown[:kept], f"… {len(shown) - kept} more lines, {len(paths)} files in all"])


def _open_folders(paths: Sequence[str], limit: int) -> list[str]:
    children, counts = _children(paths)
    shown = set(children[""])
    closed = [(0, counts[name], name) for name in shown if name.endswith("/")]
    heapq.heapify(closed)
    while closed:
        depth, _, folder = heapq.heappop(closed)
        inside = children[folder]
        if len(shown) - 1 + len(inside) > limit:
            continue
        shown.remove(folder)
        shown |= inside
        for name in inside:
            if name.endswith("/"):
                heapq.heappush(closed, (depth + 1, counts[name], name))
    return [_line(name, counts) for name in sorted(shown)]


def _line(name: str, counts: Counter[str]) -> str:
    if not name.endswith("/"):
        return name
    return f"{name} ({counts[name]} file{'s' if counts[name] != 1 else ''})"


def _children(paths: Sequence[str]) -> tuple[dict[str, set[str]], Counter[str]]:
    """What stands directly in each folder (folders end in `/`, the root is empty), and how many files are below it."""
    children: dict[str, set[str]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for path in paths:
        *folders, name = path.split("/")
        above = ""
        for folder in folders:
            below = f"{above}{folder}/"
            children[above].add(below)
            counts[below] += 1
            above = below
        children[above].add(f"{above}{name}")
    return children, counts
