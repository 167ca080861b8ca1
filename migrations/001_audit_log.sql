-- The audit log: append-only rows, one partition a month (UTC), kept for ever.
-- The primary key holds ts because a unique index on a partitioned table must contain the partition key.

CREATE TABLE IF NOT EXISTS audit_log (
    id          BIGSERIAL,
    ts          TIMESTAMPTZ NOT NULL DEFAULT now(),
    action      TEXT        NOT NULL,
    result      TEXT        NOT NULL CHECK (result IN ('ok', 'err')),
    strategy_id TEXT,
    trace_id    TEXT,
    details     JSONB,
    PRIMARY KEY (id, ts)
) PARTITION BY RANGE (ts);

CREATE INDEX IF NOT EXISTS idx_audit_ts     ON audit_log (ts DESC);
CREATE INDEX IF NOT EXISTS idx_audit_action ON audit_log (action);
CREATE INDEX IF NOT EXISTS idx_audit_trace  ON audit_log (trace_id);

-- Creates the partitions of the current month and of the given number of months after it; those that exist stay as they are.
CREATE OR REPLACE FUNCTION ensure_audit_partitions(months_ahead INTEGER) RETURNS void
LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    first_day TIMESTAMPTZ;
BEGIN
    FOR offset_months IN 0..months_ahead LOOP
        first_day := date_trunc('month', now()) + make_interval(months => offset_months);
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS %I PARTITION OF audit_log FOR VALUES FROM (%L) TO (%L)',
            'audit_log_' || to_char(first_day, 'YYYY_MM'), first_day, first_day + interval '1 month');
    END LOOP;
END
$$;

SELECT ensure_audit_partitions(12);
