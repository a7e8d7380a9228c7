"""Swarm turns a goal into a reviewed branch: a durable orchestration plans, isolated agents build, code merges."""

__version__ = "0.1.0"
