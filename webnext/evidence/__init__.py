"""Evidence: where a run's zip is put and fetched, what is noted of it, and what clears it away."""
