-- cutover: no transaction
-- The newest entries of one trace, read from one place in the index, however many other entries are newer.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_audit_trace_newest ON audit_log (trace_id, ts DESC, id DESC);
