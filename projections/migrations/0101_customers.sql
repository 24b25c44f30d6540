-- Read model: customers, newest first by the position of their first event.
CREATE TABLE {schema}.customers (
    tenant      uuid        NOT NULL,
    customer_id uuid        NOT NULL,
    external_id text        NOT NULL,
    wallet_id   uuid        NOT NULL,
    position    bigint      NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant, customer_id)
);
CREATE INDEX ON {schema}.customers (tenant, position);

ALTER TABLE {schema}.customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.customers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.customers FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.customers TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.customers TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.customers TO {proj};
