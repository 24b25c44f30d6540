-- Read model: margins. What charges earned and cost, line by line, and the tasks they make up.

-- What a unit of a grant is worth: `paid` of the currency bought `for_units`; `burned` of it
-- charges have burned, net of what was given back. Grants without a basis are not here.
CREATE TABLE {schema}.margin_grants (
    tenant    uuid    NOT NULL,
    grant_id  uuid    NOT NULL,
    currency  text    NOT NULL,
    paid      numeric NOT NULL,
    for_units numeric NOT NULL CHECK (for_units > 0),
    burned    numeric NOT NULL,
    PRIMARY KEY (tenant, grant_id)
) WITH (fillfactor = 70);

-- A row a line and currency; a line without money has one of the currency ''. amount: of the
-- asset, as settled. revenue, cost: of the currency, as they are by now. What is said of
-- overage is the whole charge's, and stands on its rows of line 0. Line -1, which is not
-- counted, is what was authorised: whose it is, for its capture.
CREATE TABLE {schema}.margin_lines (
    tenant           uuid        NOT NULL,
    charge_id        uuid        NOT NULL,
    line             integer     NOT NULL,
    currency         text        NOT NULL,
    customer_id      uuid        NOT NULL,
    subject          text        NOT NULL,
    product          text        NOT NULL,
    meter            text        NOT NULL,
    vendor           text        NOT NULL,
    occurred_at      timestamptz NOT NULL,
    asset            text        NOT NULL,
    amount           numeric     NOT NULL,
    revenue          numeric     NOT NULL,
    cost             numeric     NOT NULL,
    overage          numeric     NOT NULL,
    overage_refunded numeric     NOT NULL,
    overage_revenue  numeric     NOT NULL,
    counted          boolean     NOT NULL,
    PRIMARY KEY (tenant, charge_id, line, currency)
) WITH (fillfactor = 95);
CREATE INDEX ON {schema}.margin_lines (tenant, occurred_at);
CREATE INDEX ON {schema}.margin_lines (tenant, customer_id, subject);

-- All charges of one subject of a customer. position: of the first of them.
CREATE TABLE {schema}.tasks (
    tenant      uuid        NOT NULL,
    customer_id uuid        NOT NULL,
    subject     text        NOT NULL,
    position    bigint      NOT NULL,
    charges     bigint      NOT NULL,
    started_at  timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant, customer_id, subject)
) WITH (fillfactor = 70);
CREATE INDEX ON {schema}.tasks (tenant, customer_id, position);

-- What a task was charged, in units of the asset, net of what was given back.
CREATE TABLE {schema}.task_amounts (
    tenant      uuid    NOT NULL,
    customer_id uuid    NOT NULL,
    subject     text    NOT NULL,
    asset       text    NOT NULL,
    amount      numeric NOT NULL,
    PRIMARY KEY (tenant, customer_id, subject, asset)
) WITH (fillfactor = 70);

ALTER TABLE {schema}.margin_grants ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.margin_grants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.margin_grants FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.margin_grants TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.margin_grants TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.margin_grants TO {proj};

ALTER TABLE {schema}.margin_lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.margin_lines FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.margin_lines FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.margin_lines TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.margin_lines TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.margin_lines TO {proj};

ALTER TABLE {schema}.tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.tasks FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.tasks FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.tasks TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.tasks TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.tasks TO {proj};

ALTER TABLE {schema}.task_amounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.task_amounts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.task_amounts FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.task_amounts TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.task_amounts TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.task_amounts TO {proj};
