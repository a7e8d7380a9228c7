"""What goes into a sandbox image, and the tag that names exactly that content. Reads files; starts nothing."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swarm.domain.errors import EnvironmentFault

REPOSITORY = "swarm-sandbox"
BASE_REPOSITORY = "swarm-base"
HOST_CERTIFICATES = Path("/usr/local/share/ca-certificates")
_HASH_DIGITS = 12
_TAR_EPOCH = 0


@dataclass(frozen=True)
class Recipe:
    """The content of one profile's image: `files` are paths within `sandboxes/` and within `ca/`, with their bytes.

    `base` holds the recipe of the Debian base, apart because it names an image of its own.
    """

    profile: str
    files: dict[str, bytes]
    base: dict[str, bytes]

    @property
    def tag(self) -> str:
        """The image's name; any change to any file that went into it changes the tag."""
        return f"{REPOSITORY}-{self.profile}:{_digest(self.files | self.base)}"

    @property
    def base_tag(self) -> str:
        """The name of the Debian base image, which several profiles share."""
        return f"{BASE_REPOSITORY}:{_digest(self.base)}"

    @property
    def requirements(self) -> bytes:
        """The pinned Python packages of the profile; empty where it needs none."""
        return self.files.get(f"{self.profile}/requirements.txt", b"")

    def context(self, wheels: Path) -> io.BytesIO:
        """The build context as a tar file: the profile's folder at its root, `tool_server/`, `ca/` and `wheels/`."""
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w") as tar:
            for folder in ("ca", "wheels"):
                _add_folder(tar, folder)
            for name, content in sorted(self.files.items()):
                _add_file(tar, name.removeprefix(f"{self.profile}/"), content)
            for wheel in sorted(wheels.iterdir()):
                _add_file(tar, f"wheels/{wheel.name}", wheel.read_bytes())
        target.seek(0)
        return target


def read_recipe(profile: str, assets: Path, certificates: Path = HOST_CERTIFICATES) -> Recipe:
    """The recipe of `profile` under `assets`, the folder that holds `sandboxes/`.

    `certificates` holds the host's extra CA certificates (`*.crt`, at any depth); a missing folder means none.
    Raises `EnvironmentFault` when the profile or the tool server is not there.
    """
    sandboxes = assets / "sandboxes"
    folder = sandboxes / profile
    for needed in (folder / "Dockerfile", folder / "profile.toml", sandboxes / "tool_server" / "__main__.py"):
        if not needed.is_file():
            raise EnvironmentFault(
                f"The sandbox profile '{profile}' is incomplete: {needed.relative_to(sandboxes)} is missing",
                where=str(needed),
                remedy=f"Profiles found: {', '.join(_profiles(sandboxes)) or 'none'}; choose one, or reinstall swarm.",
            )
    files = {f"{profile}/{name}": content for name, content in _tree(folder)}
    files |= {f"tool_server/{name}": content for name, content in _tree(sandboxes / "tool_server", "*.py")}
    files |= {f"ca/{name.replace('/', '-')}": content for name, content in _tree(certificates, "*.crt")}
    base = {f"base/{name}": content for name, content in _tree(sandboxes / "base")}
    return Recipe(profile=profile, files=files, base=base)


def _profiles(sandboxes: Path) -> list[str]:
    return sorted(path.parent.name for path in sandboxes.glob("*/profile.toml"))


def _tree(folder: Path, pattern: str = "*") -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob(pattern)):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _digest(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        # The lengths keep two different sets of files from running together into the same bytes.
        digest.update(f"{len(name)}:{name}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()[:_HASH_DIGITS]


def _add_folder(tar: tarfile.TarFile, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.DIRTYPE
    entry.mode = 0o755
    entry.mtime = _TAR_EPOCH
    tar.addfile(entry)


def _add_file(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o644
    entry.mtime = _TAR_EPOCH
    tar.addfile(entry, io.BytesIO(content))
