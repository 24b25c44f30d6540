-- Read model: unbilled. Units are the asset's smallest; exact amounts are units of 10^-30.
CREATE TABLE {schema}.overage_items (
    tenant     uuid    NOT NULL,
    wallet_id  uuid    NOT NULL,
    asset      text    NOT NULL,
    start      numeric NOT NULL,
    charge_id  uuid    NOT NULL,
    currency   text    NOT NULL,
    cycle      text    NOT NULL,
    meter      text    NOT NULL,
    unit_price text    NOT NULL,
    low        numeric NOT NULL,
    high       numeric NOT NULL,
    PRIMARY KEY (tenant, wallet_id, asset, start)
);

CREATE TABLE {schema}.unbilled_lines (
    tenant     uuid    NOT NULL,
    wallet_id  uuid    NOT NULL,
    currency   text    NOT NULL,
    cycle      text    NOT NULL,
    meter      text    NOT NULL,
    asset      text    NOT NULL,
    position   bigint  NOT NULL,
    scale      integer NOT NULL,
    units      numeric NOT NULL,
    exact      numeric NOT NULL,
    charges    bigint  NOT NULL,
    unit_price text,
    PRIMARY KEY (tenant, wallet_id, currency, cycle, meter, asset)
) WITH (fillfactor = 70);

CREATE TABLE {schema}.unbilled_cycles (
    tenant    uuid    NOT NULL,
    wallet_id uuid    NOT NULL,
    currency  text    NOT NULL,
    cycle     text    NOT NULL,
    exact     numeric NOT NULL,
    billed    numeric NOT NULL,
    PRIMARY KEY (tenant, wallet_id, currency, cycle)
) WITH (fillfactor = 70);

CREATE TABLE {schema}.unbilled_ranges (
    tenant    uuid  NOT NULL,
    wallet_id uuid  NOT NULL,
    currency  text  NOT NULL,
    asset     text  NOT NULL,
    ranges    jsonb NOT NULL,
    PRIMARY KEY (tenant, wallet_id, currency, asset)
) WITH (fillfactor = 70);

CREATE TABLE {schema}.billing_versions (
    tenant      uuid   NOT NULL,
    customer_id uuid   NOT NULL,
    billing_id  uuid   NOT NULL,
    version     bigint NOT NULL,
    PRIMARY KEY (tenant, customer_id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX ON {schema}.billing_versions (billing_id);

CREATE TABLE {schema}.credit_lines (
    tenant    uuid NOT NULL,
    grant_id  uuid NOT NULL,
    wallet_id uuid NOT NULL,
    PRIMARY KEY (tenant, grant_id)
);

CREATE TABLE {schema}.unbilled_tenants (
    tenant uuid  NOT NULL PRIMARY KEY,
    state  jsonb NOT NULL
) WITH (fillfactor = 50);

ALTER TABLE {schema}.overage_items ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.overage_items FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.overage_items FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.overage_items TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.overage_items TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.overage_items TO {proj};

ALTER TABLE {schema}.unbilled_lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.unbilled_lines FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.unbilled_lines FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.unbilled_lines TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.unbilled_lines TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.unbilled_lines TO {proj};

ALTER TABLE {schema}.unbilled_cycles ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.unbilled_cycles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.unbilled_cycles FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.unbilled_cycles TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.unbilled_cycles TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.unbilled_cycles TO {proj};

ALTER TABLE {schema}.unbilled_ranges ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.unbilled_ranges FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.unbilled_ranges FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.unbilled_ranges TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.unbilled_ranges TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.unbilled_ranges TO {proj};

ALTER TABLE {schema}.billing_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.billing_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.billing_versions FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.billing_versions TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.billing_versions TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.billing_versions TO {proj};

ALTER TABLE {schema}.credit_lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.credit_lines FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.credit_lines FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.credit_lines TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.credit_lines TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.credit_lines TO {proj};

ALTER TABLE {schema}.unbilled_tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.unbilled_tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.unbilled_tenants FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.unbilled_tenants TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.unbilled_tenants TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.unbilled_tenants TO {proj};
