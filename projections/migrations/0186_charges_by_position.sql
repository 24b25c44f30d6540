-- A charge is found by its position: in the log, by its id. Its id is random, and an index of
-- random keys costs a page of the WAL for nearly every row after each checkpoint.
DO $$
DECLARE
    unneeded record;
BEGIN
    FOR unneeded IN
        SELECT indexrelid::regclass AS name, conname AS key
        FROM pg_index LEFT JOIN pg_constraint ON conindid = indexrelid
        WHERE indrelid = '{schema}.charges'::regclass
        AND (indisprimary OR pg_get_indexdef(indexrelid) LIKE '%(tenant, "position")')
    LOOP
        IF unneeded.key IS NULL THEN
            EXECUTE 'DROP INDEX ' || unneeded.name;
        ELSE
            EXECUTE format('ALTER TABLE {schema}.charges DROP CONSTRAINT %I', unneeded.key);
        END IF;
    END LOOP;
END $$;
ALTER TABLE {schema}.charges ADD PRIMARY KEY (tenant, position);
