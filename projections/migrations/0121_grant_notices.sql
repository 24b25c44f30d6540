-- When it falls due to tell that a grant expires soon; null once told, or if it never is.
ALTER TABLE {schema}.grants ADD COLUMN notice_at timestamptz;
CREATE INDEX ON {schema}.grants (tenant, notice_at) WHERE status = 'ACTIVE' AND notice_at IS NOT NULL;
