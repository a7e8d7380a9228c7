"""What a run treats otherwise than the user may expect: submodules, Git LFS, partial and shallow clones."""

from __future__ import annotations

from pathlib import Path

from swarm.adapters.repository.command import quietly, some, split

_LFS = "^version https://git-lfs.github.com/spec/v1"
_FILES = ("--full-name", "-z", "-l", "-I", "--no-color", "--no-textconv")


def remarks(where: Path, base: str) -> tuple[str, ...]:
    """One sentence for each that applies to the repository at a commit."""
    return tuple(filter(None, (_submodules(where, base), _lfs(where, base), _incomplete(where))))


def _submodules(where: Path, base: str) -> str:
    listed = split(quietly(where, "ls-tree", "-r", "-z", "--full-tree", base).out)
    entries = [line.partition("\t") for line in listed]
    found = [path for about, _, path in entries if about.startswith("160000 ")]
    return f"Submodules are empty folders for the agents: {some(found)}." if found else ""


def _lfs(where: Path, base: str) -> str:
    uses = ("-F", "-e", "filter=lfs", base, "--", ":(top,glob)**/.gitattributes")
    if not quietly(where, "grep", *_FILES, *uses, ok=(0, 1)).out:
        return ""
    listed = split(quietly(where, "grep", *_FILES, "-e", _LFS, base, "--", ":(top)", ok=(0, 1)).out)
    found = [name.partition(":")[2] for name in listed]
    return f"Git LFS files are pointers for the agents, not their contents: {some(found)}." if found else ""


def _incomplete(where: Path) -> str:
    if quietly(where, "config", "--get", "extensions.partialClone", ok=(0, 1)).line:
        return "This is a partial clone: what git has not fetched is missing (`git fetch --refetch` gets it)."
    shallow = quietly(where, "rev-parse", "--is-shallow-repository").line == "true"
    return "This is a shallow clone: the run has no older history." if shallow else ""
