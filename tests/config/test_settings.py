from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from swarm.config.settings import Settings, load_settings
from swarm.config.tiers import Tier, tier_of
from swarm.domain.errors import InternalFault, UsageFault
from swarm.domain.goal import Limits
from swarm.domain.plan import Role


def load(tmp_path: Path, text: str = "", *, flags: dict[str, Any] | None = None, **env: str) -> Settings:
    folder = tmp_path / "swarm"
    folder.mkdir(exist_ok=True)
    (folder / "swarm.toml").write_text(text)
    return load_settings(flags, env={"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path), **env})


def fault(tmp_path: Path, text: str = "", *, flags: dict[str, Any] | None = None, **env: str) -> str:
    with pytest.raises(UsageFault) as raised:
        load(tmp_path, text, flags=flags, **env)
    return str(raised.value)


def test_defaults_of_limits_are_those_of_the_domain(tmp_path: Path) -> None:
    assert load(tmp_path).limits() == Limits()


def test_a_file_beats_the_default(tmp_path: Path) -> None:
    assert load(tmp_path, "agents = 9").agents == 9


def test_the_environment_beats_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, "agents = 9", SWARM_AGENTS="8").agents == 8


def test_a_flag_beats_the_environment(tmp_path: Path) -> None:
    assert load(tmp_path, "agents = 9", flags={"agents": 7}, SWARM_AGENTS="8").agents == 7


def test_a_flag_that_was_not_given_changes_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, "agents = 9", flags={"agents": None}).agents == 9


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert load(tmp_path, "agents = 9", SWARM_AGENTS="").agents == 9


def test_a_trusted_repository_stands_between_environment_and_file(tmp_path: Path) -> None:
    (tmp_path / "swarm").mkdir()
    (tmp_path / "swarm" / "swarm.toml").write_text("agents = 9\nrounds = 9")
    env = {"XDG_CONFIG_HOME": str(tmp_path), "SWARM_ROUNDS": "5"}
    settings = load_settings(env=env, repository={"agents": 2, "rounds": 2})
    assert (settings.agents, settings.rounds) == (2, 5)


def test_endpoint_and_key_are_read_under_the_names_all_clients_read(tmp_path: Path) -> None:
    settings = load(tmp_path, OPENAI_BASE_URL="http://127.0.0.1:1/v1/", OPENAI_API_KEY=" key\n")
    assert settings.base_url == "http://127.0.0.1:1/v1"
    assert settings.api_key.get_secret_value() == "key"


def test_our_own_name_beats_the_common_one(tmp_path: Path) -> None:
    settings = load(tmp_path, OPENAI_BASE_URL="http://common/v1", SWARM_BASE_URL="http://ours/v1")
    assert settings.base_url == "http://ours/v1"


def test_the_key_is_not_shown(tmp_path: Path) -> None:
    assert "hush" not in repr(load(tmp_path, OPENAI_API_KEY="hush"))


def test_a_key_that_can_be_no_header_is_refused_without_showing_it(tmp_path: Path) -> None:
    text = fault(tmp_path, OPENAI_API_KEY="two words")
    assert "printable" in text
    assert "OPENAI_API_KEY" in text
    assert "two words" not in text


def test_one_model_serves_all_tiers(tmp_path: Path) -> None:
    settings = load(tmp_path, flags={"model": "one"})
    assert {settings.model_for(role) for role in Role} == {"one"}


def test_a_model_flag_beats_the_tiers_of_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, 'coder_model = "small"', flags={"model": "one"})
    assert settings.model_for("coder") == "one"


def test_a_tier_beats_the_model_of_the_same_source(tmp_path: Path) -> None:
    settings = load(tmp_path, 'model = "one"\ncoder_model = "small"')
    assert (settings.model_for("coder"), settings.model_for("judge")) == ("small", "one")


def test_roles_map_to_tiers_however_they_are_spelled() -> None:
    expected = {
        "planner": Tier.PLANNER,
        "coder": Tier.CODER,
        "Test_Writer": Tier.CODER,
        "solo": Tier.CODER,
        "integrator": Tier.PREMIUM,
        "fixer": Tier.PREMIUM,
        "judge": Tier.JUDGE,
    }
    assert {role: tier_of(role) for role in expected} == expected


