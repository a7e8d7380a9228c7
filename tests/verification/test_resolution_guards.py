"""The guards on a merge's result: silent on git's own clean merges, loud on what a careless resolution loses."""

from __future__ import annotations

import random
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from swarm.verification.guards import resolution_findings

BASE = """import os

LIMIT = 10


def load(path):
    text = open(path).read()
    lines = text.splitlines()
    return [line.strip() for line in lines]


def save(path, rows):
    text = "\\n".join(rows)
    with open(path, "w") as stream:
        stream.write(text)
        stream.flush()
    os.replace(path, final(path))


class Store:
    def get(self, key):
        value = self.rows[key]
        return value.copy()

    def put(self, key, value):
        self.rows[key] = value
        self.dirty = True
"""
OURS = BASE.replace("return value.copy()", "self.reads += 1\n        return value.copy()").replace(
    "class Store:", 'def count(path):\n    """How many rows."""\n    return len(load(path))\n\n\nclass Store:'
)
THEIRS = BASE.replace("return value.copy()", "self.check(key)\n        return value.copy()").replace(
    "text.splitlines()", "text.split(chr(10))"
)
GOOD = OURS.replace("self.reads += 1\n", "self.reads += 1\n        self.check(key)\n").replace(
    "text.splitlines()", "text.split(chr(10))"
)


