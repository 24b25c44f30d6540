-- What went back of overage that is on an invoice, as credits: none has yet.
ALTER TABLE {schema}.charges ADD COLUMN made_good numeric NOT NULL DEFAULT 0;
