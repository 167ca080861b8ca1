ALTER TABLE alert_outbox ADD COLUMN note text;
CREATE INDEX alert_outbox_note ON alert_outbox (note);
