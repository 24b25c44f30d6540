-- How a writer appends: the writers' lock, what the rows rely on, the rows and their
-- notification in one call, so that one message is one transaction. Answers the position of
-- the last row; null, having written nothing, where a stream that they rely on has moved.
--
-- Each statement sees what was committed when it began, so those after the lock see all that
-- its last holder wrote. The positions of one call have no gap. tenants, times, actors and
-- request_ids have one element where all rows have the same.
CREATE FUNCTION {schema}.append(
    relied_on    uuid[],
    relied_at    bigint[],
    tenants      uuid[],
    originators  uuid[],
    versions     bigint[],
    topics       text[],
    states       bytea[],
    times        timestamptz[],
    actors       text[],
    request_ids  text[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    many integer := cardinality(originators);
    last bigint;
BEGIN
    PERFORM pg_advisory_xact_lock({lock});
    IF EXISTS (
        SELECT FROM unnest(relied_on, relied_at) AS relied (id, version)
        WHERE version <> coalesce((
            SELECT max(originator_version) FROM {schema}.events WHERE originator_id = id
        ), 0)
    ) THEN
        RETURN NULL;
    END IF;
    last := setval({positions}, nextval({positions}) + many - 1);
    IF cardinality(tenants) = 1 THEN
        INSERT INTO {schema}.events (
            tenant, originator_id, originator_version, topic, state, recorded_at, actor,
            request_id, notification_id
        )
        SELECT tenants[1], id, version, topic, state, times[1], actors[1], request_ids[1],
               last - many + place
        FROM unnest(originators, versions, topics, states) WITH ORDINALITY
            AS given (id, version, topic, state, place);
    ELSE
        INSERT INTO {schema}.events (
            tenant, originator_id, originator_version, topic, state, recorded_at, actor,
            request_id, notification_id
        )
        SELECT tenant, id, version, topic, state, at, actor, request_id, last - many + place
        FROM unnest(
            tenants, originators, versions, topics, states, times, actors, request_ids
        ) WITH ORDINALITY
            AS given (tenant, id, version, topic, state, at, actor, request_id, place);
    END IF;
    NOTIFY {channel};
    RETURN last;
END
$$;
REVOKE ALL ON FUNCTION {schema}.append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.append TO {log};
GRANT USAGE, UPDATE ON SEQUENCE {schema}.events_notification_id_seq TO {log};
