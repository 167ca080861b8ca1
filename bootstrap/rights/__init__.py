"""What each role may do, by what it is for: statements and nothing else."""
