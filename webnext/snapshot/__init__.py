"""The snapshot: the audit entries of the last hours, and the state around them, as a CSV file."""
