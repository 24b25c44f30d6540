-- What nearly every step of folding rewrites has room in its page for another version of each
-- row, so that its indexes are left alone (a heap-only update).
ALTER TABLE {schema}.accounts SET (fillfactor = 45);
ALTER TABLE {schema}.grants SET (fillfactor = 45);
ALTER TABLE {schema}.statement_accounts SET (fillfactor = 45);
ALTER TABLE {schema}.margin_grants SET (fillfactor = 45);
ALTER TABLE {schema}.usage_rollups SET (fillfactor = 60);
