"""Secrets, taken out; everything else, left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.domain.redaction import REDACTED, Redactor


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcDEF123456_-xyz",
        "ghp_abcdefghijklmnop1234",
        "github_pat_11ABCDEFG0abcdefghij",
        "glpat-abcdefghijklmnop12",
        "xoxb-1234567890-abcdef",
        "AKIAABCDEFGHIJKLMNOP",
        "AIza" + "b" * 35,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_key_is_taken_out(secret: str) -> None:
    assert Redactor().clean(f"before '{secret}' after") == f"before '{REDACTED}' after"


def test_an_authorization_header_keeps_its_scheme() -> None:
    assert Redactor().clean("Authorization: Bearer abc123.def456") == f"Authorization: Bearer {REDACTED}"
    assert Redactor().clean('"Authorization": "Basic dXNlcjpwYXNz"') == f'"Authorization": "Basic {REDACTED}"'


@pytest.mark.parametrize(
    "text",
    [
        "Use bearer authentication here.",
        "basic validation of inputs",
        "http://user:pass@example.com is refused",
        "the task-skills-and-disk-layout folder",
        "ghp_short",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert Redactor().clean(text) == text


def test_known_values_are_taken_out_wherever_they_stand() -> None:
    redactor = Redactor(["open-sesame", "open-sesame-longer"])
    assert redactor.clean("xopen-sesame-longery open-sesame") == f"x{REDACTED}y {REDACTED}"


@pytest.mark.parametrize("short", ["", "a", "test"])
def test_values_too_short_to_be_keys_are_no_secrets(short: str) -> None:
    assert Redactor([short]).clean("a test of a day") == "a test of a day"


def test_values_are_cleaned_at_every_depth_and_keep_their_shape() -> None:
    value = {"open-sesame": [1, None, True, {"x": "open-sesame!"}], "n": 1.5}
    assert Redactor(["open-sesame"]).value(value) == {
        REDACTED: [1, None, True, {"x": f"{REDACTED}!"}],
        "n": 1.5,
    }


@given(st.text(alphabet="abcdef", min_size=6), st.text(), st.text())
def test_a_known_secret_never_survives(secret: str, before: str, after: str) -> None:
    cleaned = Redactor([secret]).clean(before + secret + after)
    assert secret not in cleaned.replace(REDACTED, "|")
