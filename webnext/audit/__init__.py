"""The audit log: Postgres, and what keeps an entry while Postgres is away."""
