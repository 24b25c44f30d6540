-- An account's plain charges stand on its statement: found without passing over those of the
-- wallet's other assets.
CREATE INDEX ON {schema}.charges (tenant, wallet_id, asset, position) WHERE plain;
