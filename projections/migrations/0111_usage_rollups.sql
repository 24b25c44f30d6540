-- Part of the read model `charges`: usage summed by quarter hours, so that a series is not read
-- charge by charge. `property` is '' in the sums of all charges; else the sums are by `value`
-- of that property, and value_id is its hash, since a value may be longer than a key.
CREATE TABLE {schema}.usage_rollups (
    tenant      uuid        NOT NULL,
    property    text        NOT NULL,
    starts_at   timestamptz NOT NULL,
    customer_id uuid        NOT NULL,
    meter       text        NOT NULL,
    subject     text        NOT NULL,
    asset       text        NOT NULL,
    status      text        NOT NULL,
    value_id    uuid        NOT NULL,
    value       text,
    charges     bigint      NOT NULL,
    quantity    numeric     NOT NULL,
    amount      numeric     NOT NULL,
    PRIMARY KEY (tenant, property, starts_at, customer_id, meter, subject, asset, status, value_id)
) WITH (fillfactor = 80);
CREATE INDEX ON {schema}.usage_rollups (tenant, customer_id, property, starts_at);

ALTER TABLE {schema}.usage_rollups ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.usage_rollups FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.usage_rollups FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.usage_rollups TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.usage_rollups TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.usage_rollups TO {proj};

-- By which properties a tenant's sums are kept, from its first charge on; '' stands for all
-- charges.
CREATE TABLE {schema}.usage_rollup_properties (
    tenant   uuid NOT NULL,
    property text NOT NULL,
    PRIMARY KEY (tenant, property)
);
ALTER TABLE {schema}.usage_rollup_properties ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.usage_rollup_properties FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.usage_rollup_properties FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.usage_rollup_properties TO {proj}
    USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.usage_rollup_properties TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.usage_rollup_properties TO {proj};

-- Charges that were folded without their sums are folded anew.
TRUNCATE {schema}.charges;
DELETE FROM {schema}.projection_positions WHERE projection = 'charges';
