-- One row for each accepted alert, written before its 202: what Redis loses is queued again from here, under the same id.
-- A row is open until its alert is delivered or its dead letter purged; open rows are looked after by the worker.

CREATE TABLE IF NOT EXISTS alert_outbox (
    id         TEXT        PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 255),
    payload    JSONB       NOT NULL,
    trace_id   TEXT        NOT NULL DEFAULT '',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    check_at   TIMESTAMPTZ NOT NULL DEFAULT now() + interval '5 seconds',
    outcome    TEXT        CHECK (outcome IN ('delivered', 'dead', 'purged')),
    errors     JSONB,
    closed_at  TIMESTAMPTZ,
    CONSTRAINT alert_outbox_closed_check CHECK ((closed_at IS NULL) = (outcome IS NULL OR outcome = 'dead'))
);
CREATE INDEX IF NOT EXISTS idx_alert_outbox_open   ON alert_outbox (check_at) WHERE closed_at IS NULL;
CREATE INDEX IF NOT EXISTS idx_alert_outbox_closed ON alert_outbox (closed_at) WHERE closed_at IS NOT NULL;

-- Default privileges let the app insert and read. Of a row it may change what became of it, never what it said.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'audit_writer') THEN
        GRANT UPDATE (check_at, outcome, errors, closed_at) ON alert_outbox TO audit_writer;
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION prune_alert_outbox(keep INTERVAL DEFAULT '7 days') RETURNS BIGINT
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
    WITH pruned AS (DELETE FROM alert_outbox WHERE closed_at < now() - keep RETURNING 1)
    SELECT count(*) FROM pruned
$$;
REVOKE ALL ON FUNCTION prune_alert_outbox(INTERVAL) FROM PUBLIC;
