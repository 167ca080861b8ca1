"""Operating the stacks: bring one up, prove it, decide."""
