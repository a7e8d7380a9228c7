"""Changed files by themselves: parsing, conflict markers, placeholder bodies."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.verification.sources import conflict_markers, new_stub_lines, parse_findings, placeholder_findings


@pytest.mark.parametrize(
    ("path", "source", "line"),
    [
        ("a.py", b"x = 1\ny = (\n", 2),
        ("a.py", b"x = 1\nreturn x\n", 2),
        ("a.py", b"x = '\0'\n", 1),
        ("a.py", b"# coding: latin-9x\nx = 1\n", 1),
        ("a.py", b"(" * 5000, 1),
        ("a.json", b'{"a": 1,\n}', 2),
        ("a.toml", b"[a]\nb = \n", 2),
        ("a.yaml", b"a:\n  - b\n c: [\n", 3),
        ("a.yaml", b"[" * 200_000, 1),
        ("a.js", b"const a = 1;\nfunction (x {\n", 2),
    ],
)
def test_a_broken_file_is_named_with_its_line(path: str, source: bytes, line: int) -> None:
    (finding,) = parse_findings({path: source})
    assert finding.startswith(f"{path}:{line}: does not parse: ")


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("a.py", b"import os\nraise SystemExit(os.getcwd())\n"),
        ("a.py", b'pattern = "\\d"\n'),
        ("a.py", "name = 'é'\n".encode("latin-1").join([b"# coding: latin-1\n", b""])),
        ("empty.py", b""),
        ("a.json", b'\xef\xbb\xbf{"a": 1}'),
        ("tsconfig.json", b'{// why\n "a": 1}'),
        ("tests/data/broken.json", b"{"),
        ("a.yml", b"a: !Ref b\n---\nc: d\n"),
        ("chart/a.yaml", b"a: {{ .Values.b }}\n"),
        ("a.jsx", b"export const A = () => <b>{1}</b>;\n"),
        ("a.txt", b"(("),
    ],
)
def test_what_parses_or_has_no_known_format_gives_no_finding(path: str, source: bytes) -> None:
    assert parse_findings({path: source}) == ()


def test_python_too_large_for_the_parser_is_a_finding_and_is_not_parsed() -> None:
    (finding,) = parse_findings({"a.py": b"x = (\n" * 200_000})
    assert finding.startswith("a.py:1: does not parse: too large to be checked: split it")


@pytest.mark.parametrize("lead", ["", "# ", "return", "# TODO ", "/*", "<<<<<<< "])
@pytest.mark.parametrize("piece", ["\n", " ", "=", "*", "implement "])
def test_hostile_sources_are_searched_in_linear_time(lead: str, piece: str) -> None:
    text = lead + piece * (200_000 // len(piece))
    began = time.process_time()
    conflict_markers(text)
    new_stub_lines(text.encode())
    assert time.process_time() - began < 5


def test_markers_of_any_length_are_found_and_underlines_are_not() -> None:
    long = "<" * 31 + " ours\n1\n" + "|" * 31 + " base\n0\n" + "=" * 31 + "\n2\n" + ">" * 31 + " theirs\n"
    assert conflict_markers(long) == (1, 3, 5, 7)
    assert conflict_markers("Title\n=======\n\ntext\n") == ()
    assert conflict_markers("x = a <<<<<<< b\n    <<<<<<< indented\n") == ()
    assert conflict_markers("<<<<<<< HEAD\r\n1\r\n=======\r\n2\r\n>>>>>>> x\r\n") == (1, 3, 5)


@given(st.lists(st.sampled_from(["a = 1", "=======", "", "# text", "<< 7"])))
def test_text_without_angle_markers_is_never_a_conflict(lines: list[str]) -> None:
    assert conflict_markers("\n".join(lines)) == ()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("pass", "only `pass`"),
        ("...", "only `...`"),
        ("raise NotImplementedError", "not-implemented"),
        ('"""Makes a link."""', "only a docstring"),
        ('"""Makes a link."""\n    pass', "only `pass`"),
        ("pass  # TODO: write", "a to-do"),
        ("return None  # TODO", "a to-do"),
        ("# TODO\n    return []", "a to-do"),
    ],
)
def test_a_body_left_to_be_written_is_found(body: str, why: str) -> None:
    (finding,) = placeholder_findings({}, {"a.py": f"def create(url):\n    {body}\n".encode()})
    assert finding.startswith("a.py:1: the body of `create` is a placeholder (")
    assert why in finding


@pytest.mark.parametrize(
    "source",
    [
        "class Gone(Exception):\n    pass\n",
        "class P(Protocol):\n    def f(self) -> int: ...\n",
        "class A:\n    @abstractmethod\n    def f(self):\n        raise NotImplementedError\n",
        "class A(ABC):\n    def f(self):\n        raise NotImplementedError\n",
        "@overload\ndef f(a: int) -> int: ...\ndef f(a): return a\n",
        "class H(BaseHTTPRequestHandler):\n    def log_message(self, *args):\n        pass\n",
        "class A:\n    def __exit__(self, *a):\n        pass\n",
        "def f():\n    pass  # the base does all of it\n",
        'def f():\n    """Nothing to close."""\n',
        "def f():\n    return None\n",
        "def f(x):\n    if x:\n        pass\n    return 1\n",
    ],
)
def test_a_body_with_a_reason_to_be_empty_is_fine(source: str) -> None:
    assert placeholder_findings({}, {"a.py": source.encode()}) == ()


def test_a_subclass_may_not_leave_what_it_overrides_unimplemented() -> None:
    source = b"class Sqlite(Store):\n    def get(self):\n        raise NotImplementedError\n"
    assert placeholder_findings({}, {"a.py": source})


def test_a_fake_in_a_test_may_do_nothing_and_may_not_be_a_to_do() -> None:
    assert (
        placeholder_findings({}, {"tests/test_a.py": b"class Fake:\n    def close(self):\n        pass\n"})
        == ()
    )
    assert placeholder_findings({}, {"tests/test_a.py": b"def test_a():\n    pass  # TODO\n"})


def test_only_new_placeholders_count() -> None:
    stub = b'def f():\n    raise NotImplementedError("contract: f")\n'
    assert placeholder_findings({"a.py": stub}, {"a.py": stub + b"\nX = 1\n"}) == ()
    assert placeholder_findings({"a.py": b"def f():\n    return 1\n"}, {"a.py": stub})


@pytest.mark.parametrize(
    "text", ["# ... rest of the code", "# ... existing code ...", "# TODO: implement the expiry"]
)
def test_a_comment_that_stands_for_code_is_found(text: str) -> None:
    source = f"def f():\n    x = 1\n    {text}\n    return x\n".encode()
    (finding,) = placeholder_findings({}, {"a.py": source})
    assert finding.startswith("a.py:3: ")
    assert placeholder_findings({"a.py": source}, {"a.py": source}) == ()
