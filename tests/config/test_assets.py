from __future__ import annotations

from pathlib import Path

import pytest

from swarm.config.assets import Skill, asset, asset_folder, skill
from swarm.domain.errors import EnvironmentFault, UsageFault

FRONT = "---\nname: test-writer\ndescription: Writes tests.\n---\n"


def make_skill(root: Path, name: str, text: str) -> None:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text(text)


def test_a_checkout_has_its_folders_at_the_top() -> None:
    assert (asset_folder("sandboxes") / "python" / "profile.toml").is_file()


def test_a_wheels_folder_comes_before_the_checkouts(tmp_path: Path) -> None:
    for root in ("wheel", "checkout"):
        (tmp_path / root / "contracts").mkdir(parents=True)
    roots = (tmp_path / "wheel", tmp_path / "checkout")
    assert asset_folder("contracts", roots=roots) == tmp_path / "wheel" / "contracts"


def test_a_missing_folder_names_every_place_that_was_looked_at(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault) as raised:
        asset_folder("contracts", roots=(tmp_path / "a", tmp_path / "b"))
    assert str(tmp_path / "a" / "contracts") in str(raised.value)
    assert str(tmp_path / "b" / "contracts") in str(raised.value)


@pytest.mark.parametrize("name", ["test-writer", "test_writer", "Test_Writer", "TestWriter"])
def test_a_skill_is_found_however_its_name_is_spelled(tmp_path: Path, name: str) -> None:
    make_skill(tmp_path / "skills", "test_writer", FRONT + "\nWrite tests.\n\n---\nMore.\n")
    found = skill(name, roots=(tmp_path,))
    assert found == Skill(name="test-writer", description="Writes tests.", text="Write tests.\n\n---\nMore.")


def test_the_users_skill_replaces_the_shipped_one(tmp_path: Path) -> None:
    make_skill(tmp_path / "skills", "coder", FRONT + "shipped")
    make_skill(tmp_path / "mine", "coder", FRONT + "mine")
    assert skill("coder", custom=tmp_path / "mine", roots=(tmp_path,)).text == "mine"


def test_a_role_that_the_user_has_no_skill_for_gets_the_shipped_one(tmp_path: Path) -> None:
    make_skill(tmp_path / "skills", "coder", FRONT + "shipped")
    assert skill("coder", custom=tmp_path / "mine", roots=(tmp_path,)).text == "shipped"


def test_a_missing_skill_names_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault) as raised:
        skill("coder", custom=tmp_path / "mine", roots=(tmp_path,))
    assert str(tmp_path / "mine" / "coder" / "SKILL.md") in str(raised.value)
    assert str(tmp_path / "skills" / "coder" / "SKILL.md") in str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Write code.", "no front matter"),
        ("---\nname: x\n", "no front matter"),
        ("---\ndescription: x\n---\ntext", "name: field required"),
        ("---\nname: [\n---\ntext", "not YAML"),
        ("---\nname: x\n---\n\n", "no text"),
    ],
)
def test_a_malformed_skill_says_what_is_wrong_and_where(tmp_path: Path, text: str, words: str) -> None:
    make_skill(tmp_path / "skills", "coder", text)
    with pytest.raises(UsageFault) as raised:
        skill("coder", roots=(tmp_path,))
    assert words in str(raised.value)
    assert str(tmp_path / "skills" / "coder" / "SKILL.md") in str(raised.value)


def test_front_matter_fields_of_other_tools_do_no_harm(tmp_path: Path) -> None:
    make_skill(tmp_path / "skills", "coder", "---\nname: coder\nlicense: MIT\n---\ntext")
    assert skill("coder", roots=(tmp_path,)).name == "coder"


def test_an_asset_is_found_with_and_without_its_ending(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "url-shortener.jsonl").write_text("")
    expected = tmp_path / "examples" / "url-shortener.jsonl"
    assert asset("examples", "url_shortener", roots=(tmp_path,)) == expected
    assert asset("examples", "url-shortener.jsonl", roots=(tmp_path,)) == expected


def test_a_missing_asset_names_where_it_was_sought(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    with pytest.raises(EnvironmentFault, match=str(tmp_path / "examples")):
        asset("examples", "nothing", roots=(tmp_path,))
