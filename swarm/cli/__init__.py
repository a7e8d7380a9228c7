"""The command line: it parses, renders, chooses exit codes, and is the only room that prints.

Modules here import typer at the top and nothing heavier: `swarm --help` must answer at once, so pydantic, rich and
the wiring are imported inside the commands that need them.
"""