def test_every_role_has_a_tier() -> None:
    assert {tier_of(role) for role in Role} == set(Tier)


def test_an_unknown_role_is_an_error() -> None:
    with pytest.raises(InternalFault, match="astronaut"):
        tier_of("astronaut")


def test_an_unknown_key_names_file_key_and_the_nearest_known_one(tmp_path: Path) -> None:
    text = fault(tmp_path, "budget_token = 5")
    assert "'budget_token'" in text
    assert "'budget_tokens'" in text
    assert str(tmp_path / "swarm" / "swarm.toml") in text


def test_bad_toml_names_file_and_line(tmp_path: Path) -> None:
    assert f"{tmp_path / 'swarm' / 'swarm.toml'}:2" in fault(tmp_path, "agents = 4\nrounds =\n")


def test_a_file_that_is_no_text_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "swarm").mkdir()
    (tmp_path / "swarm" / "swarm.toml").write_bytes(b"agents = 4\n\xff\xfe")
    with pytest.raises(UsageFault, match=r"UTF-8.*swarm.toml:2"):
        load_settings(env={"XDG_CONFIG_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("text", "flags", "env", "place"),
    [
        ("agents = 0", None, {}, "agents in "),
        ("", {"agents": 0}, {}, "--agents"),
        ("", None, {"SWARM_AGENTS": "many"}, "SWARM_AGENTS"),
        ("", None, {"OPENAI_BASE_URL": "localhost:80"}, "OPENAI_BASE_URL"),
        ('[prices."m"]\ninput = "dear"', None, {}, "prices in "),
        ("", None, {"SWARM_PRICES": "{"}, "prices"),
        ("", {"budget_usd": float("nan")}, {}, "--budget-usd"),
    ],
)
def test_a_wrong_value_says_where_it_stands(
    tmp_path: Path, text: str, flags: dict[str, Any] | None, env: dict[str, str], place: str
) -> None:
    assert place in fault(tmp_path, text, flags=flags, **env)


def test_state_goes_to_the_xdg_folder(tmp_path: Path) -> None:
    assert load(tmp_path, XDG_STATE_HOME="/state").state_dir == Path("/state/swarm")


def test_a_relative_xdg_folder_is_ignored_as_the_specification_says(tmp_path: Path) -> None:
    assert load(tmp_path, XDG_STATE_HOME="state").state_dir == tmp_path / ".local/state/swarm"


def test_folders_of_the_file_are_those_beside_it(tmp_path: Path) -> None:
    assert load(tmp_path, 'skills = "mine"').skills == tmp_path / "swarm" / "mine"


def test_a_recording_answers_for_all_roles(tmp_path: Path) -> None:
    settings = load(tmp_path, 'coder_model = "small"', flags={"model": "replay:/tmp/a.jsonl"})
    assert settings.replay_file == Path("/tmp/a.jsonl")
    assert settings.unpriced == ()


def test_a_recording_for_one_tier_alone_is_refused(tmp_path: Path) -> None:
    assert "one recording" in fault(tmp_path, 'coder_model = "replay:a.jsonl"')


def test_a_known_price_allows_a_money_budget(tmp_path: Path) -> None:
    settings = load(
        tmp_path, '[prices."own"]\ninput = 1.0\noutput = 2.0', flags={"model": "own", "budget_usd": 3.0}
    )
    assert settings.limits().usd == 3.0


def test_an_unknown_price_is_legal_but_refuses_a_money_budget(tmp_path: Path) -> None:
    assert load(tmp_path, flags={"model": "own"}).limits().usd is None
    with pytest.raises(UsageFault, match="none is known for own"):
        load(tmp_path, flags={"model": "own", "budget_usd": 3.0}).limits()


def test_the_users_price_beats_the_shipped_one(tmp_path: Path) -> None:
    price = load(tmp_path, '[prices."gpt-5"]\ninput = 7.0\noutput = 9.0').price_of("gpt-5")
    assert price is not None
    assert price.input == 7.0


def test_the_default_models_have_prices(tmp_path: Path) -> None:
    assert load(tmp_path).unpriced == ()
