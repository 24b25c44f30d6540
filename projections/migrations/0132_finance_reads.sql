-- What is read of the journal by position, by the grant that a transfer leaves, by claim.
CREATE INDEX ON {schema}.journal (tenant, position);
CREATE INDEX ON {schema}.journal (tenant, from_grant_id) WHERE from_grant_id IS NOT NULL;
CREATE INDEX ON {schema}.journal (tenant, date) WHERE 'receivable' = ANY (accounts);
