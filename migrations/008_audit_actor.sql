-- By whom an entry is, as the server alone knows it: the address that the edge saw, or `web-next` or `web-next for ADDRESS`
-- where the entry says what web-next did itself. NULL in rows from before, and in what an executor did not pass on.
ALTER TABLE audit_log ADD COLUMN IF NOT EXISTS actor TEXT;
