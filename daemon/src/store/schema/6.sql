-- Version 6: data. Times are milliseconds since 1970-01-01 UTC.

-- What data an environment begins with: '' as the project's file has it, clone or empty as somebody wished,
-- cloned once its parent's came.
ALTER TABLE environment ADD COLUMN beginning TEXT NOT NULL DEFAULT '';

-- Databases, caches and queues of environments: they outlive releases. `version` is the server's that
-- used the data last, '' while none has; `instance` names the keeper, '' while none runs; `settings` is
-- what that was started with, as JSON.
CREATE TABLE service (
    project     TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    version     TEXT    NOT NULL,
    instance    TEXT    NOT NULL,
    settings    TEXT    NOT NULL,
    PRIMARY KEY (project, environment, name)
) STRICT;

-- Ports of the loopback that lead to services which know no sockets.
CREATE TABLE service_port (
    port        INTEGER PRIMARY KEY,
    project     TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    UNIQUE (project, environment, name)
) STRICT;

-- The runs of each cron: `subject` is its name.
CREATE INDEX activity_cron ON activity (project, environment, subject, number) WHERE kind = 'cron';

-- Copies of environments' data, in a repository of restic's format for each project. `id` is the
-- activity's that made it; `parts` are the copies that it is made of, as JSON; `state` is making, good,
-- bad or deleting. What has no release any more keeps the number that served when it was taken.
CREATE TABLE snapshot (
    id          TEXT    PRIMARY KEY,
    project     TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    title       TEXT    NOT NULL,
    release     INTEGER,
    commit_id   TEXT,
    repository  TEXT    NOT NULL,
    parts       TEXT    NOT NULL,
    bytes       INTEGER NOT NULL,
    added       INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    ended       INTEGER,
    verified    INTEGER,
    error       TEXT    NOT NULL
) STRICT;

CREATE INDEX snapshot_environment ON snapshot (project, environment, created);

-- What an activity does something with that was there: a restore, a test, a deletion.
CREATE TABLE snapshot_use (
    activity TEXT PRIMARY KEY,
    snapshot TEXT NOT NULL
) STRICT;

-- Environments that have had their sample data, and the activity that brought it.
CREATE TABLE seeded (
    project     TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    activity    TEXT    NOT NULL,
    done        INTEGER NOT NULL,
    PRIMARY KEY (project, environment)
) STRICT;
