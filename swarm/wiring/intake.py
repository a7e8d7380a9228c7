"""From a request to a run: everything is checked before anything is started or written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from swarm.adapters.recording import read_recording
from swarm.adapters.repository import UserRepository
from swarm.adapters.sandbox.image import ensure_image
from swarm.adapters.state import new_run_id
from swarm.config.assets import assets_root
from swarm.config.repository import RepositorySettings, repository_settings
from swarm.config.settings import Settings, load_settings
from swarm.domain.errors import UsageFault
from swarm.domain.goal import Goal, Strategy
from swarm.domain.plan import Plan
from swarm.domain.report import RunRecord
from swarm.domain.requests import RunRequest, folder_name
from swarm.planning.planfile import plan_from_yaml
from swarm.planning.validate import validate_plan
from swarm.ports import RunStore

Tell = Callable[[str], None]


def settings_for(
    settings: Settings, request: RunRequest, target: RepositorySettings | None = None
) -> Settings:
    """The settings of one run: the user's, with the request's flags on top and a trusted repository's between."""
    flags = {
        "model": request.model,
        "agents": request.agents,
        "budget_usd": request.budget_usd,
        "budget_tokens": request.budget_tokens,
        "threshold": request.threshold,
        "rounds": request.rounds,
        "profile": request.profile or (target.profile if target and target.profile else None),
        "state_dir": settings.state_dir,
    }
    return load_settings(flags, repository=target.overrides if target else None)


def make_record(settings: Settings, request: RunRequest, store: RunStore, tell: Tell) -> RunRecord:
    """Checks a request and makes the run's folder. UsageFault and EnvironmentFault leave nothing behind.

    The order is: goal, plan file, repository, settings and prices, key, recording, engine and image; a new repository
    is made last.
    """
    text = request.goal_text.strip()
    if not text:
        raise UsageFault("The goal is empty", remedy='Say what to build: swarm run "Add a --version flag".')
    plan_yaml = _plan_text(request.plan)
    repository = UserRepository.open(Path(request.repo)) if request.repo is not None else None
    base = _base(repository, request, tell) if repository else ""
    _check_plan(plan_yaml, request.plan or "", repository.paths(base) if repository else ())
    target = _target_settings(repository, base, request, tell)
    chosen = settings_for(settings, request, target)
    limits = chosen.limits()
    check_model(chosen)
    _check_record(request)
    image = ensure_image(chosen.profile, assets_root(), tell)
    if repository is None:
        repository = UserRepository.create(_new_folder(request, text))
        base = repository.resolve("")
    elif paths := repository.uncommitted():
        tell(f"Uncommitted work is not included ({len(paths)} paths): the run starts from {base[:10]}.")
    run = new_run_id(text, datetime.now(UTC).timestamp())
    goal = Goal(
        run=run,
        text=text,
        repository=str(repository.path),
        base=base,
        strategy=request.strategy or Strategy.AUTO,
        limits=limits,
        profile=chosen.profile,
        image=image,
        plan_yaml=plan_yaml,
        checks=target.checks if target else (),
        setup=target.setup if target else (),
        approve=request.approve,
    )
    record = RunRecord(
        run=run,
        goal=goal,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        model=request.model or "",
        record_to=str(Path(request.record).absolute()) if request.record else "",
    )
    store.create(record)
    return record


def check_model(settings: Settings) -> None:
    """Checks what can be known of the model without a call: the recording's file, or that there is a key."""
    if settings.replay_file is not None:
        read_recording(settings.replay_file)
        return
    default_endpoint = settings.base_url == Settings.model_fields["base_url"].default
    if not settings.api_key.get_secret_value() and default_endpoint:
        raise UsageFault(
            "There is no key for the model endpoint",
            where=settings.base_url,
            remedy="Set OPENAI_API_KEY, or OPENAI_BASE_URL to an endpoint that needs none.",
        )


def _plan_text(path: str | None) -> str:
    if path is None:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageFault(f"The plan file can't be read: {error}", where=path) from error


def _base(repository: UserRepository, request: RunRequest, tell: Tell) -> str:
    if repository.empty and not request.base:
        tell(
            f"{repository.path} has no commit yet: it gets an empty first one, and your files stay as they are."
        )
        return repository.ensure_commit()
    return repository.resolve(request.base)


def _check_plan(text: str, path: str, existing: Sequence[str]) -> None:
    if not text:
        return
    plan = plan_from_yaml(text, path)
    problems = validate_plan(plan, existing) if isinstance(plan, Plan) else plan
    if problems:
        raise UsageFault("The plan can't be used: " + "; ".join(problems), where=path)


def _target_settings(
    repository: UserRepository | None, base: str, request: RunRequest, tell: Tell
) -> RepositorySettings | None:
    text = repository.swarm_toml(base) if repository else ""
    if not text:
        return None
    folder = repository.path if repository else None
    where = f"swarm.toml at {base[:10]}"
    found = repository_settings(text.encode(), where=where, trust_repo=request.trust_repo, folder=folder)
    for warning in found.warnings:
        tell(warning)
    return found


def _check_record(request: RunRequest) -> None:
    if not request.record:
        return
    path = Path(request.record)
    if path.exists() and path.stat().st_size:
        raise UsageFault(
            "The recording exists already", where=str(path), remedy="Name another file or remove it."
        )
    if not path.absolute().parent.is_dir():
        raise UsageFault("The folder for the recording does not exist", where=str(path.parent))
    with tempfile.TemporaryFile(dir=path.absolute().parent):
        pass


def _new_folder(request: RunRequest, text: str) -> Path:
    if request.new_folder:
        return Path(request.new_folder)
    here = Path.cwd()
    return here / folder_name(text, taken=lambda name: (here / name).exists())
