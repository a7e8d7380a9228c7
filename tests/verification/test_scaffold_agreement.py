"""What planning writes as stubs and what verification asks for are the same contract."""

from __future__ import annotations

import re

from swarm.domain.blueprint import Symbol, SymbolKind
from swarm.domain.goal import Strategy
from swarm.domain.plan import Contract, Plan, Task
from swarm.planning.scaffold import scaffold_files
from swarm.verification.contracts import contract_findings

SYMBOLS = (
    Symbol(name="MAX_AGE", kind=SymbolKind.CONSTANT, signature="MAX_AGE: int = 3600"),
    Symbol(name="StoreError", kind=SymbolKind.ERROR, signature="class StoreError(Exception)"),
    Symbol(name="Gone", kind=SymbolKind.ERROR, signature="class Gone(StoreError)", fields=("code: str",)),
    Symbol(
        name="Link",
        kind=SymbolKind.MODEL,
        signature="class Link",
        fields=("code: str", "url: str", "expires_at: Optional[datetime] = None", "tags: List[str] = []"),
    ),
    Symbol(
        name="Store",
        kind=SymbolKind.CLASS,
        signature="class Store",
        methods=(
            "def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None",
            "def get(self, code: str) -> 'Link | None'",
            "async def flush(self) -> None",
            "@property def size(self) -> int",
        ),
    ),
    Symbol(
        name="create_link",
        kind=SymbolKind.FUNCTION,
        signature="def create_link(store: Store, url: str, ttl: int | None = None) -> Link",
        raises=("Gone",),
    ),
)
CONTRACT = Contract(id="app-store", path="app/store.py", provider="store", symbols=SYMBOLS)
PLAN = Plan(
    goal="a shortener",
    strategy=Strategy.SWARM,
    tasks=(Task(id="store", title="Store", description="", owns=("app/store.py",), provides=("app-store",)),),
    contracts=(CONTRACT,),
)


def test_a_scaffolded_stub_lacks_nothing_but_its_implementation() -> None:
    source = scaffold_files(PLAN, {})["app/store.py"]
    findings = contract_findings(CONTRACT, source.encode())
    assert findings
    assert [f for f in findings if "still the contract's stub" not in f] == []


def test_the_same_stub_with_bodies_keeps_the_contract() -> None:
    source = scaffold_files(PLAN, {})["app/store.py"]
    written = re.sub(r"raise NotImplementedError\(.*\)", "return compute()", source)
    assert contract_findings(CONTRACT, written.encode()) == ()
