-- Everybody may make temporary tables in a new database. A role that only reads must not, and one that appends need not.

DO $$
BEGIN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END
$$;
