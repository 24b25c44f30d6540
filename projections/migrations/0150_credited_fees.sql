-- Credit notes on fees: which fees an unbilled line is of, and which ones credits share. Both read
-- models are folded from zero again.
TRUNCATE {schema}.journal, {schema}.journal_sums, {schema}.obligation_months,
    {schema}.obligations, {schema}.unbilled_wallets, {schema}.tenant_books,
    {schema}.overage_items, {schema}.unbilled_lines, {schema}.unbilled_cycles,
    {schema}.unbilled_ranges, {schema}.billing_versions, {schema}.credit_lines,
    {schema}.unbilled_tenants;
DELETE FROM {schema}.projection_positions WHERE projection IN ('journal', 'unbilled');

ALTER TABLE {schema}.obligations ADD COLUMN fee_ids text[] NOT NULL;
ALTER TABLE {schema}.unbilled_lines ADD COLUMN fees jsonb NOT NULL;

CREATE INDEX ON {schema}.obligations USING gin (fee_ids) WHERE fee_ids <> '{{}}';
