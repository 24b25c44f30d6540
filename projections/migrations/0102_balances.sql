-- Read model: balances. Amounts are whole counts of the asset's smallest unit, unbounded.
CREATE TABLE {schema}.wallets (
    tenant      uuid    NOT NULL,
    wallet_id   uuid    NOT NULL,
    customer_id uuid    NOT NULL,
    mode        text    NOT NULL,
    frozen      boolean NOT NULL,
    PRIMARY KEY (tenant, wallet_id)
);

CREATE TABLE {schema}.accounts (
    tenant         uuid    NOT NULL,
    wallet_id      uuid    NOT NULL,
    asset          text    NOT NULL,
    scale          integer NOT NULL,
    granted        numeric NOT NULL,
    burned         numeric NOT NULL,
    expired        numeric NOT NULL,
    revoked        numeric NOT NULL,
    held           numeric NOT NULL CHECK (held >= 0),
    uncovered_held numeric NOT NULL CHECK (uncovered_held >= 0),
    incurred       numeric NOT NULL,
    repaid         numeric NOT NULL,
    forgiven       numeric NOT NULL,
    overage_limit  numeric,
    PRIMARY KEY (tenant, wallet_id, asset),
    CHECK (granted >= burned + expired + revoked),
    CHECK (incurred >= repaid + forgiven)
) WITH (fillfactor = 80);

CREATE TABLE {schema}.grants (
    tenant       uuid        NOT NULL,
    grant_id     uuid        NOT NULL,
    wallet_id    uuid        NOT NULL,
    asset        text        NOT NULL,
    source       text        NOT NULL,
    status       text        NOT NULL,
    amount       numeric     NOT NULL,
    remaining    numeric     NOT NULL CHECK (remaining >= held),
    held         numeric     NOT NULL CHECK (held >= 0),
    burned       numeric     NOT NULL,
    expired      numeric     NOT NULL,
    revoked      numeric     NOT NULL,
    priority     integer     NOT NULL,
    effective_at timestamptz NOT NULL,
    expires_at   timestamptz,
    lapses_at    timestamptz,
    issued_at    timestamptz NOT NULL,
    meters       jsonb,
    PRIMARY KEY (tenant, grant_id),
    CHECK (amount = remaining + burned + expired + revoked)
) WITH (fillfactor = 80);
CREATE INDEX ON {schema}.grants (tenant, wallet_id, asset);
-- What falls due, soonest first; what is spent or dead stands in neither.
CREATE INDEX ON {schema}.grants (tenant, lapses_at) WHERE status IN ('ACTIVE', 'PENDING');
CREATE INDEX ON {schema}.grants (tenant, effective_at) WHERE status = 'PENDING';

CREATE TABLE {schema}.holds (
    tenant     uuid        NOT NULL,
    hold_id    uuid        NOT NULL,
    charge_id  uuid        NOT NULL,
    wallet_id  uuid        NOT NULL,
    asset      text        NOT NULL,
    meter      text        NOT NULL,
    status     text        NOT NULL,
    shadow     boolean     NOT NULL,
    units      numeric     NOT NULL,
    held       numeric     NOT NULL CHECK (held >= 0),
    uncovered  numeric     NOT NULL CHECK (uncovered >= 0),
    captured   numeric     NOT NULL,
    pinned     jsonb       NOT NULL,
    expires_at timestamptz NOT NULL,
    placed_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant, hold_id)
) WITH (fillfactor = 80);
CREATE INDEX ON {schema}.holds (tenant, wallet_id) WHERE status = 'OPEN';
CREATE INDEX ON {schema}.holds (tenant, expires_at) WHERE status = 'OPEN';

ALTER TABLE {schema}.wallets ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.wallets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.wallets FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.wallets TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.wallets TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.wallets TO {proj};

ALTER TABLE {schema}.accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.accounts FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.accounts TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.accounts TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.accounts TO {proj};

ALTER TABLE {schema}.grants ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.grants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.grants FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.grants TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.grants TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.grants TO {proj};

ALTER TABLE {schema}.holds ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.holds FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.holds FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.holds TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.holds TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.holds TO {proj};
