-- A charge may be below zero; one that was corrected may owe more than it first came to.
ALTER TABLE {schema}.charges ADD COLUMN corrected boolean NOT NULL DEFAULT false;
ALTER TABLE {schema}.charges DROP CONSTRAINT charges_check;
ALTER TABLE {schema}.charges ADD CONSTRAINT charges_check
    CHECK (corrected OR overage = 0 OR overage <= amount);
