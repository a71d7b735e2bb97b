-- Version 6: data. Times are milliseconds since 1970-01-01 UTC.

-- Databases, caches and queues of environments: they outlive releases. `version` is the server's that
-- used the data last; `instance` names the keeper, '' while none runs; `port` is the host's, or 0.
CREATE TABLE service (
    project     TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    version     TEXT    NOT NULL,
    instance    TEXT    NOT NULL,
    port        INTEGER NOT NULL,
    PRIMARY KEY (project, environment, name)
) STRICT;

-- Environments that have had their sample data, and the activity that brought it.
CREATE TABLE seeded (
    project     TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    activity    TEXT    NOT NULL,
    done        INTEGER NOT NULL,
    PRIMARY KEY (project, environment)
) STRICT;
