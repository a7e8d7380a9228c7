"""Whatever a model answers, planning gives a value: a blueprint, a plan, or sentences."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm.domain.blueprint import Blueprint, FileSpec, Symbol
from swarm.domain.goal import Brief, Strategy
from swarm.planning.blueprint import parse_blueprint, validate_blueprint
from swarm.planning.partition import make_plan
from swarm.planning.planfile import plan_from_yaml
from swarm.planning.scaffold import contract_text, scaffold_files
from swarm.planning.validate import validate_plan

_FIELDS = [*Blueprint.model_fields, *FileSpec.model_fields, *Symbol.model_fields, "blueprint", "x"]
KEYS = st.sampled_from(sorted(set(_FIELDS)))
PATHS = st.sampled_from(["a.py", "pkg/b.py", "tests/test_a.py", "web/a.js", "pkg/__init__.py", "a" * 300, ""])
SIGNATURES = st.sampled_from(
    ["def f(a: B) -> C", "class C(", "x: int = []", "X: int = 1", "GET /x", "a: 'b", "@x"]
)
BROKEN = st.sampled_from(
    ["[", "{", "```", '"', "\\", "def f(self): pass", "lambda: 0", "class A: 1\nclass B: 2", "\0"]
)
CHOICES = st.sampled_from(["function", "model", "error", "new", "f", "C", "async", "1e999"])
WORDS = PATHS | SIGNATURES | BROKEN | CHOICES
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=8)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=40,
)
SYMBOL = st.dictionaries(KEYS, WORDS | st.lists(WORDS, max_size=3), max_size=7)
FILE = st.fixed_dictionaries(
    {"path": PATHS, "purpose": WORDS},
    optional={
        "symbols": st.lists(SYMBOL, max_size=3),
        "uses": st.lists(
            st.fixed_dictionaries({"path": PATHS, "symbols": st.lists(WORDS, max_size=2)}), max_size=3
        ),
        "tests": st.lists(WORDS, max_size=2),
    },
)
NEAR = st.fixed_dictionaries({"files": st.lists(FILE, max_size=4), "acceptance": st.lists(WORDS, max_size=2)})
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RELAXED
@given(JSON | NEAR, st.integers(0, 400))
def test_any_answer_whole_or_cut_off_gives_a_blueprint_or_sentences(value: object, cut: int) -> None:
    text = json.dumps(value)
    for answer in (text, text[:cut], f"Well, [here] it is:\n{text}"):
        parsed = parse_blueprint(answer)
        problems = validate_blueprint(parsed, ("old.py",)) if isinstance(parsed, Blueprint) else parsed
        assert all(p.endswith(".") for p in problems)


@RELAXED
@given(NEAR, st.sampled_from(list(Strategy)))
def test_whatever_passes_the_rules_becomes_a_valid_plan_and_files(value: object, strategy: Strategy) -> None:
    parsed = parse_blueprint(json.dumps(value))
    if not isinstance(parsed, Blueprint) or validate_blueprint(parsed, ()):
        return
    plan = make_plan("g", parsed, Brief(base="0"), agents=3, strategy=strategy)
    assert validate_plan(plan, ()) == ()
    assert all(isinstance(t, str) for t in scaffold_files(plan, {}).values())
    assert all(contract_text(c) for c in plan.contracts)


@RELAXED
@given(st.text() | JSON.map(json.dumps))
def test_any_plan_file_gives_a_plan_or_sentences(text: str) -> None:
    found = plan_from_yaml(text, "plan.yaml")
    sentences = found if isinstance(found, tuple) else ()
    assert all(p.startswith("plan.yaml:") for p in sentences)
