"""Each prerequisite of a run, its state, and the remedy."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

from swarm.adapters.model import OpenAIModel
from swarm.adapters.sandbox.image import engine_version, image_state
from swarm.config.assets import assets_root
from swarm.config.settings import Settings
from swarm.domain.errors import SwarmError
from swarm.domain.requests import Prerequisite
from swarm.domain.sizes import human_bytes

MIN_GIT = (2, 38)
MIN_FREE = 2 * 1024**3


def examine(settings: Settings) -> tuple[Prerequisite, ...]:
    """Looks at all of them; a fault of one never hides the others."""
    looks: tuple[Callable[[Settings], Prerequisite], ...] = (_image, _disk, _endpoint)
    return (_python(), _git(), _engine(), *(look(settings) for look in looks))


def _python() -> Prerequisite:
    version = ".".join(map(str, sys.version_info[:3]))
    return Prerequisite(
        name="python", ok=sys.version_info >= (3, 11), detail=version, remedy="Use Python 3.11 or newer."
    )


def _git() -> Prerequisite:
    remedy = f"Install git {MIN_GIT[0]}.{MIN_GIT[1]} or newer (in-memory merges need it)."
    found = shutil.which("git")
    if found is None:
        return Prerequisite(name="git", ok=False, detail="not found", remedy=remedy)
    text = subprocess.run(
        [found, "--version"], capture_output=True, text=True, check=False, timeout=10
    ).stdout.strip()
    numbers = tuple(_numbers(text))[:2]
    return Prerequisite(name="git", ok=numbers >= MIN_GIT, detail=text, remedy=remedy)


def _numbers(text: str) -> Iterator[int]:
    for part in text.rsplit(maxsplit=1)[-1].split("."):
        if part.isdigit():
            yield int(part)


def _engine() -> Prerequisite:
    try:
        detail = engine_version()
    except SwarmError as error:
        return Prerequisite(name="docker engine", ok=False, detail=error.what, remedy=error.remedy)
    return Prerequisite(name="docker engine", ok=True, detail=detail)


def _image(settings: Settings) -> Prerequisite:
    try:
        tag, present = image_state(settings.profile, assets_root())
    except SwarmError as error:
        return Prerequisite(
            name="sandbox image", ok=False, detail=error.what, remedy=error.remedy, essential=False
        )
    detail = tag if present else f"{tag} is not built yet"
    remedy = "" if present else "It is built at the first run, or now: swarm sandbox build"
    return Prerequisite(name="sandbox image", ok=present, detail=detail, remedy=remedy, essential=False)


def _disk(settings: Settings) -> Prerequisite:
    folder = settings.state_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Prerequisite(
        name="disk",
        ok=free >= MIN_FREE,
        detail=f"{human_bytes(free)} free for {settings.state_dir}",
        remedy="Free some space, remove old runs (swarm clean), or set XDG_STATE_HOME.",
    )


def _endpoint(settings: Settings) -> Prerequisite:
    if settings.replay_file is not None:
        return Prerequisite(
            name="model endpoint",
            ok=settings.replay_file.is_file(),
            detail=f"replay of {settings.replay_file}",
        )
    key = settings.api_key.get_secret_value()
    model = OpenAIModel(base_url=settings.base_url, api_key=key, timeout=10, retries=0)
    try:
        names = asyncio.run(model.list_models())
    except SwarmError as error:
        return Prerequisite(name="model endpoint", ok=False, detail=error.what, remedy=error.remedy)
    wanted = sorted({settings.model_for(role) for role in ("planner", "coder", "integrator", "judge")})
    missing = [name for name in wanted if names and name not in names]
    if missing:
        detail = f"{settings.base_url} does not offer {', '.join(missing)}"
        return Prerequisite(
            name="model endpoint",
            ok=False,
            detail=detail,
            remedy="Set the models in swarm.toml or with --model.",
            essential=False,
        )
    return Prerequisite(name="model endpoint", ok=True, detail=f"{settings.base_url}: {', '.join(wanted)}")
