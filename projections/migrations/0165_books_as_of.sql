-- How many entries moved an obligation in a month, so that a month as of earlier is one less what
-- came later; the estimate by which a bonus shares a price. The journal is folded from zero again.
TRUNCATE {schema}.journal, {schema}.journal_sums, {schema}.obligation_months,
    {schema}.obligations, {schema}.obligation_terms, {schema}.unbilled_wallets,
    {schema}.tenant_books;
DELETE FROM {schema}.projection_positions WHERE projection = 'journal';

ALTER TABLE {schema}.obligation_months ADD COLUMN entries bigint NOT NULL;
ALTER TABLE {schema}.obligations ADD COLUMN weighed_at text;
