-- What obligations were told by at each position; the journal is folded from zero again.
TRUNCATE {schema}.journal, {schema}.journal_sums, {schema}.obligation_months,
    {schema}.obligations, {schema}.unbilled_wallets, {schema}.tenant_books;
DELETE FROM {schema}.projection_positions WHERE projection = 'journal';

-- What of an obligation says when the rest is earned, as an event left it.
CREATE TABLE {schema}.obligation_terms (
    tenant        uuid        NOT NULL,
    obligation_id uuid        NOT NULL,
    position      bigint      NOT NULL,
    recorded_at   timestamptz NOT NULL,
    product       text,
    ratable       boolean     NOT NULL,
    consideration numeric     NOT NULL,
    revoked       numeric     NOT NULL,
    starts_on     date        NOT NULL,
    ends_on       date,
    PRIMARY KEY (tenant, obligation_id, position)
);

ALTER TABLE {schema}.obligation_terms ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.obligation_terms FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON {schema}.obligation_terms FOR SELECT TO {app}
    USING (tenant = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
CREATE POLICY projections_write ON {schema}.obligation_terms TO {proj}
    USING (true) WITH CHECK (true);
GRANT SELECT ON {schema}.obligation_terms TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.obligation_terms TO {proj};
