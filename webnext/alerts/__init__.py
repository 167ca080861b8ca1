"""Alerts: taken by the webhook, kept in an outbox, queued in Redis, delivered by the worker."""
