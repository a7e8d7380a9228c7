from __future__ import annotations

import subprocess
from pathlib import Path

from support.world import World

from swarm.adapters.fakes.durable import DirectDurable
from swarm.orchestration.prepare import prepare


def commit(top: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run(["git", "-C", str(top), "add", "."], check=True)
    subprocess.run(["git", "-C", str(top), *identity, "commit", "-qm", "code"], check=True)


async def test_the_import_graph_of_the_repository_is_read_from_its_code(world: World) -> None:
    files = {"app/__init__.py": "", "app/a.py": "from app import b\n", "app/b.py": "X = 1\n"}
    commit(world.repository.path, files)
    services = world.services({})
    prepared = await prepare(services, DirectDurable("test-run", {}), world.goal())
    assert "app/b.py" in prepared.code_uses["app/a.py"]
    assert prepared.brief.files == ("app/__init__.py", "app/a.py", "app/b.py")
