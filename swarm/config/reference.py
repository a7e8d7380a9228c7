"""The settings as a document. `docs/configuration.md` is this text; a test says when it is out of date.

To write it anew: `python -m swarm.config.reference docs/configuration.md`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from swarm.config.prices import DEFAULT_PRICES
from swarm.config.settings import Settings
from swarm.config.sources import COMMON_NAMES

_INTRO = """# Configuration

Made from `swarm/config/settings.py` by `python -m swarm.config.reference docs/configuration.md`;
a test keeps it current.

A value is taken from the first of these that has it:

1. the flag of a command (`--budget-tokens 500000`);
2. the environment: `SWARM_` and the setting's name in capitals (`SWARM_BUDGET_TOKENS=500000`), tables as JSON;
3. with `--trust-repo`, the target repository's `swarm.toml`;
4. `$XDG_CONFIG_HOME/swarm/swarm.toml` (else `~/.config/swarm/swarm.toml`), one `name = value` for each setting;
5. the default.

`model` stands for the models of all tiers that the same source does not name. An unknown name in the file is an error.

| setting | type | default | unit | meaning |
|---|---|---|---|---|
"""

_REPOSITORY = """
## A repository's own `swarm.toml`

At the top of a target repository, read at the base commit:

```toml
profile = "python"            # the sandbox to work in

[checks]
commands = ["make test"]      # each must exit 0 on a good tree
setup = ["pip install -e ."]  # run in every fresh sandbox
```

Everything else (endpoint, keys, models, skills, limits) is taken from your own configuration alone: what a repository
sets of it is ignored, and said, unless you run with `--trust-repo`.

## Prices

In US dollars per million tokens, public list prices on the day given. Add or replace in `swarm.toml`:

```toml
[prices."my-model"]
input = 1.0
cached_input = 0.1
output = 5.0
dated = "2026-11-20"
```

A model without a price works; `--budget-usd` is refused with it. Surcharges for very long prompts are not represented.

| model | input | cached input | cache write | output | dated |
|---|---|---|---|---|---|
"""


def configuration_markdown() -> str:
    """The whole of docs/configuration.md."""
    settings = "".join(_row(name, field) for name, field in Settings.model_fields.items())
    return _INTRO + settings + _REPOSITORY + "".join(_price_rows())


def _row(name: str, field: FieldInfo) -> str:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    text = field.description or ""
    if name in COMMON_NAMES and COMMON_NAMES[name] not in text:
        text += f" `{COMMON_NAMES[name]}` is read too."
    cells = [
        f"`{name}`",
        _type(field.annotation),
        extra.get("shown") or _default(field.default),
        extra.get("unit"),
        text,
    ]
    return f"| {' | '.join(str(cell or '') for cell in cells)} |\n"


def _type(annotation: Any) -> str:
    if get_origin(annotation) is dict:
        return "table"
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not type(None)]
    names = {"str": "text", "SecretStr": "secret", "int": "integer", "float": "number", "Path": "path"}
    return " or ".join(names[kind.__name__] for kind in kinds)


def _default(value: object) -> str:
    if value is None or value in ("", {}):
        return ""
    return f"`{value}`"


def _price_rows() -> list[str]:
    rows = []
    for model, price in DEFAULT_PRICES.items():
        numbers = [price.input, price.cached_input, price.cache_write, price.output]
        cells = [f"`{model}`", *("" if n is None else f"{n:g}" for n in numbers), price.dated]
        rows.append(f"| {' | '.join(cells)} |\n")
    return rows


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(configuration_markdown(), encoding="utf-8")
