"""From blueprint to plan: parsing, partition, cost, contracts as code, scheduling. Pure functions over domain values."""
