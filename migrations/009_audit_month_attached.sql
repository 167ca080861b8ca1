-- A month that somebody detached is attached again, also when audit_log has got columns since; where that fails, the month is
-- named, because no later one is made until somebody has looked. All else is as 004 has it.
CREATE OR REPLACE FUNCTION ensure_audit_partitions(months_ahead INTEGER, today TIMESTAMPTZ) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' SET lock_timeout = '5s' AS $$
DECLARE
    first_day TIMESTAMPTZ;
    part      TEXT;
    lacking   TEXT;
BEGIN
    FOR offset_months IN 0..months_ahead LOOP
        first_day := date_trunc('month', today) + make_interval(months => offset_months);
        part := 'audit_log_' || to_char(first_day, 'YYYY_MM');
        CONTINUE WHEN EXISTS (
            SELECT FROM pg_inherits WHERE inhparent = 'public.audit_log'::regclass AND inhrelid = to_regclass('public.' || part));
        EXECUTE format('CREATE TABLE IF NOT EXISTS public.%I (LIKE public.audit_log INCLUDING ALL)', part);
        FOR lacking IN
            SELECT format('%I %s', attname, format_type(atttypid, atttypmod))
                || coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), '') || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
            FROM pg_attribute a LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE attrelid = 'public.audit_log'::regclass AND attnum > 0 AND NOT attisdropped AND NOT EXISTS (
                SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.' || part) AND attname = a.attname)
            ORDER BY attnum
        LOOP
            EXECUTE format('ALTER TABLE public.%I ADD COLUMN %s', part, lacking);
        END LOOP;
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER audit_no_truncate BEFORE TRUNCATE ON public.%I '
            'FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_audit_change()', part);
        BEGIN
            EXECUTE format(
                'ALTER TABLE public.audit_log ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                part, first_day, first_day + interval '1 month');
        EXCEPTION WHEN OTHERS THEN
            RAISE EXCEPTION '% cannot be attached to audit_log: %', part, SQLERRM USING ERRCODE = SQLSTATE;
        END;
    END LOOP;
END
$$;
