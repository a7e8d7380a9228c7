"""From a request to a run: everything is checked before anything is started or written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from swarm.adapters.recording import ReplayModel
from swarm.adapters.repository import UserRepository
from swarm.adapters.sandbox.image import ensure_image
from swarm.adapters.state import new_run_id
from swarm.config.assets import assets_root
from swarm.config.repository import RepositorySettings, repository_settings
from swarm.config.settings import REPLAY, Settings, load_settings
from swarm.domain.errors import ReplayFault, UsageFault
from swarm.domain.goal import Goal, Strategy
from swarm.domain.plan import Plan
from swarm.domain.report import RunRecord
from swarm.domain.requests import RunRequest, folder_name
from swarm.planning.planfile import plan_from_yaml
from swarm.planning.validate import validate_plan
from swarm.ports import RunStore

Tell = Callable[[str], None]


def settings_for(
    settings: Settings, request: RunRequest, target: RepositorySettings | None = None, *, endpoint: str = ""
) -> Settings:
    """The settings of one run: the user's, with the request's flags on top and a trusted repository's between.

    `endpoint` takes the place of the shipped default where the user has set none.
    """
    unset = settings.base_url == Settings.model_fields["base_url"].default
    flags = {
        "base_url": endpoint if endpoint and unset else None,
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


def run_settings(settings: Settings, record: RunRecord) -> Settings:
    """The settings of a run that exists, with what its repository may set read again: a record keeps no secret."""
    request = RunRequest(
        goal_text=record.goal.text,
        model=record.model or None,
        profile=record.goal.profile,
        trust_repo=record.trust_repo,
    )
    repository = UserRepository.open(Path(record.goal.repository))
    target = _target_settings(repository, record.goal.base, request, unheard)
    return settings_for(settings, request, target, endpoint=record.endpoint)


def planning_settings(settings: Settings, request: RunRequest) -> Settings:
    """The settings for planning alone."""
    repository = UserRepository.open(Path(request.repo)) if request.repo is not None else None
    base = _base(repository, request.base) if repository else ""
    return settings_for(settings, request, _target_settings(repository, base, request, unheard))


def make_record(settings: Settings, request: RunRequest, store: RunStore, tell: Tell) -> RunRecord:
    """Checks a request and makes the run's folder. UsageFault and EnvironmentFault leave nothing behind.

    What can be wrong is looked at first, what has to be made (image, new repository, first commit, folder) comes last.
    """
    text = request.goal_text.strip()
    if not text:
        raise UsageFault("The goal is empty", remedy='Say what to build: swarm run "Add a --version flag".')
    plan_yaml = _plan_text(request.plan)
    repository = UserRepository.open(Path(request.repo)) if request.repo is not None else None
    base = _base(repository, request.base) if repository else ""
    existing = repository.paths(base) if repository and base else ()
    _check_plan(plan_yaml, request, existing, tell)
    target = _target_settings(repository, base, request, tell)
    chosen = settings_for(settings, request, target)
    limits = chosen.limits()
    check_model(chosen, text)
    check_record(request)
    _check_folder(chosen.state_dir)
    image = ensure_image(chosen.profile, assets_root(), tell)
    repository, base = _ready(repository, base, request, tell)
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
        endpoint=chosen.base_url,
        trust_repo=request.trust_repo,
        record_to=record_path(request),
    )
    store.create(record)
    return record


def check_model(settings: Settings, goal_text: str) -> None:
    """Checks what can be known of the model without a call: the recording and its goal, or that there is a key."""
    if settings.replay_file is not None:
        try:
            ReplayModel(settings.replay_file, goal=goal_text)
        except ReplayFault as fault:
            raise UsageFault(fault.what, where=fault.where, remedy=fault.remedy) from fault
        return
    default_endpoint = settings.base_url == Settings.model_fields["base_url"].default
    if not settings.api_key.get_secret_value() and default_endpoint:
        raise UsageFault(
            "There is no key for the model endpoint",
            where=settings.base_url,
            remedy="Set OPENAI_API_KEY, or OPENAI_BASE_URL to an endpoint that needs none.",
        )


def record_path(request: RunRequest) -> str:
    """Where a recording goes, as an absolute path; empty for none."""
    return str(Path(request.record).absolute()) if request.record else ""


def _ready(
    repository: UserRepository | None, base: str, request: RunRequest, tell: Tell
) -> tuple[UserRepository, str]:
    """The repository to work for and the commit to start from, made where they are missing."""
    if repository is None:
        around = UserRepository.around(Path.cwd())
        replayed = (request.model or "").startswith(REPLAY)
        if around is not None and not replayed:
            tell(
                f"You are inside the repository {around}; a new one is made. For that one, use --repo {around}."
            )
        made = UserRepository.create(_new_folder(request, request.goal_text.strip()))
        return made, made.resolve("")
    if not base:
        tell(
            f"{repository.path} has no commit yet: it gets an empty first one, and your files stay as they are."
        )
        base = repository.ensure_commit()
    if paths := repository.uncommitted():
        tell(f"Uncommitted work is not included ({len(paths)} paths): the run starts from {base[:10]}.")
    for remark in repository.peculiarities(base):
        tell(remark)
    return repository, base


def _base(repository: UserRepository, base: str) -> str:
    return "" if repository.empty and not base else repository.resolve(base)


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageFault(
            f"The folder for runs can't be written: {error.strerror}",
            where=str(folder),
            remedy="Set XDG_STATE_HOME to one that can.",
        ) from error


def _plan_text(path: str | None) -> str:
    if path is None:
        return ""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageFault(f"The plan file can't be read: {error}", where=path) from error
    if not text.strip():
        raise UsageFault(
            "The plan file is empty", where=path, remedy="`swarm plan GOAL --out FILE` writes one."
        )
    return text


def _check_plan(text: str, request: RunRequest, existing: Sequence[str], tell: Tell) -> None:
    if not text:
        return
    path = request.plan or ""
    plan = plan_from_yaml(text, path)
    if not isinstance(plan, Plan):
        raise UsageFault("The plan can't be used: " + "; ".join(plan), where=path)
    problems = validate_plan(plan, existing)
    if problems:
        raise UsageFault("The plan can't be used: " + "; ".join(problems), where=path)
    if request.strategy not in {None, Strategy.AUTO, plan.strategy}:
        raise UsageFault(
            f"The plan says {plan.strategy}, the command line --{request.strategy}",
            where=path,
            remedy="Leave the flag out, or plan anew with it.",
        )
    if plan.goal.split() != request.goal_text.split():
        tell(f"The plan was made for another wording of the goal: {plan.goal.strip()[:80]!r}.")


def _target_settings(
    repository: UserRepository | None, base: str, request: RunRequest, tell: Tell
) -> RepositorySettings | None:
    text = repository.swarm_toml(base) if repository and base else ""
    if not text:
        return None
    folder = repository.path if repository else None
    where = f"swarm.toml at {base[:10]}"
    found = repository_settings(text.encode(), where=where, trust_repo=request.trust_repo, folder=folder)
    for warning in found.warnings:
        tell(warning)
    return found


def check_record(request: RunRequest) -> None:
    """Checks that a recording can be written where it is to go; UsageFault where one stands already."""
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


def unheard(text: str) -> None:
    """Where nobody listens, or what is worth telling was told before."""


def _new_folder(request: RunRequest, text: str) -> Path:
    if request.new_folder:
        return Path(request.new_folder)
    here = Path.cwd()
    return here / folder_name(text, taken=lambda name: (here / name).exists())
