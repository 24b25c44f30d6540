-- A charge may be below zero, and withdrawing one may give back more than it took.
ALTER TABLE {schema}.charges DROP CONSTRAINT charges_check;
ALTER TABLE {schema}.charges ADD CONSTRAINT charges_check CHECK (overage = 0 OR overage <= amount);
