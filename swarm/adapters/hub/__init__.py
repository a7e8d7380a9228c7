"""The run's bare repository, worked with plain git: the only git that touches what agents made."""

from swarm.adapters.hub.bare import BareHub

__all__ = ["BareHub"]
