"""Which model serves which role: roles share four tiers, and each tier is one setting."""

from __future__ import annotations

from enum import StrEnum

from swarm.domain.errors import InternalFault
from swarm.domain.ids import slug
from swarm.domain.plan import Role


class Tier(StrEnum):
    """A class of model: what it costs and what it has to be able to do."""

    PLANNER = "planner"
    CODER = "coder"
    PREMIUM = "premium"
    JUDGE = "judge"


_TIERS = {
    Role.PLANNER: Tier.PLANNER,
    Role.CODER: Tier.CODER,
    Role.TEST_WRITER: Tier.CODER,
    Role.SOLO: Tier.CODER,
    Role.INTEGRATOR: Tier.PREMIUM,
    Role.FIXER: Tier.PREMIUM,
    Role.JUDGE: Tier.JUDGE,
}


def tier_of(role: str) -> Tier:
    """The tier of a role, however its name is spelled; InternalFault for a role that there is not."""
    for known, tier in _TIERS.items():
        if known.value == slug(role):
            return tier
    raise InternalFault(f"No model tier is known for the role {role!r}", where="swarm/config/tiers.py")
