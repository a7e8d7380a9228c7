"""The user's own repository."""

from swarm.adapters.repository.user import UserRepository

__all__ = ["UserRepository"]
