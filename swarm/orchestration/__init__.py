"""The durable workflows: a goal in seven phases, each task a child."""
