-- The event that a read model could not fold: it stands just before it until it is rebuilt, or
-- until a version of the program can fold it. Nothing of what the event says is here.
ALTER TABLE {schema}.projection_positions
    ADD COLUMN stopped_at      bigint,
    ADD COLUMN stopped_topic   text,
    ADD COLUMN stopped_error   text,
    ADD COLUMN stopped_because text,
    ADD COLUMN stopped_since   timestamptz,
    ADD CHECK (num_nulls(stopped_at, stopped_topic, stopped_error, stopped_because,
                         stopped_since) IN (0, 5)),
    ADD CHECK (stopped_at > position);
