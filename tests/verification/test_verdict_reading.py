"""The judge's answer: its schema, and how an answer that departs from it in form is read."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.domain.verdict import Finding, Severity, Verdict
from swarm.verification.verdicts import CRITERIA, judge_schema, parse_verdict

ANSWER: dict[str, Any] = {
    "summary": "A small service, well tested.",
    "findings": [
        {
            "file": "app/api.py",
            "line": 12,
            "severity": "major",
            "problem": "No length limit",
            "action": "Limit to 2048",
        }
    ],
    "code_quality_reason": "Clear.",
    "code_quality": 4,
    "code_organisation_reason": "Three modules.",
    "code_organisation": 5,
    "tests_reason": "Limits are covered.",
    "tests": 4,
    "security_reason": "Unbounded input.",
    "security": 3,
}


def read(answer: object) -> Verdict:
    verdict = parse_verdict(answer if isinstance(answer, str) else json.dumps(answer))
    assert isinstance(verdict, Verdict), verdict
    return verdict


def problems(answer: object) -> tuple[str, ...]:
    found = parse_verdict(answer if isinstance(answer, str) else json.dumps(answer))
    assert isinstance(found, tuple)
    return found


def test_an_answer_by_the_schema_is_read_whole() -> None:
    jsonschema.validate(ANSWER, judge_schema())
    verdict = read(ANSWER)
    assert verdict.score(checks_passed=True, threshold=70) == 80
    assert verdict.code_quality.reason == "Clear."
    assert verdict.findings == (
        Finding(
            file="app/api.py",
            line=12,
            severity=Severity.MAJOR,
            problem="No length limit",
            action="Limit to 2048",
        ),
    )


def test_the_schema_is_flat_strict_and_refuses_impossible_marks() -> None:
    schema = judge_schema()
    assert "$ref" not in json.dumps(schema)
    assert schema["required"] == list(schema["properties"])
    assert list(schema["properties"]).index("findings") < list(schema["properties"]).index("code_quality")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**ANSWER, "tests": 6}, schema)


@pytest.mark.parametrize(
    "text",
    ["```json\n{}\n```", "So:\n\n{}\n\nThat is {{all}}.", '{{"verdict": {}}}', "{{}} {}"],
)
def test_fences_talk_and_wrapping_are_forgiven(text: str) -> None:
    assert read(text.format(json.dumps(ANSWER))) == read(ANSWER)


@pytest.mark.parametrize(
    ("raw", "mark"),
    [("4", 4), (4.0, 4), (4.5, 4), (4.6, 5), ("4/5", 4), ("4.0 / 5", 4), ("3 out of 5", 3), (0, 0), (0.4, 0),
     ({"score": 4, "reason": "r"}, 4), ({"rating": "4"}, 4)],
)  # fmt: skip
def test_marks_are_read_in_many_forms(raw: object, mark: int) -> None:
    assert read({**ANSWER, "tests": raw}).tests.score == mark


@pytest.mark.parametrize(
    "raw", [6, -1, "good", "8/10", None, True, [], float("nan"), {"reason": "no mark"}, "4,5,6"]
)
def test_an_impossible_mark_is_sent_back_and_never_guessed(raw: object) -> None:
    (problem,) = problems({**ANSWER, "tests": raw})
    assert problem.startswith("`tests` is ")
    assert "a whole number from 0 to 5" in problem


def test_each_missing_criterion_is_named() -> None:
    assert [p.split("`")[1] for p in problems({"summary": "fine"})] == list(CRITERIA)


@pytest.mark.parametrize("text", ["", "no object here", "[1, 2]", "{broken", '"{}"'])
def test_an_answer_without_an_object_is_sent_back(text: str) -> None:
    assert problems(text)


def test_nested_scores_and_other_names_are_read() -> None:
    scores = {
        "Code Quality": 4,
        "code-organization": 3,
        "testing": 5,
        "security_practice": {"score": 2, "reason": "r"},
    }
    verdict = read({"scores": scores})
    marks = (verdict.code_quality, verdict.code_organisation, verdict.tests, verdict.security)
    assert [m.score for m in marks] == [4, 3, 5, 2]
    assert verdict.security.reason == "r"
    assert verdict.findings == ()


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("Critical", "blocker"),
        ("HIGH", "major"),
        ("error", "major"),
        ("medium", "minor"),
        ("nit", "minor"),
        (None, "minor"),
        (3, "minor"),
    ],
)
def test_severities_have_synonyms(word: object, severity: str) -> None:
    findings = [{"problem": "p", "severity": word}]
    assert read({**ANSWER, "findings": findings}).findings[0].severity == severity


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("just text", Finding(problem="just text")),
        ({"path": "a.py:7", "issue": "p", "fix": "f"}, Finding(file="a.py", line=7, problem="p", action="f")),
        ({"file": "a.py", "line": "12-20", "message": "p"}, Finding(file="a.py", line=12, problem="p")),
        (
            {"file": "a.py", "line": "9" * 5000, "message": "p"},
            Finding(file="a.py", line=10_000_000, problem="p"),
        ),
        ({"file": "a.py", "line": None, "action": "f"}, Finding(file="a.py", problem="f", action="f")),
    ],
)
def test_findings_are_read_in_many_forms(item: object, expected: Finding) -> None:
    assert read({**ANSWER, "findings": [item, {}, "", None]}).findings == (expected,)


KEYS = st.sampled_from([*CRITERIA, "findings", "scores", "x"])
LEAVES = st.none() | st.booleans() | st.floats() | st.text(max_size=20)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=12).map(
    json.dumps
)


@given(st.text() | JSON)
def test_any_text_gives_a_verdict_or_problems(text: str) -> None:
    found = parse_verdict(text)
    assert isinstance(found, Verdict) or (found and all(isinstance(p, str) for p in found))
