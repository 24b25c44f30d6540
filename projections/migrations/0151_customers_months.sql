-- A customer's zone, and the calendar months by which the default product prices its usage.
ALTER TABLE {schema}.customers ADD COLUMN timezone text NOT NULL DEFAULT 'UTC';
ALTER TABLE {schema}.customers ADD COLUMN months jsonb NOT NULL DEFAULT '{{"zone": "UTC"}}';
