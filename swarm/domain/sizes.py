"""Sizes for people."""

from __future__ import annotations


def human_bytes(count: int) -> str:
    """A number of bytes in the largest unit that keeps it at 1 or more: `1.5 GiB`."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
