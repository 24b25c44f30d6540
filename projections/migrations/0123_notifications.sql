-- Read model: notifications. What is told, in the order of the log; `place` tells those of one
-- event apart. threshold: percent of a budget, else units of the asset, as amount is.
CREATE TABLE {schema}.notifications (
    tenant          uuid        NOT NULL,
    position        bigint      NOT NULL,
    place           integer     NOT NULL,
    notification_id uuid        NOT NULL,
    kind            text        NOT NULL,
    customer_id     uuid,
    subject         text,
    asset           text,
    threshold       numeric,
    amount          numeric,
    at              timestamptz NOT NULL,
    data            jsonb       NOT NULL,
    PRIMARY KEY (tenant, position, place)
);
CREATE UNIQUE INDEX ON {schema}.notifications (tenant, notification_id);
CREATE INDEX ON {schema}.notifications (tenant, customer_id, position, place);
CREATE INDEX ON {schema}.notifications (tenant, kind, position, place);

-- Whose wallet it is: events of a wallet do not repeat it.
CREATE TABLE {schema}.notified_wallets (
    tenant      uuid NOT NULL,
    wallet_id   uuid NOT NULL,
    customer_id uuid NOT NULL,
    PRIMARY KEY (tenant, wallet_id)
);

ALTER TABLE {schema}.notifications ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.notifications FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.notifications FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.notifications TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.notifications TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.notifications TO {proj};

ALTER TABLE {schema}.notified_wallets ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.notified_wallets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.notified_wallets FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.notified_wallets TO {proj}
    USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.notified_wallets TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.notified_wallets TO {proj};
