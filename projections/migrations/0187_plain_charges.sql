-- Plain charges have no lines of their own on a statement; both read models are folded from zero.
TRUNCATE {schema}.charges, {schema}.usage_rollups, {schema}.usage_rollup_properties,
    {schema}.statement_lines, {schema}.statement_accounts, {schema}.statement_subjects;
DELETE FROM {schema}.projection_positions WHERE projection IN ('charges', 'statement');

ALTER TABLE {schema}.charges ADD COLUMN plain boolean NOT NULL;
ALTER TABLE {schema}.statement_accounts ADD COLUMN unwritten integer NOT NULL;
