-- Read model: invoices. Amounts are minor units of the currency.
CREATE TABLE {schema}.invoices (
    tenant      uuid        NOT NULL,
    invoice_id  uuid        NOT NULL,
    position    bigint      NOT NULL,
    customer_id uuid        NOT NULL,
    number      text        NOT NULL,
    kind        text        NOT NULL,
    status      text        NOT NULL,
    currency    text        NOT NULL,
    subtotal    numeric     NOT NULL,
    tax         numeric     NOT NULL,
    total       numeric     NOT NULL,
    settled     numeric     NOT NULL,
    due         numeric     NOT NULL,
    given_up    boolean     NOT NULL,
    issued_at   timestamptz NOT NULL,
    due_at      timestamptz,
    PRIMARY KEY (tenant, invoice_id)
) WITH (fillfactor = 80);
CREATE INDEX ON {schema}.invoices (tenant, position);
CREATE INDEX ON {schema}.invoices (tenant, customer_id, position);
CREATE UNIQUE INDEX ON {schema}.invoices (tenant, number);

ALTER TABLE {schema}.invoices ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.invoices FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.invoices FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.invoices TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.invoices TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.invoices TO {proj};
