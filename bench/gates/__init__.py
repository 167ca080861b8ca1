"""Rules that decide about a candidate, ours and other people's, over the same traffic."""
