-- One row for each idempotency key: which entry it made. Written in the entry's own transaction, so that a key that is
-- there means an entry that is there. Kept for a week.

CREATE TABLE IF NOT EXISTS audit_idempotency (
    key        TEXT        PRIMARY KEY CHECK (char_length(key) BETWEEN 1 AND 255),
    entry_id   BIGINT      NOT NULL,
    entry_ts   TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS idx_audit_idempotency_created ON audit_idempotency (created_at);

CREATE OR REPLACE FUNCTION prune_audit_idempotency(keep INTERVAL DEFAULT '7 days') RETURNS BIGINT
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
    WITH pruned AS (DELETE FROM audit_idempotency WHERE created_at < now() - keep RETURNING 1)
    SELECT count(*) FROM pruned
$$;
REVOKE ALL ON FUNCTION prune_audit_idempotency(INTERVAL) FROM PUBLIC;
