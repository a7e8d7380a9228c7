"""What can be decided without a model: contracts, sources, guards, checks. Pure functions over texts and records."""
