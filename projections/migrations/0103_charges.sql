-- Read model: charges, newest first by the position at which they were settled.
CREATE TABLE {schema}.charges (
    tenant        uuid        NOT NULL,
    charge_id     uuid        NOT NULL,
    position      bigint      NOT NULL,
    customer_id   uuid        NOT NULL,
    wallet_id     uuid        NOT NULL,
    meter         text        NOT NULL,
    subject       text,
    source        text        NOT NULL,
    event_id      text        NOT NULL,
    asset         text        NOT NULL,
    status        text        NOT NULL,
    amount        numeric     NOT NULL,
    overage       numeric     NOT NULL,
    refunded      numeric     NOT NULL CHECK (refunded <= amount),
    forgiven      numeric     NOT NULL,
    quantity      numeric,
    cost          numeric,
    cost_currency text,
    occurred_at   timestamptz NOT NULL,
    recorded_at   timestamptz NOT NULL,
    properties    jsonb,
    PRIMARY KEY (tenant, charge_id)
) WITH (fillfactor = 95);
CREATE INDEX ON {schema}.charges (tenant, position);
CREATE INDEX ON {schema}.charges (tenant, customer_id, position);
CREATE INDEX ON {schema}.charges (tenant, occurred_at);

ALTER TABLE {schema}.charges ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.charges FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.charges FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.charges TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.charges TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.charges TO {proj};
