-- Overage that an invoice's payment, or a credit note on it, has settled.
ALTER TABLE {schema}.accounts ADD COLUMN paid numeric NOT NULL DEFAULT 0;
