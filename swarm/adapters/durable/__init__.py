"""The durable engine on dbos with SQLite: one database file, one process and one run per folder.

Nothing is imported here: dbos takes half a second, and `swarm --help` must not pay for it.
"""
