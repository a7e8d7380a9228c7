"""Manifests that the scaffold writes whole, facts from existing code, and goals with very many files."""

from __future__ import annotations

import tomllib
from random import Random
from time import process_time

import pytest

from swarm.domain.blueprint import Blueprint, FileSpec, FileState, Symbol, SymbolKind, Use
from swarm.domain.goal import Brief, Strategy
from swarm.domain.plan import Plan
from swarm.planning.code_graph import import_uses
from swarm.planning.partition import make_plan
from swarm.planning.validate import validate_plan


def module(path: str, *uses: FileSpec, lines: int = 300) -> FileSpec:
    name = path.rsplit("/", 1)[-1].removesuffix(".py")
    symbol = Symbol(name=f"do_{name}", kind=SymbolKind.FUNCTION, signature=f"def do_{name}() -> int")
    used = tuple(Use(path=u.path, symbols=(u.symbols[0].name,)) for u in uses)
    return FileSpec(path=path, purpose=name, symbols=(symbol,), uses=used, lines=lines)


def plan_of(*files: FileSpec, brief: Brief | None = None, dependencies: tuple[str, ...] = ()) -> Plan:
    blueprint = Blueprint(
        summary='Says "hi".', files=files, acceptance=("pytest",), dependencies=dependencies
    )
    brief = brief or Brief(base="0")
    plan = make_plan("g", blueprint, brief, agents=4, strategy=Strategy.SWARM)
    assert validate_plan(plan, brief.files) == ()
    return plan


def shared(plan: Plan) -> dict[str, str]:
    return {s.path: s.content for s in plan.shared}


A, B = module("src/pkg/a.py"), module("src/pkg/b.py")


def test_a_new_manifest_is_written_whole_and_parses() -> None:
    manifest = FileSpec(path="pyproject.toml", purpose="Metadata.")
    text = shared(plan_of(A, B, manifest, dependencies=("httpx>=0.27",)))["pyproject.toml"]
    found = tomllib.loads(text)
    assert found["project"]["name"] == "pkg"
    assert found["project"]["description"] == 'Says "hi".'
    assert found["project"]["dependencies"] == ["httpx>=0.27"]
    assert found["tool"]["pytest"]["ini_options"] == {"testpaths": ["tests"], "pythonpath": ["src"]}


def test_a_manifest_that_declares_more_than_the_blueprint_tells_is_a_tasks_work() -> None:
    manifest = FileSpec(path="pyproject.toml", purpose="Metadata and the console script `pkg`.")
    plan = plan_of(A, B, manifest)
    assert "pyproject.toml" not in shared(plan)
    assert sum("pyproject.toml" in t.owns for t in plan.tasks) == 1


def test_a_changed_manifest_of_an_existing_repository_is_a_tasks_work() -> None:
    manifest = FileSpec(path="pyproject.toml", purpose="Metadata.", state=FileState.CHANGED)
    plan = plan_of(A, B, manifest, brief=Brief(base="0", files=("pyproject.toml", "src/pkg/__init__.py")))
    assert shared(plan) == {}
    assert sum("pyproject.toml" in t.owns for t in plan.tasks) == 1


def test_requirements_ignore_files_and_conftest_are_written_whole() -> None:
    extra = [FileSpec(path=p, purpose="It.") for p in ("requirements.txt", ".gitignore", "tests/conftest.py")]
    found = shared(plan_of(A, B, *extra, dependencies=("httpx", "rich")))
    assert found["requirements.txt"] == "httpx\nrich\n"
    assert "__pycache__/" in found[".gitignore"]
    assert found["tests/conftest.py"] == '"""It."""\n'


def test_packages_get_their_inits_and_folders_that_are_none_do_not() -> None:
    deep = module("src/pkg/inner/c.py")
    scripts = module("scripts/run_it.py")
    old = Brief(base="0", files=("tools/x.py",))
    found = shared(plan_of(A, deep, scripts, module("tools/y.py"), brief=old))
    assert set(found) == {"src/pkg/__init__.py", "src/pkg/inner/__init__.py"}


def test_an_init_with_constants_and_exports_has_both() -> None:
    version = Symbol(name="__version__", kind=SymbolKind.CONSTANT, signature='__version__: str = "1"')
    init = FileSpec(path="src/pkg/__init__.py", purpose="It.", symbols=(version, *A.symbols))
    text = shared(plan_of(A, B, init))["src/pkg/__init__.py"]
    assert text.startswith('"""It."""\n\nfrom __future__ import annotations\n\nfrom pkg.a import do_a\n')
    assert '__all__ = ["__version__", "do_a"]\n\n__version__: str = "1"\n' in text


def test_users_of_a_reexported_name_depend_on_the_file_that_defines_it() -> None:
    init = FileSpec(path="src/pkg/__init__.py", purpose="It.", uses=(Use(path=A.path, symbols=("do_a",)),))
    user = FileSpec(path="app/b.py", purpose="b", uses=(Use(path=init.path, symbols=("do_a",)),), lines=300)
    plan = plan_of(A, init, user)
    assert plan.task("b").soft_depends_on == ("a",)


def test_imports_of_existing_code_are_found_in_every_form() -> None:
    texts = {
        "src/pkg/__init__.py": "from . import a\n",
        "src/pkg/a.py": "import os\nimport pkg.b\nfrom .inner import deep\n",
        "src/pkg/b.py": "def f():\n    from pkg.inner.deep import g\n",
        "src/pkg/inner/__init__.py": "",
        "src/pkg/inner/deep.py": "from ..b import f\n",
        "src/pkg/broken.py": "def (",
    }
    assert import_uses(texts) == {
        "src/pkg/__init__.py": ("src/pkg/a.py",),
        "src/pkg/a.py": ("src/pkg/b.py", "src/pkg/inner/__init__.py", "src/pkg/inner/deep.py"),
        "src/pkg/b.py": ("src/pkg/inner/deep.py",),
        "src/pkg/broken.py": (),
        "src/pkg/inner/__init__.py": (),
        "src/pkg/inner/deep.py": ("src/pkg/b.py",),
    }


@pytest.mark.parametrize("linked", [True, False])
def test_a_goal_of_ninety_files_is_cut_evenly_in_seconds(*, linked: bool) -> None:
    random = Random(3)
    files: list[FileSpec] = []
    for number in range(90):
        uses = random.sample(files, min(len(files), random.randint(0, 3))) if linked else []
        files.append(module(f"pkg/m{number}.py", *uses, lines=random.randint(20, 200)))
    started = process_time()
    plan = plan_of(*files)
    assert process_time() - started < 20
    sizes = [t.size for t in plan.tasks]
    assert len(sizes) == 4
    assert max(sizes) < 1.3 * sum(sizes) / len(sizes)
