-- Margins are asked for lines with money; a line without is asked for by its charge alone.
DO $$
DECLARE
    unneeded regclass;
BEGIN
    FOR unneeded IN
        SELECT indexrelid FROM pg_index
        WHERE indrelid = '{schema}.margin_lines'::regclass AND NOT indisprimary AND indpred IS NULL
    LOOP
        EXECUTE 'DROP INDEX ' || unneeded;
    END LOOP;
END $$;
CREATE INDEX ON {schema}.margin_lines (tenant, occurred_at) WHERE currency <> '';
CREATE INDEX ON {schema}.margin_lines (tenant, customer_id, subject) WHERE currency <> '';
