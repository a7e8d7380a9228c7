"""Every setting, defined once: its type, default, unit and help. Flags, environment, file and docs derive from here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from swarm.config.prices import DEFAULT_PRICES, Price
from swarm.config.sources import Environment, Layer, config_file, read_file, state_home
from swarm.config.tiers import Tier, tier_of
from swarm.config.toml import check_keys, first_problem
from swarm.domain.errors import UsageFault
from swarm.domain.goal import Limits
from swarm.domain.ids import slug

REPLAY = "replay:"

_LIMITS = Limits()


def _setting(default: Any, text: str, *, unit: str = "", shown: str = "", **bounds: Any) -> Any:
    """A setting: its default, its help, its unit, and how the docs show a default that depends on the machine."""
    return Field(
        default=default, description=text, json_schema_extra={"unit": unit, "shown": shown}, **bounds
    )


class Settings(BaseSettings):
    """All settings of a user. Made by `load_settings`, which says where each value comes from and what it beats."""

    model_config = SettingsConfigDict(
        env_prefix="SWARM_", env_ignore_empty=True, extra="forbid", frozen=True, validate_default=True
    )

    base_url: str = _setting(
        "https://api.openai.com/v1",
        "The OpenAI-compatible endpoint, up to and with its version (`/v1`). `OPENAI_BASE_URL` is read too.",
    )
    api_key: SecretStr = _setting(
        "", "The endpoint's key. `OPENAI_API_KEY` is read too; an endpoint on your own machine may need none."
    )
    model: str = _setting(
        "", "One model for all tiers: a model name, or `replay:FILE` to take the answers from a recording."
    )
    planner_model: str = _setting("gpt-6.1-sol", "The model of the planner.", min_length=1)
    coder_model: str = _setting(
        "gpt-6.1-terra", "The model of coders, test writers and the solo agent.", min_length=1
    )
    premium_model: str = _setting("gpt-6.1-sol", "The model of integrator and fixer.", min_length=1)
    judge_model: str = _setting("gpt-6.1-sol", "The model of the judge.", min_length=1)
    request_timeout: float = _setting(
        600.0, "How long one model call may take.", unit="seconds", gt=0, allow_inf_nan=False
    )
    retries: int = _setting(
        8, "How often a model call that failed for a passing reason is made again.", unit="calls", ge=0, le=50
    )
    retry_patience: float = _setting(
        600.0,
        "How long one model call may wait between its retries, in all.",
        unit="seconds",
        ge=0,
        allow_inf_nan=False,
    )
    max_output_tokens: int = _setting(16_000, "The most that one answer may hold.", unit="tokens", ge=256)
    budget_tokens: int = _setting(
        _LIMITS.tokens, "What a run may use, input and output together.", unit="tokens", gt=0
    )
    budget_usd: float | None = _setting(
        None,
        "What a run may cost; needs a known price for each model. Unset: tokens alone count.",
        unit="USD",
        gt=0,
        allow_inf_nan=False,
    )
    agents: int = _setting(
        _LIMITS.agents, "How many agents work at the same time.", unit="agents", ge=1, le=64
    )
    threshold: int = _setting(
        _LIMITS.threshold, "The score from which a result is accepted.", unit="points", ge=0, le=100
    )
    rounds: int = _setting(
        _LIMITS.rounds, "How often the fixer may mend what the judge found.", unit="rounds", ge=0
    )
    turns_per_task: int = _setting(
        _LIMITS.turns_per_task, "Model calls that one task may take.", unit="turns", ge=1
    )
    tokens_per_task: int = _setting(
        _LIMITS.tokens_per_task, "Tokens that one task may use.", unit="tokens", gt=0
    )
    seconds_per_task: int = _setting(
        _LIMITS.seconds_per_task, "Time that one task may take.", unit="seconds", gt=0
    )
    command_seconds: int = _setting(
        _LIMITS.command_seconds,
        "Time that a command of an agent may take where the agent names no other.",
        unit="seconds",
        gt=0,
        le=600,
    )
    profile: str = _setting(
        "python", "The sandbox to work in: the name of a folder of `sandboxes/`.", min_length=1
    )
    skills: Path | None = _setting(
        None, "A folder whose `<role>/SKILL.md` replace the prompts that are shipped."
    )
    state_dir: Path = _setting(
        Path("~/.local/state/swarm"),
        "Where runs are kept.",
        shown="`$XDG_STATE_HOME/swarm`, else `~/.local/state/swarm`",
    )
    replay_pace: float = _setting(
        0.0,
        "How much of its recorded time an answer of a recording takes: 0 none, 1 all.",
        unit="factor",
        ge=0,
    )
    prices: dict[str, Price] = _setting(
        {},
        "Prices by model, beside those that are shipped: `input`, `cached_input`, `cache_write`, `output`, `dated`.",
        unit="USD per 1M tokens",
    )

    @field_validator("base_url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise ValueError("it must be a URL such as http://127.0.0.1:8399/v1")
        return value.rstrip("/")

    @field_validator("api_key")
    @classmethod
    def _header_text(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value().strip()
        if not text.isascii() or any(c.isspace() or not c.isprintable() for c in text):
            raise ValueError("a key has only printable ASCII characters and no spaces")
        return SecretStr(text)

    @field_validator("profile")
    @classmethod
    def _folder_name(cls, value: str) -> str:
        if slug(value) != value:
            raise ValueError("a profile is named with small letters, digits and hyphens")
        return value

    @field_validator("skills", "state_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @model_validator(mode="after")
    def _one_recording(self) -> Settings:
        replayed = {self.model_of(tier) for tier in Tier if self.model_of(tier).startswith(REPLAY)}
        live = [tier.value for tier in Tier if not self.model_of(tier).startswith(REPLAY)]
        if len(replayed) > 1 or (replayed and live):
            raise ValueError(
                "a replay takes all answers from one recording: set `model` and no model of a tier"
            )
        return self

    def model_of(self, tier: Tier) -> str:
        """The model name of a tier."""
        name: str = getattr(self, f"{tier.value}_model")
        return name

    def model_for(self, role: str) -> str:
        """The model name that serves a role."""
        return self.model_of(tier_of(role))

    @property
    def replay_file(self) -> Path | None:
        """The recording that answers instead of a model; None where a model does."""
        name = self.model_of(Tier.CODER)
        return Path(name.removeprefix(REPLAY)).expanduser().absolute() if name.startswith(REPLAY) else None

    def price_of(self, model: str) -> Price | None:
        """The price of a model: the user's, else the shipped one, else None."""
        return self.prices.get(model) or DEFAULT_PRICES.get(model)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """The models in use whose price is unknown: with one of them, a money budget can't be kept."""
        names = dict.fromkeys(self.model_of(tier) for tier in Tier)
        return tuple(n for n in names if not n.startswith(REPLAY) and self.price_of(n) is None)

    def limits(self) -> Limits:
        """The bounds of a run; UsageFault for a money budget with a model whose price is unknown."""
        if self.budget_usd is not None and self.unpriced:
            names = ", ".join(self.unpriced)
            raise UsageFault(
                f"A money budget needs a price, and none is known for {names}",
                where="budget_usd",
                remedy=f'Add [prices."{self.unpriced[0]}"] to swarm.toml, or use --budget-tokens.',
            )
        return Limits(
            agents=self.agents,
            tokens=self.budget_tokens,
            usd=self.budget_usd,
            threshold=self.threshold,
            rounds=self.rounds,
            turns_per_task=self.turns_per_task,
            tokens_per_task=self.tokens_per_task,
            seconds_per_task=self.seconds_per_task,
            command_seconds=self.command_seconds,
        )


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    env: Mapping[str, str] | None = None,
    repository: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings in force: flags, then environment, then a trusted repository's, then `swarm.toml`, then defaults.

    A flag that is None was not given. `repository` are the `overrides` of a trusted RepositorySettings. Within each
    source `model` stands for the models of all tiers that the source does not name. UsageFault says which source has
    the wrong value.
    """
    env = os.environ if env is None else env
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    check_keys(given, Settings.model_fields, where="the command line")
    file = config_file(env)
    layers = (
        Layer(Settings, given, lambda name: f"--{name.replace('_', '-')}"),
        Environment(Settings, env),
        Layer(Settings, repository or {}, lambda name: f"{name} in the repository's swarm.toml"),
        Layer(Settings, read_file(file, Settings.model_fields), lambda name: f"{name} in {file}"),
        Layer(Settings, {"state_dir": state_home(env) / "swarm"}, lambda name: name),
    )

    try:
        # The sources are given here and not found by the class, so that a test and a server can have their own.
        return Settings(_build_sources=(layers, {}))
    except ValidationError as error:
        raise _fault(error, layers) from error


def _fault(error: ValidationError, layers: tuple[Layer, ...]) -> UsageFault:
    path, text = first_problem(error)
    name = path[0] if path else "model"
    source = next((layer for layer in layers if name in layer.values), None)
    inner = f", {'.'.join(path[1:])}" if len(path) > 1 else ""
    where = source.place(name) if source else name
    return UsageFault(f"The setting {name!r} has a value that can't be used{inner}: {text}", where=where)
