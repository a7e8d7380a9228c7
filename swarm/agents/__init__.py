"""The loop, its tools, prompts and guards; the single calls of planner and judge. The brain's side of an agent."""
