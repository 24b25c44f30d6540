-- Read model: subscriptions of customers, and when time changes something of one next.
CREATE TABLE {schema}.subscriptions (
    tenant          uuid        NOT NULL,
    subscription_id uuid        NOT NULL,
    wallet_id       uuid        NOT NULL,
    due_at          timestamptz,
    position        bigint      NOT NULL,
    moved           bigint      NOT NULL,
    enrolment       jsonb       NOT NULL,
    allotments      jsonb       NOT NULL,
    PRIMARY KEY (tenant, subscription_id)
);
CREATE INDEX ON {schema}.subscriptions (tenant, wallet_id);
CREATE INDEX ON {schema}.subscriptions (tenant, due_at) WHERE due_at IS NOT NULL;

ALTER TABLE {schema}.subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.subscriptions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.subscriptions FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.subscriptions TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.subscriptions TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.subscriptions TO {proj};
