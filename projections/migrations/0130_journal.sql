-- Read model: journal. Amounts are minor units of the entry's currency, debits above zero.
CREATE TABLE {schema}.journal (
    tenant         uuid        NOT NULL,
    number         bigint      NOT NULL,
    position       bigint      NOT NULL,
    recorded_at    timestamptz NOT NULL,
    kind           text        NOT NULL,
    fact           text        NOT NULL,
    date           date        NOT NULL,
    period         text        NOT NULL,
    service_period text        NOT NULL,
    currency       text        NOT NULL,
    exchange_rate  text,
    customer_id    uuid,
    grant_id       uuid,
    obligation_id  uuid,
    from_grant_id  uuid,
    charge_id      uuid,
    invoice_id     uuid,
    meter          text,
    product        text,
    reverses       bigint,
    accounts       text[]      NOT NULL,
    amounts        numeric[]   NOT NULL,
    functional     numeric[]   NOT NULL,
    PRIMARY KEY (tenant, number)
);
CREATE INDEX ON {schema}.journal (tenant, period, number);
CREATE INDEX ON {schema}.journal (tenant, recorded_at);
CREATE INDEX ON {schema}.journal (tenant, charge_id) WHERE charge_id IS NOT NULL;
CREATE INDEX ON {schema}.journal (tenant, obligation_id, number) WHERE obligation_id IS NOT NULL;
CREATE INDEX ON {schema}.journal (tenant, service_period) WHERE service_period <> period;

-- Sums of the journal, by month, fact and account.
CREATE TABLE {schema}.journal_sums (
    tenant     uuid    NOT NULL,
    period     text    NOT NULL,
    currency   text    NOT NULL,
    fact       text    NOT NULL,
    account    text    NOT NULL,
    debit      numeric NOT NULL,
    credit     numeric NOT NULL,
    functional numeric NOT NULL,
    entries    bigint  NOT NULL,
    PRIMARY KEY (tenant, period, currency, fact, account)
) WITH (fillfactor = 50);

-- How each obligation's liability moved in a month.
CREATE TABLE {schema}.obligation_months (
    tenant        uuid    NOT NULL,
    obligation_id uuid    NOT NULL,
    period        text    NOT NULL,
    paid          numeric NOT NULL,
    recognized    numeric NOT NULL,
    breakage      numeric NOT NULL,
    refunded      numeric NOT NULL,
    escheated     numeric NOT NULL,
    transferred   numeric NOT NULL,
    PRIMARY KEY (tenant, obligation_id, period)
) WITH (fillfactor = 80);
CREATE INDEX ON {schema}.obligation_months (tenant, period);

-- What is still owed for each payment.
CREATE TABLE {schema}.obligations (
    tenant        uuid    NOT NULL,
    obligation_id uuid    NOT NULL,
    grant_id      uuid,
    wallet_id     uuid    NOT NULL,
    customer_id   uuid    NOT NULL,
    asset         text    NOT NULL,
    scale         integer NOT NULL,
    source        text    NOT NULL,
    product       text,
    bundle_id     text,
    ratable       boolean NOT NULL,
    currency      text    NOT NULL,
    stand_alone   text,
    paid_units    numeric NOT NULL,
    tax_units     numeric NOT NULL,
    consideration numeric NOT NULL,
    claim         text    NOT NULL,
    booked        boolean NOT NULL,
    granted       numeric NOT NULL,
    revoked       numeric NOT NULL,
    burned        numeric NOT NULL,
    lapsed        numeric NOT NULL,
    remote_units  numeric NOT NULL,
    earned        numeric NOT NULL,
    breakage      numeric NOT NULL,
    escheated     numeric NOT NULL,
    money_back    numeric NOT NULL,
    ended         boolean NOT NULL,
    claim_ended   boolean NOT NULL,
    first_day     date    NOT NULL,
    starts_on     date    NOT NULL,
    ends_on       date,
    ended_days    integer NOT NULL,
    last_service  text,
    PRIMARY KEY (tenant, obligation_id)
) WITH (fillfactor = 80);
CREATE INDEX ON {schema}.obligations (tenant, customer_id);
CREATE INDEX ON {schema}.obligations (tenant, bundle_id) WHERE bundle_id IS NOT NULL;
CREATE INDEX ON {schema}.obligations (tenant) WHERE NOT ended;

-- What is unbilled of each wallet, and what holds for all of a tenant's books.
CREATE TABLE {schema}.unbilled_wallets (
    tenant    uuid  NOT NULL,
    wallet_id uuid  NOT NULL,
    state     jsonb NOT NULL,
    PRIMARY KEY (tenant, wallet_id)
) WITH (fillfactor = 80);

CREATE TABLE {schema}.tenant_books (
    tenant uuid  NOT NULL PRIMARY KEY,
    state  jsonb NOT NULL
) WITH (fillfactor = 50);

ALTER TABLE {schema}.journal ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.journal FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.journal FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.journal TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.journal TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.journal TO {proj};

ALTER TABLE {schema}.journal_sums ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.journal_sums FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.journal_sums FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.journal_sums TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.journal_sums TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.journal_sums TO {proj};

ALTER TABLE {schema}.obligation_months ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.obligation_months FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.obligation_months FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.obligation_months TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.obligation_months TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.obligation_months TO {proj};

ALTER TABLE {schema}.obligations ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.obligations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.obligations FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.obligations TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.obligations TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.obligations TO {proj};

ALTER TABLE {schema}.unbilled_wallets ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.unbilled_wallets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.unbilled_wallets FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.unbilled_wallets TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.unbilled_wallets TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.unbilled_wallets TO {proj};

ALTER TABLE {schema}.tenant_books ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.tenant_books FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.tenant_books FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.tenant_books TO {proj} USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.tenant_books TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.tenant_books TO {proj};
