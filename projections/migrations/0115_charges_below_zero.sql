-- A charge may be below zero, and withdrawing one may give back more than it took.
ALTER TABLE {schema}.charges DROP CONSTRAINT charges_check;
