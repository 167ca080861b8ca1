"""Whether a running image keeps the service's contract."""
