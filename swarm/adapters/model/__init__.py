"""The model endpoint: any OpenAI-compatible Chat Completions server, through the `openai` package.

`client` is the port's implementation (retries, what endpoints do not understand), `wire` the shape of requests and
replies, `faults` the sentences, and `endpoint` the only module that imports `openai`, when the first call is made.
"""

from swarm.adapters.model.client import OpenAIModel

__all__ = ["OpenAIModel"]
