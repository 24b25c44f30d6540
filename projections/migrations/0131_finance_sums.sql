-- Sums of the journal by the day of recording too, so that as of a time is a sum; what was
-- delivered of an obligation in a month, before reversals. Both are folded from zero again.
TRUNCATE {schema}.journal, {schema}.journal_sums, {schema}.obligation_months,
    {schema}.obligations, {schema}.unbilled_wallets, {schema}.tenant_books;
DELETE FROM {schema}.projection_positions WHERE projection = 'journal';

ALTER TABLE {schema}.journal_sums
    DROP CONSTRAINT journal_sums_pkey,
    ADD COLUMN recorded_on date NOT NULL,
    ADD PRIMARY KEY (tenant, period, currency, fact, account, recorded_on);
ALTER TABLE {schema}.obligation_months ADD COLUMN delivered numeric NOT NULL;

-- Each day reaches what is recognised by days.
CREATE INDEX ON {schema}.obligations (tenant) WHERE ratable AND NOT ended;
