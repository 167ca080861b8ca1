"""The gates: what of the live traffic lets a phase pass, holds it, or ends it."""
