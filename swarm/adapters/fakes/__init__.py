"""Honest fakes: they behave like the real adapters, errors included, without the outside system."""