def merge_file(base: str, ours: str, theirs: str) -> tuple[bool, str]:
    """Whether git merges the three cleanly, and its result with diff3 markers."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("ours", "base", "theirs")]
        for path, text in zip(paths, (ours, base, theirs), strict=True):
            path.write_text(text)
        command = ["git", "merge-file", "-p", "-q", "--diff3", "--marker-size=31", *map(str, paths)]
        done = subprocess.run(command, capture_output=True, check=False, cwd=folder)
    return done.returncode == 0, done.stdout.decode()


def rules(
    result: str | None,
    base: str | None = BASE,
    ours: str | None = OURS,
    theirs: str | None = THEIRS,
    path: str = "a.py",
) -> set[str]:
    auto = merge_file(base or "", ours, theirs)[1] if ours is not None and theirs is not None else None
    trees = ({path: None if text is None else text.encode()} for text in (base, ours, theirs, auto, result))
    return {finding.rule for finding in resolution_findings(*trees)}


def test_a_resolution_that_keeps_both_sides_has_no_finding() -> None:
    assert not merge_file(BASE, OURS, THEIRS)[0], "the sample must conflict"
    assert rules(GOOD) == set()


COUNT = 'def count(path):\n    """How many rows."""\n    return len(load(path))\n'
PUT_BODY = "        self.rows[key] = value\n        self.dirty = True\n"
LOAD_BODY = GOOD[GOOD.index("    text = open") : GOOD.index("\n\ndef save")]
SAVE_BODY = GOOD[GOOD.index('    text = "') : GOOD.index("\n\ndef count")]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (
            "        self.check(key)\n",
            "<<<<<<< ours\n        self.check(key)\n=======\n>>>>>>> theirs\n",
            "marker",
        ),
        ("def count(path):", "def count(path:", "syntax"),
        (COUNT, "", "definition-lost"),
        ("    def put(self, key, value):\n" + PUT_BODY, "", "definition-lost"),
        ("LIMIT = 10\n", "", "definition-lost"),
        ("text.split(chr(10))", "text.splitlines()", "definition-reverted"),
        (LOAD_BODY, "    pass\n", "placeholder"),
        (PUT_BODY, "        raise NotImplementedError\n", "placeholder"),
        (PUT_BODY, "        return None\n", "placeholder"),
        ("    os.replace(path, final(path))\n", "    # ... rest of the code\n", "placeholder"),
        (SAVE_BODY, "    save_rows(rows)\n", "collapsed"),
    ],
)
def test_each_loss_is_found_by_its_rule(old: str, new: str, rule: str) -> None:
    assert old in GOOD
    assert rule in rules(GOOD.replace(old, new))


def test_taking_one_side_whole_is_found() -> None:
    assert rules(OURS) == {"clean-lost", "definition-reverted"}
    assert "definition-lost" in rules(THEIRS)


def test_a_dropped_file_is_found_unless_a_side_deleted_it() -> None:
    assert rules(None) == {"file-dropped"}
    assert rules(None, base=None, ours=None) == {"file-dropped"}
    assert rules(None, ours=None) == set()


def test_a_definition_that_a_side_deleted_or_renamed_may_be_gone() -> None:
    renamed = OURS.replace("def save(", "def store(")
    assert "definition-lost" not in rules(GOOD.replace("def save(", "def store("), ours=renamed)


def test_a_definition_may_move_to_another_file() -> None:
    texts = (BASE, OURS, THEIRS, merge_file(BASE, OURS, THEIRS)[1])
    base, ours, theirs, auto = ({"a.py": text.encode()} for text in texts)
    left = GOOD.replace(COUNT, "").encode()
    moved = {"a.py": left, "b.py": COUNT.encode()}
    other = {"a.py": left, "b.py": b"def count(path):\n    return other(path)\n"}
    assert resolution_findings(base, ours, theirs, auto, moved) == ()
    assert resolution_findings(base, ours, theirs, auto, other)


def test_a_lost_class_is_named_once_and_not_with_each_method() -> None:
    gone = GOOD[: GOOD.index("class Store")]
    found = resolution_findings(*({"a.py": x.encode()} for x in (BASE, OURS, THEIRS, "", gone)))
    assert [f.detail for f in found] == ["`Store` (changed by ours) is missing: bring it back"]


def test_markers_that_a_parent_has_are_no_finding() -> None:
    text = "Title\n=======\n<<<<<<< sample\nx\n"
    assert rules(text, text, text + "a\n", text + "a\n", path="a.md") == set()


def test_javascript_is_guarded_like_python() -> None:
    test = "it('adds', () => {\n  expect(f(1)).toBe(2);\n});\n"
    base = "const a = 1;\nexport function f(x) {\n  return x + 1;\n}\n" + test
    ours = base.replace("return x + 1", "return x + 2")
    assert rules(base, base, ours, base, path="a.js") >= {"definition-reverted"}
    assert rules(ours.replace(test, ""), base, ours, base, path="a.js") >= {"definition-lost"}
    assert rules(ours, base, ours, base, path="a.js") == set()


def test_a_body_that_both_sides_emptied_together_is_no_remnant() -> None:
    head, steps = "def f(value):\n    pass\n", [f"    step_{i} = compute_{i}(value)\n" for i in range(12)]
    base, ours, theirs = (head + "".join(steps[a:b]) for a, b in ((0, 12), (6, 12), (0, 6)))
    assert rules(head, base, ours, theirs) == set()
    assert "placeholder" in rules(head, base, ours, base)


def test_a_new_definition_without_a_body_is_a_placeholder() -> None:
    assert "placeholder" in rules(GOOD + "\n\ndef glue(rows):\n    pass\n")


# --- properties: random modules, random edits, git's own merge


def block(name: str, seed: int) -> list[str]:
    rng = random.Random(f"{name}{seed}")
    count = rng.randrange(1, 6)
    return [
        f"def {name}(value):",
        *(f"    step_{name}_{i} = compute_{rng.randrange(10**6)}(value)" for i in range(count)),
    ]


def edited(blocks: dict[str, list[str]], seed: int, who: str) -> dict[str, list[str]]:
    """A side: some functions changed, deleted or added, all with lines that nobody else has."""
    rng = random.Random(f"{who}{seed}")
    result: dict[str, list[str]] = {}
    for name, lines in blocks.items():
        action = rng.choice(["keep", "keep", "change", "insert", "delete", "trim"])
        if action != "delete":
            result[name] = _edit(lines, action, f"{who}_{name}_{seed}", rng)
        if rng.random() < 0.2:
            result[f"{who}_{name}"] = block(f"{who}_{name}", seed)
    return result


def _edit(lines: list[str], action: str, mark: str, rng: random.Random) -> list[str]:
    at = rng.randrange(1, len(lines))
    if action == "change":
        return [*lines[:at], f"    changed_{mark} = value", *lines[at + 1 :]]
    if action == "insert":
        return [*lines[:at], f"    inserted_{mark} = value", *lines[at:]]
    return lines[:-1] if action == "trim" and len(lines) > 2 else lines


def render(blocks: dict[str, list[str]]) -> str:
    return "\n\n\n".join("\n".join(lines) for lines in blocks.values()) + "\n"


def clean_merge(seed: int, names: list[str]) -> tuple[str, str, str, str]:
    blocks = {name: block(name, seed) for name in names}
    base, ours, theirs = (
        render(blocks),
        render(edited(blocks, seed, "ours")),
        render(edited(blocks, seed, "theirs")),
    )
    clean, merged = merge_file(base, ours, theirs)
    assume(clean)
    return base, ours, theirs, merged


NAMES = st.lists(
    st.sampled_from(["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"]),
    min_size=2,
    max_size=8,
    unique=True,
)
SLOW_GIT = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)


@SLOW_GIT
@given(st.integers(0, 10**6), NAMES)
def test_gits_own_clean_merge_has_no_finding(seed: int, names: list[str]) -> None:
    base, ours, theirs, merged = clean_merge(seed, names)
    found = resolution_findings(*({"m.py": x.encode()} for x in (base, ours, theirs, merged, merged)))
    assert found == ()


@SLOW_GIT
@given(st.integers(0, 10**6), NAMES, st.randoms(use_true_random=False))
def test_a_definition_removed_from_a_clean_merge_is_always_found(
    seed: int, names: list[str], rng: random.Random
) -> None:
    base, ours, theirs, merged = clean_merge(seed, names)
    blocks = merged.rstrip("\n").split("\n\n\n")
    assume(len(blocks) > 1)
    victim = rng.randrange(len(blocks))
    result = "\n\n\n".join(blocks[:victim] + blocks[victim + 1 :]) + "\n"
    found = resolution_findings(*({"m.py": x.encode()} for x in (base, ours, theirs, merged, result)))
    name = blocks[victim].split("(")[0].removeprefix("def ")
    assert [f.rule for f in found if f"`{name}`" in f.detail] == ["definition-lost"]
