"""From blueprint to plan: parsing, partition, cost, contracts as code, scheduling; pure functions over the domain."""
