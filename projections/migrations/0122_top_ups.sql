-- Read model: top_ups. Requests for top-ups as they stand. Units of the asset; price in units
-- of its currency.
CREATE TABLE {schema}.top_ups (
    tenant         uuid        NOT NULL,
    request_id     uuid        NOT NULL,
    position       bigint      NOT NULL,
    wallet_id      uuid        NOT NULL,
    customer_id    uuid        NOT NULL,
    asset          text        NOT NULL,
    units          numeric     NOT NULL,
    price          numeric,
    price_currency text,
    status         text        NOT NULL,
    requested_at   timestamptz NOT NULL,
    times_out_at   timestamptz NOT NULL,
    wait_ends_at   timestamptz,
    PRIMARY KEY (tenant, request_id)
) WITH (fillfactor = 80);
CREATE INDEX ON {schema}.top_ups (tenant, position);
CREATE INDEX ON {schema}.top_ups (tenant, customer_id, position);
CREATE INDEX ON {schema}.top_ups (tenant, wait_ends_at) WHERE wait_ends_at IS NOT NULL;
CREATE INDEX ON {schema}.top_ups (tenant, requested_at)
    WHERE status IN ('REQUESTED', 'ACTION_REQUIRED', 'TIMED_OUT');

ALTER TABLE {schema}.top_ups ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.top_ups FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.top_ups FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.top_ups TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.top_ups TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.top_ups TO {proj};
