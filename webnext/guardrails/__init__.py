"""Guardrails: the executor's thresholds and breaches, and what web-next does about a breach."""
