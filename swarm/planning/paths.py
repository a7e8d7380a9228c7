"""What a path says: its language, whether it is a test, which module it is, whether it is sane."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

SOURCE_ROOTS = frozenset({"src", "lib", "python"})
TEST_FOLDERS = frozenset({"tests", "test", "__tests__", "spec"})
NO_PACKAGES = SOURCE_ROOTS | TEST_FOLDERS | {"docs", "scripts", "examples", "benchmarks", "bin"}
ENTRY_STEMS = frozenset(
    {"__main__", "main", "cli", "app", "wsgi", "asgi", "manage", "run", "router", "routes", "urls"}
)
_JS = frozenset({".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".mts"})
_DOCUMENTS = frozenset({".md", ".rst", ".txt", ".adoc"})
_PY_TEST = re.compile(r"^(test_.*|.*_test)\.py$")
_JS_TEST = re.compile(r"^.*[.\-_](test|spec)\.[cm]?[jt]sx?$|^test[.\-_].*\.[cm]?[jt]sx?$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def is_python(path: str) -> bool:
    """Whether the file is Python source."""
    return path.endswith(".py")


def is_javascript(path: str) -> bool:
    """Whether the file is JavaScript or TypeScript source."""
    return PurePosixPath(path).suffix in _JS


def is_document(path: str) -> bool:
    """Whether the file is prose."""
    return PurePosixPath(path).suffix in _DOCUMENTS


def is_test(path: str) -> bool:
    """Whether a test runner collects the file: `test_x.py`, `x_test.py`, `x.test.js` and the like."""
    name = PurePosixPath(path).name
    return bool(_PY_TEST.match(name) or _JS_TEST.match(name))


def is_init(path: str) -> bool:
    """Whether the file is a Python package's `__init__.py`."""
    return PurePosixPath(path).name == "__init__.py"


def is_entry(path: str) -> bool:
    """Whether the name is one that entry points, routers and command lines have by habit."""
    return PurePosixPath(path).stem in ENTRY_STEMS


def stem(path: str) -> str:
    """The file's name without folder and suffix."""
    return PurePosixPath(path).stem


def tested_stem(path: str) -> str:
    """The module name in a test's name: `tests/test_storage.py` → `storage`."""
    return re.sub(r"^test[_.\-]|[_.\-](test|spec)$", "", PurePosixPath(path).name.split(".", maxsplit=1)[0])


def folders(path: str) -> tuple[str, ...]:
    """The folders above a file, outermost first: `a/b/c.py` → `a`, `a/b`."""
    return tuple(str(p) for p in reversed(PurePosixPath(path).parents) if str(p) != ".")


def in_tests(path: str) -> bool:
    """Whether the file lies in a folder of tests."""
    return any(part in TEST_FOLDERS for part in PurePosixPath(path).parts[:-1])


def package_inits(paths: Iterable[str], existing: Collection[str]) -> tuple[str, ...]:
    """The `__init__.py` files that new Python files need, sorted.

    An existing folder with Python files and no `__init__.py` is no package and stays none.
    """
    known = set(existing)
    plain = {str(PurePosixPath(p).parent) for p in known if is_python(p)}
    needed = set()
    for path in paths:
        if not is_python(path) or path in known:
            continue
        for folder in _package_folders(path):
            init = f"{folder}/__init__.py"
            if init not in known and folder not in plain:
                needed.add(init)
    return tuple(sorted(needed))


def _package_folders(path: str) -> tuple[str, ...]:
    """The folders above a file that are importable packages: an unbroken chain up from the file."""
    chain: list[str] = []
    for folder in reversed(folders(path)):
        name = folder.rsplit("/", 1)[-1]
        if not name.isidentifier() or name in NO_PACKAGES:
            break
        chain.append(folder)
    return tuple(chain)


def module_name(path: str, inits: Collection[str] = ()) -> str:
    """The dotted name under which a Python file is imported, given the package inits that are known.

    With `backend/app/__init__.py` but no `backend/__init__.py`, `backend/app/x.py` is `app.x`; without any
    knowledge every folder counts, a leading source root apart.
    """
    parts = list(PurePosixPath(path).with_suffix("").parts)
    chain = folders(path)
    if chain and f"{chain[-1]}/__init__.py" in inits:
        first = len(chain)
        while first > 0 and f"{chain[first - 1]}/__init__.py" in inits:
            first -= 1
        parts = parts[first:]
    elif len(parts) > 1 and parts[0] in SOURCE_ROOTS:
        parts = parts[1:]
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    return ".".join(parts)


def path_problem(path: str) -> str:
    """What is insane about a path of a blueprint or plan, as the end of a sentence; empty when it is sane."""
    parts = path.removesuffix("/").split("/")
    checks = (
        (not path.strip(), "is empty"),
        (bool(_CONTROL.search(path)), "holds a control character"),
        ("\\" in path, "holds a backslash; write folders with /"),
        (
            path.startswith(("/", "~")) or bool(re.match(r"^[A-Za-z]:", path)),
            "is not relative to the repository",
        ),
        (".." in parts, "leaves the repository through `..`"),
        (any(p in ("", ".") for p in parts), "has an empty or `.` folder in it"),
        (any(p.lower() == ".git" for p in parts), "lies in `.git`"),
        (any(p != p.strip() for p in parts), "has white space at the edge of a name"),
        (len(path) > 200, "is longer than 200 characters"),
        (bool(set(path) & set('*?"<>|:')), 'holds one of * ? " < > | :'),
    )
    return next((text for bad, text in checks if bad), "")
