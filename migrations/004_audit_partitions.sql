-- Upkeep of the monthly partitions (UTC). Each function works for any day, so that years can be tried out in a second.

-- The function of 001 stays, because 001 applied again must change nothing. Nothing calls it any more.
REVOKE ALL ON FUNCTION ensure_audit_partitions(INTEGER) FROM PUBLIC;

-- Makes the partitions of the current month and of months_ahead months after it; those that exist stay as they are.
-- A partition is made beside audit_log and then attached: SHARE UPDATE EXCLUSIVE, which stops neither reads nor writes.
CREATE OR REPLACE FUNCTION ensure_audit_partitions(months_ahead INTEGER, today TIMESTAMPTZ) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' SET lock_timeout = '5s' AS $$
DECLARE
    first_day TIMESTAMPTZ;
    part      TEXT;
BEGIN
    FOR offset_months IN 0..months_ahead LOOP
        first_day := date_trunc('month', today) + make_interval(months => offset_months);
        part := 'audit_log_' || to_char(first_day, 'YYYY_MM');
        CONTINUE WHEN EXISTS (
            SELECT FROM pg_inherits WHERE inhparent = 'public.audit_log'::regclass AND inhrelid = to_regclass('public.' || part));
        -- A month that somebody detached is attached again, as it is.
        EXECUTE format('CREATE TABLE IF NOT EXISTS public.%I (LIKE public.audit_log INCLUDING ALL)', part);
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER audit_no_truncate BEFORE TRUNCATE ON public.%I '
            'FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_audit_change()', part);
        EXECUTE format(
            'ALTER TABLE public.audit_log ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
            part, first_day, first_day + interval '1 month');
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION ensure_audit_partitions(INTEGER, TIMESTAMPTZ) FROM PUBLIC;

-- How many whole months after today's have a partition, without a gap; -1 when today's own has none.
CREATE OR REPLACE FUNCTION audit_partition_runway(today TIMESTAMPTZ DEFAULT now()) RETURNS INTEGER
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    months INTEGER := -1;
BEGIN
    WHILE EXISTS (
        SELECT FROM pg_inherits WHERE inhparent = 'public.audit_log'::regclass AND inhrelid = to_regclass(
            'public.audit_log_' || to_char(date_trunc('month', today) + make_interval(months => months + 1), 'YYYY_MM')))
    LOOP
        months := months + 1;
    END LOOP;
    RETURN months;
END
$$;
REVOKE ALL ON FUNCTION audit_partition_runway(TIMESTAMPTZ) FROM PUBLIC;

-- The hourly job. Its line in the server's log is the heartbeat that an alarm listens for; the phrase is put together
-- here so that no log of this text can be taken for it.
CREATE OR REPLACE PROCEDURE keep_audit_partitions(today TIMESTAMPTZ DEFAULT now())
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    runway INTEGER;
BEGIN
    PERFORM public.ensure_audit_partitions(12, today);
    runway := public.audit_partition_runway(today);
    IF runway >= 3 THEN
        RAISE LOG '% ok: % months ahead', 'audit_partition_runway', runway;
    ELSE
        RAISE LOG '% short: % months ahead', 'audit_partition_runway', runway;
    END IF;
END
$$;
REVOKE ALL ON PROCEDURE keep_audit_partitions(TIMESTAMPTZ) FROM PUBLIC;

-- Drops the partitions whose every row is older than keep_months months and returns their names, oldest first.
-- It needs ACCESS EXCLUSIVE on audit_log for a moment; if it does not get it at once it fails, and the next run tries again.
CREATE OR REPLACE FUNCTION drop_audit_partitions(keep_months INTEGER, today TIMESTAMPTZ DEFAULT now()) RETURNS SETOF TEXT
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' SET lock_timeout = '100ms' AS $$
DECLARE
    part TEXT;
BEGIN
    IF keep_months IS NULL OR keep_months < 1 THEN
        RAISE EXCEPTION 'keep_months is %: keep 1 month at least', keep_months USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.audit_log'::regclass AND c.relname ~ '^audit_log_\d{4}_\d{2}$'
          AND to_date(right(c.relname, 7), 'YYYY_MM')::timestamptz + interval '1 month' <= today - make_interval(months => keep_months)
        ORDER BY 1
    LOOP
        EXECUTE format('DROP TABLE public.%I', part);
        RETURN NEXT part;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION drop_audit_partitions(INTEGER, TIMESTAMPTZ) FROM PUBLIC;

SELECT ensure_audit_partitions(12, now());
