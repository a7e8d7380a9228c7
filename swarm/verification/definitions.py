"""The definitions of a source file by name, from tree-sitter: what a merge has to keep.

Python and JavaScript. Top-level functions, classes, methods, assignments, and calls such as `it("does x", …)`.
A file in another language has none.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

import tree_sitter_javascript
import tree_sitter_python
from tree_sitter import Language, Node, Parser

_LANGUAGES = {
    ".py": "python",
    ".pyi": "python",
    ".js": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".jsx": "javascript",
}
_FUNCTIONS = {
    "function_definition",
    "function_declaration",
    "generator_function_declaration",
    "method_definition",
}
_CLASSES = {"class_definition", "class_declaration"}
_VALUES = {"field_definition"}
_LAMBDAS = {"arrow_function", "function_expression", "function", "generator_function"}
_WRAPPERS = {"decorated_definition": "definition", "export_statement": "declaration"}
_SCOPES = {
    "if_statement", "try_statement", "block", "else_clause", "elif_clause", "except_clause", "finally_clause",
    "with_statement", "statement_block", "expression_statement", "parenthesized_expression", "call_expression",
    "arguments", "arrow_function", "function_expression",
}  # fmt: skip
_IMPORT = re.compile(
    r"^\s*(import\b|from\s+\S+\s+import\b|export\s.*\bfrom\b|(const|let|var)\b.*\brequire\()"
)
_TODO = re.compile(r"(?i)\b(TODO|FIXME|XXX|not[ _]?implemented|placeholder|omitted|rest of|stub)\b")
_THROW = re.compile(r"throw new Error\(.*(implement|todo)", re.IGNORECASE | re.DOTALL)
_NOTHING = re.compile(r"return(\s+(None|null|undefined|\{\}|\[\]|\(\)|\"\"|''))?;?$")
_ABSTRACT = re.compile(r"@(?:\w+\.)*(abstractmethod|abstractproperty|overload|abstract\w+)\b")
_WHY = re.compile(
    r"(?i)\b(nothing|no-?op|ignor\w+|not needed|silen\w+|quiet\w*|discard\w*|hook|intentional\w*|subclass\w*)\b"
)
_CASE = re.compile(r"(describe|context|suite|it|test|specify)\b.* ")
_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Definition:
    """One name, all its definitions in the file together (overloads, property and setter).

    `digest` is blind to white space, quotes and trailing commas; `lines` counts its significant lines; `stub` says how
    a function's body does nothing (`pass`, `...`, `raise`, `return`, `docstring`, `empty`, `todo`; empty string: it
    does something); `intended` that such a body has its reason (abstract, overload, override, said in words).
    """

    name: str
    kind: str
    line: int
    digest: str
    lines: Counter[str]
    stub: str
    intended: bool

    @property
    def size(self) -> int:
        """How many significant lines it has."""
        return self.lines.total()

    @property
    def tail(self) -> str:
        """The name without its class."""
        return self.name.rpartition(".")[2]


def language_of(path: str) -> str:
    """`python`, `javascript`, or an empty string."""
    return _LANGUAGES.get(PurePosixPath(path).suffix, "")


def squash(line: str) -> str:
    """A line without its white space."""
    return "".join(line.split())


def significant(text: str) -> Counter[str]:
    """The lines that carry meaning, squashed: four word characters or more, and no import (judged by use)."""
    return Counter(
        squash(x) for x in text.split("\n") if len(re.sub(r"\W", "", x)) >= 4 and not _IMPORT.match(x)
    )


def definitions(path: str, source: bytes) -> dict[str, Definition]:
    """The definitions of a file by qualified name (`Class.method`); empty for a language that is not known."""
    language = language_of(path)
    return _definitions(language, source) if language else {}


def syntax_error_line(path: str, source: bytes) -> int:
    """The line of the first fault that tree-sitter sees, 0 for none or an unknown language."""
    language = language_of(path)
    if not language:
        return 0
    node = _parser(language).parse(source).root_node
    while node.has_error and not (node.is_error or node.is_missing):
        node = next((c for c in node.children if c.has_error or c.is_missing), node.children[0])
    return node.start_point.row + 1 if node.is_error or node.is_missing else 0


@lru_cache(maxsize=4)
def _parser(language: str) -> Parser:
    grammar = tree_sitter_python.language() if language == "python" else tree_sitter_javascript.language()
    return Parser(Language(grammar))


@lru_cache(maxsize=256)
def _definitions(language: str, source: bytes) -> dict[str, Definition]:
    found: dict[str, list[tuple[Node, Node]]] = {}
    for name, outer, inner in _walk(_parser(language).parse(source).root_node, "", 0):
        found.setdefault(name, []).append((outer, inner))
    return {name: _definition(name, nodes) for name, nodes in found.items()}


def _walk(
    node: Node, prefix: str, depth: int, *, inside_call: bool = False
) -> Iterator[tuple[str, Node, Node]]:
    """(qualified name, whole node with decorators, node with the body) of each definition in a scope."""
    for child in node.named_children:
        named = _named(child)
        if not named and child.type in _SCOPES and depth < _DEPTH:
            yield from _walk(child, prefix, depth + 1, inside_call=inside_call)
        for name, inner in named:
            if inside_call and not _CASE.match(name):
                continue  # a local of a test, not a definition
            yield prefix + name, child, inner
            body = inner.child_by_field_name("body")
            if body is None or depth >= _DEPTH:
                continue
            if inner.type in _CLASSES | {"class"}:
                yield from _walk(body, f"{prefix}{name}.", depth + 1)
            elif inner.type in _LAMBDAS and inner.parent is not None and inner.parent.type == "arguments":
                yield from _walk(body, f"{prefix}{name}.", depth + 1, inside_call=True)


def _named(node: Node) -> list[tuple[str, Node]]:
    """The names that a statement defines, each with the node of its body or value."""
    if node.type in _WRAPPERS:
        inner = node.child_by_field_name(_WRAPPERS[node.type])
        if inner is None and node.type == "export_statement":
            value = node.child_by_field_name("value")
            return [("default", value)] if value is not None else []
        return _named(inner) if inner is not None else []
    if node.type in _FUNCTIONS | _CLASSES | _VALUES:
        name = node.child_by_field_name("name") or node.child_by_field_name("property")
        return [(_text(name), node)] if name is not None else []
    if node.type in ("lexical_declaration", "variable_declaration") and not _IMPORT.match(_text(node)):
        return [n for child in node.named_children for n in _declarator(child)]
    if node.type == "expression_statement" and node.named_child_count:
        return _expression(node.named_children[0])
    return []


def _declarator(node: Node) -> list[tuple[str, Node]]:
    name = node.child_by_field_name("name")
    if name is None or name.type != "identifier":
        return []
    return [(_text(name), node.child_by_field_name("value") or node)]


def _expression(node: Node) -> list[tuple[str, Node]]:
    if node.type in ("assignment", "assignment_expression"):
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is not None and left.type in ("identifier", "member_expression", "attribute"):
            return [(_text(left), right or node)]
    if node.type == "call_expression":
        function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        given = arguments.named_children if arguments is not None else []
        if function is not None and len(given) > 1 and given[0].type in ("string", "template_string"):
            return [(f"{_text(function)} {_text(given[0])}", given[-1])]
    return []


def _definition(name: str, nodes: list[tuple[Node, Node]]) -> Definition:
    text = "\n".join(_text(outer) for outer, _ in nodes)
    outer, inner = nodes[-1]
    stubs = [_stub(body) for _, body in nodes]
    stub = stubs[-1] if all(stubs) else ""
    return Definition(
        name=name,
        kind="class" if inner.type in _CLASSES | {"class"} else "function" if _has_body(inner) else "value",
        line=nodes[0][0].start_point.row + 1,
        digest=hashlib.sha256(re.sub(r"[\s,;]", "", text).replace("'", '"').encode()).hexdigest(),
        lines=significant(text),
        stub=stub,
        intended=bool(stub) and _is_intended(name, text, outer, inner, stub),
    )


def _is_intended(name: str, text: str, outer: Node, inner: Node, stub: str) -> bool:
    return (
        bool(_ABSTRACT.search(text)) or _is_override(name, outer, raises=stub == "raise") or _says_why(inner)
    )


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _has_body(node: Node) -> bool:
    return node.type in _FUNCTIONS | _LAMBDAS


def _statements(body: Node) -> list[Node]:
    """The statements of a body, comments and the docstring left out."""
    kept = [c for c in body.named_children if c.type != "comment"]
    return [c for i, c in enumerate(kept) if not (i == 0 and _is_string(c))]


def _is_string(node: Node) -> bool:
    inner = node.named_children[0] if node.type == "expression_statement" and node.named_child_count else node
    return inner.type in ("string", "concatenated_string")


def _stub(node: Node) -> str:
    """How a function's body does nothing; empty for one that does something, and for classes and values."""
    body = node.child_by_field_name("body")
    if body is None or not _has_body(node) or body.type not in ("block", "statement_block"):
        return ""
    statements = _statements(body)
    if len(statements) > 1:
        return ""
    # tree-sitter hangs a comment after the last statement on the parent: the whole function is searched for it.
    todo = bool(_TODO.search(" ".join(_comments(node))))
    if not statements:
        silent = not any(_is_string(c) for c in body.named_children)
        return "todo" if todo else "empty" if silent else "docstring"
    text = _text(statements[0]).strip()
    if text in ("pass", "...") or not text.strip(";"):
        return "todo" if todo else text
    if re.match(r"raise\s+NotImplementedError\b", text) or _THROW.match(text):
        return "raise"
    if _NOTHING.match(text):
        return "todo" if todo else "return"
    return ""


