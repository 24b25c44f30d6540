-- Read model: statement. A line for each event that moved an account, with what the account
-- showed after it; within an account neither `at` nor `position` ever falls.
CREATE TABLE {schema}.statement_lines (
    tenant        uuid        NOT NULL,
    wallet_id     uuid        NOT NULL,
    asset         text        NOT NULL,
    at            timestamptz NOT NULL,
    position      bigint      NOT NULL,
    kind          text        NOT NULL,
    change        numeric     NOT NULL,
    balance_after numeric     NOT NULL,
    held_after    numeric     NOT NULL,
    overage_after numeric     NOT NULL,
    description   text        NOT NULL,
    grant_id      uuid,
    charge_id     uuid,
    hold_id       uuid,
    PRIMARY KEY (tenant, wallet_id, asset, at, position)
);

-- What the last line of each account left behind.
CREATE TABLE {schema}.statement_accounts (
    tenant    uuid        NOT NULL,
    wallet_id uuid        NOT NULL,
    asset     text        NOT NULL,
    at        timestamptz NOT NULL,
    available numeric     NOT NULL,
    held      numeric     NOT NULL,
    overage   numeric     NOT NULL,
    PRIMARY KEY (tenant, wallet_id, asset)
) WITH (fillfactor = 80);

-- What later lines must know: which grants cannot pay, which holds set nothing aside, whose
-- an authorised charge is.
CREATE TABLE {schema}.statement_subjects (
    tenant     uuid    NOT NULL,
    subject_id uuid    NOT NULL,
    state      text    NOT NULL,
    wallet_id  uuid    NOT NULL,
    asset      text    NOT NULL,
    units      numeric NOT NULL,
    PRIMARY KEY (tenant, subject_id)
);

ALTER TABLE {schema}.statement_lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.statement_lines FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.statement_lines FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.statement_lines TO {proj}
    USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.statement_lines TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.statement_lines TO {proj};

ALTER TABLE {schema}.statement_accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.statement_accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.statement_accounts FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.statement_accounts TO {proj}
    USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.statement_accounts TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.statement_accounts TO {proj};

ALTER TABLE {schema}.statement_subjects ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.statement_subjects FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.statement_subjects FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.statement_subjects TO {proj}
    USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.statement_subjects TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.statement_subjects TO {proj};
