"""The agent's tools: what they give, and errors that teach the right form."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.benches import Bench, HubFolder, output, sh, tool

from swarm.adapters.fakes.sandbox import LocalSandboxes
from swarm.domain.conversation import ToolCall
from swarm.domain.errors import SandboxFault
from swarm.ports import Sandbox


@pytest.fixture
def sandbox(hub: HubFolder, tmp_path: Path) -> Iterator[Sandbox]:
    bench = Bench("local", LocalSandboxes(tmp_path / "sandboxes"), hub, "none")
    yield bench.open()
    bench.clean()


def raw(sandbox: Sandbox, name: str, arguments: str) -> str:
    result = sandbox.tool(f"raw-{name}-{arguments}", ToolCall(id="r", name=name, arguments=arguments))
    assert not result.ok
    assert not result.changed
    return result.text


def test_read_file_numbers_lines_and_says_what_is_left_out(sandbox: Sandbox) -> None:
    assert (
        tool(sandbox, "read_file", path="src/app.py").text == "     1\tdef answer():\n     2\t    return 41"
    )
    sandbox.write("long.txt", "".join(f"line {n}\n" for n in range(1, 5001)).encode())
    whole = tool(sandbox, "read_file", path="long.txt").text
    assert whole.endswith("[lines 2001 to 5000 of 5000 left out: call again with start_line=2001]")
    part = tool(sandbox, "read_file", path="long.txt", start_line=4999, end_line=9999).text
    assert part == "  4999\tline 4999\n  5000\tline 5000\n[lines 4999 to 5000 of 5000]"
    assert "has 5000 lines" in tool(sandbox, "read_file", path="long.txt", start_line=6000).text


def test_read_file_stays_within_its_size_even_for_one_enormous_line(sandbox: Sandbox) -> None:
    sandbox.write("wide.json", b"x" * 500_000)
    text = tool(sandbox, "read_file", path="wide.json").text
    assert len(text) < 3000
    assert "498000 characters left out" in text
    sandbox.write("wide.txt", (b"y" * 1000 + b"\n") * 1000)
    text = tool(sandbox, "read_file", path="wide.txt").text
    assert len(text) < 61_000
    assert "call again with start_line=" in text


@pytest.mark.parametrize(
    ("path", "lesson"),
    [
        ("src/ap.py", "did you mean src/app.py?"),
        ("nowhere/app.py", "its folder 'nowhere' does not exist either"),
        ("src", "is a folder: use list_files"),
        ("image.bin", "binary file of 4 bytes"),
        ("pipe", "not a regular file"),
    ],
)
def test_a_file_that_cannot_be_read_is_explained(sandbox: Sandbox, path: str, lesson: str) -> None:
    sandbox.write("image.bin", b"\0\1\2\3")
    output(sandbox, "mkfifo pipe")
    result = tool(sandbox, "read_file", path=path)
    assert not result.ok
    assert lesson in result.text


def test_write_file_makes_folders_keeps_the_mode_and_tells_whether_anything_changed(sandbox: Sandbox) -> None:
    made = tool(sandbox, "write_file", path="a/b/run.sh", content="echo 1\n")
    assert (made.ok, made.changed, made.text) == (True, True, "created a/b/run.sh (1 lines)")
    output(sandbox, "chmod 755 a/b/run.sh")
    assert not tool(sandbox, "write_file", path="a/b/run.sh", content="echo 1\n").changed
    assert tool(sandbox, "write_file", path="a/b/run.sh", content="echo 2\n").text.startswith("replaced")
    assert output(sandbox, "a/b/run.sh") == "2\n"
    refused = tool(sandbox, "write_file", path="src", content="")
    assert (refused.ok, "is a folder" in refused.text) == (False, True)


def test_edit_file_replaces_the_one_match(sandbox: Sandbox) -> None:
    result = tool(sandbox, "edit_file", path="src/app.py", old_text="return 41", new_text="return 42")
    assert (result.ok, result.changed, result.text) == (True, True, "edited src/app.py at line 2")
    assert sandbox.read("src/app.py") == b"def answer():\n    return 42\n"


@pytest.mark.parametrize(
    ("old_text", "lesson"),
    [
        ("x = 1\n", "occurs 2 times in many.py (at lines 1, 3)"),
        (
            "def f():\nreturn 1",
            "lines 5 to 6 differ from it in white space only; they are:\n  def f():\n    return 1",
        ),
        ("     1\tx = 1\n     2\ty = 2", "without the line numbers"),
        ("    return one", "most like its first line is line 6"),
        ("utterly different ~~~~~", "read the file again"),
        ("", "'old_text' is empty"),
    ],
)
def test_an_edit_that_does_not_match_once_says_how_it_would(
    sandbox: Sandbox, old_text: str, lesson: str
) -> None:
    before = b"x = 1\ny = 2\nx = 1\nz = 3\n  def f():\n    return 1\n"
    sandbox.write("many.py", before)
    result = tool(sandbox, "edit_file", path="many.py", old_text=old_text, new_text="new")
    assert not result.ok
    assert not result.changed
    assert lesson in result.text
    assert sandbox.read("many.py") == before


def test_edit_file_keeps_carriage_returns_and_bytes_that_are_no_text(sandbox: Sandbox) -> None:
    sandbox.write("dos.txt", b"one\r\ntwo \xff\r\nthree\r\n")
    result = tool(sandbox, "edit_file", path="dos.txt", old_text="three\n", new_text="3\n4\n")
    assert result.ok, result.text
    assert sandbox.read("dos.txt") == b"one\r\ntwo \xff\r\n3\r\n4\r\n"


def test_list_files_leaves_out_ignored_and_deleted_ones_and_follows_patterns(sandbox: Sandbox) -> None:
    output(
        sandbox,
        "rm README.md; touch x.log; mkdir -p build src/deep tests; touch build/o src/deep/b.py tests/t.py",
    )
    assert tool(sandbox, "list_files").text.split() == [
        ".gitignore",
        "src/app.py",
        "src/deep/b.py",
        "tests/t.py",
    ]
    assert tool(sandbox, "list_files", path="src").text.split() == ["src/app.py", "src/deep/b.py"]
    assert tool(sandbox, "list_files", pattern="*.py").text.split() == [
        "src/app.py",
        "src/deep/b.py",
        "tests/t.py",
    ]
    assert tool(sandbox, "list_files", pattern="src/*.py").text.split() == ["src/app.py"]
    assert tool(sandbox, "list_files", path="src", pattern="deep/**").text.split() == ["src/deep/b.py"]
    assert tool(sandbox, "list_files", path="src/app.py").text == "src/app.py"
    assert tool(sandbox, "list_files", pattern="*.rs").text == "no files"
    assert "no folder 'nowhere'" in tool(sandbox, "list_files", path="nowhere").text


def test_list_files_says_how_many_it_left_out(sandbox: Sandbox) -> None:
    output(sandbox, "mkdir many; cd many; seq -f 'f%g' 1 700 | xargs touch")
    result = tool(sandbox, "list_files", path="many")
    assert len(result.text.splitlines()) == 501
    assert result.text.endswith("[200 more left out: narrow it by path or pattern]")


@pytest.mark.docker
def test_search_gives_lines_with_their_place(docker_bench: Bench) -> None:
    sandbox = docker_bench.open()
    sandbox.write("src/util.py", b"def answer_twice():\n    pass\n")
    sandbox.write("trace.log", b"def answer_ignored\n")
    found = tool(sandbox, "search", pattern=r"def \w+\(")
    assert found.text.splitlines() == ["src/app.py:1:def answer():", "src/util.py:1:def answer_twice():"]
    assert tool(sandbox, "search", pattern="answer", path="src/util.py").data == {"matches": 1}
    assert tool(sandbox, "search", pattern="answer", glob="*.md").text == "no match"
    assert "[1 more matches left out" in tool(sandbox, "search", pattern="def", max_results=1).text
    broken = tool(sandbox, "search", pattern="answer(")
    assert not broken.ok
    assert "unclosed group" in broken.text


@pytest.mark.skipif(shutil.which("rg") is not None, reason="this machine has ripgrep")
def test_search_without_ripgrep_says_what_to_do_instead(sandbox: Sandbox) -> None:
    result = tool(sandbox, "search", pattern="x")
    assert not result.ok
    assert "git grep -n" in result.text


@pytest.mark.parametrize(
    ("command", "changed"),
    [
        ("cat src/app.py > /dev/null", False),
        ("echo i > trace.log; mkdir -p build; echo o > build/o", False),
        ("git add -A; git status", False),
        ("echo x > new.txt", True),
        ("echo x >> src/app.py; git add src/app.py", True),
        ("rm README.md", True),
        ("mv README.md READ.md", True),
    ],
)
def test_run_knows_whether_a_file_that_counts_changed(sandbox: Sandbox, command: str, changed: bool) -> None:
    assert tool(sandbox, "run", command=command).changed is changed


def test_run_says_when_its_time_was_over(sandbox: Sandbox) -> None:
    result = tool(sandbox, "run", command="echo before; sleep 30", timeout=1)
    assert result.text == "before\n[timed out after 1 s; the command and all its processes were stopped]"
    assert result.data["timed_out"]


@pytest.mark.parametrize(
    ("name", "arguments", "lesson"),
    [
        ("read_file", '{"path": ', "the arguments are not valid JSON"),
        ("read_file", "[" * 100_000, "the arguments are not valid JSON"),
        ("read_file", '["src/app.py"]', "must be one JSON object"),
        ("read_file", "{}", "'path' is missing"),
        ("read_file", '{"path": "a", "start_line": "1"}', "'start_line' must be an integer, not \"1\""),
        ("read_file", '{"path": "a", "end_line": true}', "'end_line' must be an integer, not true"),
        ("write_file", '{"path": "a", "contents": "b"}', "no argument 'contents' (did you mean 'content'?)"),
        ("run", '{"command": ["ls"]}', "'command' must be text"),
        ("run", '{"command": " "}', "'command' is empty"),
        ("launch", "{}", "there is no tool 'launch'; the tools are read_file,"),
        ("read_file", '{"path": "a\\u0000b"}', "zero byte"),
    ],
)
def test_wrong_arguments_get_an_error_that_teaches_the_form(
    sandbox: Sandbox, name: str, arguments: str, lesson: str
) -> None:
    assert lesson in raw(sandbox, name, arguments)


def test_the_lesson_has_an_example_that_works(sandbox: Sandbox) -> None:
    text = raw(sandbox, "write_file", "{}")
    example = text.split("Example: ")[1].rstrip(".")
    assert sandbox.tool("e", ToolCall(id="e", name="write_file", arguments=example)).ok


def test_null_for_an_optional_argument_means_left_out_and_raw_newlines_are_fine(sandbox: Sandbox) -> None:
    call = ToolCall(id="1", name="read_file", arguments='{"path": "src/app.py", "start_line": null}')
    assert sandbox.tool("null", call).ok
    call = ToolCall(id="2", name="write_file", arguments='{"path": "n.txt", "content": "a\nb"}')
    assert sandbox.tool("newline", call).ok
    assert sandbox.read("n.txt") == b"a\nb"


def test_text_that_cannot_be_encoded_is_refused_and_the_server_lives(sandbox: Sandbox) -> None:
    assert "surrogates not allowed" in raw(sandbox, "write_file", '{"path": "s.txt", "content": "\\ud800"}')
    assert "null byte" in raw(sandbox, "run", '{"command": "echo \\u0000"}')
    assert sh(sandbox, "echo alive").output == "alive\n"


def test_a_command_longer_than_the_shell_takes_says_so(sandbox: Sandbox) -> None:
    result = tool(sandbox, "run", command="echo " + "x" * 200_000)
    assert not result.ok
    assert "put it into a script" in result.text


ESCAPES = [
    "../outside.txt",
    "/etc/hostname",
    "src/../../outside.txt",
    "link/hostname",
    "/work/repo/../../etc/hostname",
]


def test_no_path_leads_out_of_the_work_tree(bench: Bench) -> None:
    sandbox = bench.open()
    output(sandbox, "ln -s /etc link; echo out > ../outside.txt || true")
    for path in ESCAPES:
        assert_refused(sandbox, path)


def assert_refused(sandbox: Sandbox, path: str) -> None:
    for name, arguments in [
        ("read_file", {}),
        ("write_file", {"content": "x"}),
        ("edit_file", {"old_text": "a", "new_text": "b"}),
        ("list_files", {}),
        ("search", {"pattern": "."}),
    ]:
        result = tool(sandbox, name, path=path, **arguments)
        assert not result.ok, name
        assert "outside the work tree" in result.text, name
    with pytest.raises(SandboxFault, match="outside the work tree"):
        sandbox.write(path, b"x")
    if not path.startswith("/"):
        with pytest.raises(SandboxFault, match="outside the work tree"):
            sandbox.read(path)


def test_the_advertised_root_is_understood_and_the_repository_itself_is_not_written(bench: Bench) -> None:
    sandbox = bench.open()
    assert tool(sandbox, "read_file", path="/work/repo/README.md").ok
    assert tool(sandbox, "write_file", path="/work/repo/abs.txt", content="1").ok
    assert sandbox.read("abs.txt") == b"1"
    for path in (".git/config", ".git", "src/../.git/hooks/pre-commit", "."):
        result = tool(sandbox, "write_file", path=path, content="x")
        assert not result.ok
        assert "not a file of the project" in result.text


def test_reading_a_file_gives_at_most_the_limit_and_none_where_there_is_none(bench: Bench) -> None:
    sandbox = bench.open()
    assert sandbox.read("README.md", limit=3) == b"# A"
    assert sandbox.read("missing.txt") is None
    assert sandbox.read("README.md/below") is None
    sandbox.write("new/folder/data.bin", bytes(range(256)))
    assert sandbox.read("new/folder/data.bin") == bytes(range(256))