def _comments(node: Node) -> list[str]:
    found = [_text(node)] if node.type == "comment" else []
    sibling = node.next_named_sibling
    if _has_body(node) and sibling is not None and sibling.type == "comment":
        same_line = sibling.start_point.row == node.end_point.row
        found += [_text(sibling)] if same_line else []
    return found + [text for child in node.named_children for text in _comments(child)]


def _is_override(name: str, outer: Node, *, raises: bool) -> bool:
    """Whether a method does nothing because its class is abstract, or because it silences what a base does.

    One that raises silences nothing: only an abstract class excuses it.
    """
    if not raises and re.fullmatch(r"__\w+__", name.rpartition(".")[2]):
        return True
    node = outer.parent
    while node is not None and node.type not in _CLASSES:
        node = node.parent
    if node is None:
        return False
    bases = node.child_by_field_name("superclasses")
    if bases is None:
        return not raises and any(c.type == "class_heritage" for c in node.named_children)
    return not raises or bool(re.search(r"\b(ABC|ABCMeta|Protocol)\b", _text(bases)))


def _says_why(node: Node) -> bool:
    """Whether words explain an empty body: a comment other than a to-do, or a docstring that says it does nothing."""
    comments = " ".join(_comments(node))
    if comments:
        return not _TODO.search(comments)
    body = node.child_by_field_name("body")
    first = next((c for c in body.named_children if c.type != "comment"), None) if body is not None else None
    return first is not None and _is_string(first) and bool(_WHY.search(_text(first)))
