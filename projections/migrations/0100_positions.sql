-- How far each read model has come in this shard's log, written with what it folded.
-- A position is the shard's, not a tenant's: its tenant is the nil id.
CREATE TABLE {schema}.projection_positions (
    tenant     uuid   NOT NULL CHECK (tenant = '00000000-0000-0000-0000-000000000000'),
    projection text   NOT NULL,
    position   bigint NOT NULL,
    PRIMARY KEY (tenant, projection)
) WITH (fillfactor = 50);
ALTER TABLE {schema}.projection_positions ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.projection_positions FORCE ROW LEVEL SECURITY;
CREATE POLICY everybody_reads ON {schema}.projection_positions FOR SELECT TO {app} USING (true);
CREATE POLICY projections_write ON {schema}.projection_positions TO {proj}
    USING (true) WITH CHECK (true);
-- A rebuilt read model is swapped in by the owner, together with its position.
CREATE POLICY rebuilds_write ON {schema}.projection_positions TO {owner}
    USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.projection_positions TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.projection_positions TO {proj};
