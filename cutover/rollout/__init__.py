"""A rollout: a candidate's way through the phases, on live metrics, and back."""
