"""Where settings come from. Each source is read once, whole, and can say where a value of it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsError
from pydantic_settings.sources.utils import parse_env_vars

from swarm.config.tiers import Tier
from swarm.config.toml import check_keys, parse_toml
from swarm.domain.errors import UsageFault

# The names that every OpenAI client reads; ours, with the prefix, come first.
COMMON_NAMES = {"base_url": "OPENAI_BASE_URL", "api_key": "OPENAI_API_KEY"}

_PATHS = ("skills", "state_dir")


class Layer(PydanticBaseSettingsSource):
    """A source whose values are known; `place` says where one of them stands, for people."""

    def __init__(
        self, kind: type[BaseSettings], values: Mapping[str, Any], place: Callable[[str], str]
    ) -> None:
        super().__init__(kind)
        self.values = for_all_tiers(values)
        self.place = place

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self.values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self.values


class Environment(Layer):
    """`SWARM_<SETTING>` (tables as JSON), and the common names of endpoint and key."""

    def __init__(self, kind: type[BaseSettings], env: Mapping[str, str]) -> None:
        super().__init__(kind, _read_environment(kind, env), lambda name: _variable(name, env))


def _read_environment(kind: type[BaseSettings], env: Mapping[str, str]) -> dict[str, Any]:
    source = EnvSettingsSource(kind)
    source.env_vars = parse_env_vars(env, ignore_empty=True)
    try:
        values = source()
    except SettingsError as error:
        raise UsageFault(
            "An environment variable that holds a table must be JSON", where=str(error)
        ) from error
    common = {name: env[variable] for name, variable in COMMON_NAMES.items() if env.get(variable)}
    return common | values


def _variable(name: str, env: Mapping[str, str]) -> str:
    ours = f"SWARM_{name.upper()}"
    return ours if env.get(ours) else COMMON_NAMES.get(name, ours)


def for_all_tiers(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of one source with its `model` given to all tiers that it does not name.

    Done per source, so that `--model` beats a tier's model that the file names.
    """
    model = values.get("model")
    tiers = {f"{tier.value}_model": model for tier in Tier} if model else {}
    return tiers | dict(values)


def read_file(path: Path, known: Iterable[str]) -> dict[str, Any]:
    """The user's `swarm.toml`; nothing where there is none. Relative folders are those beside the file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageFault(f"The settings file can't be read: {error.strerror}", where=str(path)) from error
    values = parse_toml(data, where=str(path))
    check_keys(values, known, where=str(path))
    return beside(values, path.parent)


def beside(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The values with their relative folders made those of `folder`."""
    result = dict(values)
    for name in _PATHS:
        if isinstance(result.get(name), str):
            result[name] = folder / Path(result[name]).expanduser()
    return result


def config_file(env: Mapping[str, str]) -> Path:
    """`$XDG_CONFIG_HOME/swarm/swarm.toml`."""
    return _xdg(env, "XDG_CONFIG_HOME", ".config") / "swarm" / "swarm.toml"


def state_home(env: Mapping[str, str]) -> Path:
    """`$XDG_STATE_HOME`."""
    return _xdg(env, "XDG_STATE_HOME", ".local/state")


def _xdg(env: Mapping[str, str], variable: str, fallback: str) -> Path:
    path = Path(env.get(variable, ""))
    # The XDG specification: a relative path is invalid and is ignored.
    return path if path.is_absolute() else Path(env.get("HOME") or Path.home()) / fallback
