-- Read model: budgets. What budgets that templates make have spent in their last window.
CREATE TABLE {schema}.derived_budgets (
    tenant      uuid        NOT NULL,
    budget_id   uuid        NOT NULL,
    wallet_id   uuid        NOT NULL,
    customer_id uuid        NOT NULL,
    template_id uuid        NOT NULL,
    subject     text        NOT NULL,
    asset       text        NOT NULL,
    starts_at   timestamptz NOT NULL,
    resets_at   timestamptz,
    spent       numeric     NOT NULL CHECK (spent >= 0),
    counted_at  timestamptz NOT NULL,
    version     bigint      NOT NULL,
    PRIMARY KEY (tenant, budget_id)
) WITH (fillfactor = 80);
CREATE INDEX ON {schema}.derived_budgets (tenant, wallet_id);

ALTER TABLE {schema}.derived_budgets ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.derived_budgets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.derived_budgets FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.derived_budgets TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.derived_budgets TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.derived_budgets TO {proj};
