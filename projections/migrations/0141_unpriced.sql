-- Of a line: a meter counted it, and no price did.
ALTER TABLE {schema}.margin_lines ADD COLUMN unpriced boolean NOT NULL DEFAULT false;
CREATE INDEX ON {schema}.margin_lines (tenant, occurred_at) WHERE unpriced;
