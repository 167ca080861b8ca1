"""The reference web-next: the service's API contract on port 3003, with Postgres behind the audit log."""
