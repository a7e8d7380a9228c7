"""What the planner is asked, and the skill that teaches it."""

from __future__ import annotations

from pathlib import Path

from swarm.domain.blueprint import Blueprint
from swarm.domain.goal import Brief
from swarm.planning.blueprint import parse_blueprint, validate_blueprint
from swarm.planning.request import planning_request_text

BRIEF = Brief(
    base="0",
    tree="pkg/a.py",
    languages={"Python": 10},
    conventions={"AGENTS.md": "Tabs, please."},
    modules="pkg/a.py: def f() -> int",
    files=("pkg/a.py",),
)
SKILL = Path(__file__).parents[2] / "skills" / "planner" / "SKILL.md"


def test_a_new_repository_is_said_to_be_empty() -> None:
    text = planning_request_text("Make it.", Brief(base="0"))
    assert "# Goal\n\nMake it." in text
    assert "It is empty" in text


def test_an_existing_repository_shows_its_files_symbols_and_conventions() -> None:
    text = planning_request_text("Make it.", BRIEF)
    for part in ("pkg/a.py: def f() -> int", "Tabs, please.", "Python (10 lines)", "`changed`"):
        assert part in text


def test_a_correction_repeats_the_problems_verbatim_and_keeps_the_prefix() -> None:
    first = planning_request_text("Make it.", BRIEF)
    again = planning_request_text(
        "Make it.", BRIEF, problems=("a.py, uses: `x` is…",), previous='{"files": []}'
    )
    assert again.startswith(first.rstrip())
    assert "- a.py, uses: `x` is…" in again
    assert '{"files": []}' in again


def test_the_example_of_the_skill_is_a_sound_blueprint() -> None:
    blueprint = parse_blueprint(SKILL.read_text(encoding="utf-8"))
    assert isinstance(blueprint, Blueprint)
    assert len(blueprint.files) == 6
    assert validate_blueprint(blueprint, ()) == ()


def test_the_skill_has_the_front_matter_of_agent_skills() -> None:
    head = SKILL.read_text(encoding="utf-8").split("---\n")[1]
    assert head.startswith("name: planner\ndescription: ")
