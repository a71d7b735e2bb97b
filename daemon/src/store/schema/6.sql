-- Version 6: data. Times are milliseconds since 1970-01-01 UTC.

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

-- The runs of each cron: `subject` is its name.
CREATE INDEX activity_cron ON activity (project, environment, subject, number) WHERE kind = 'cron';
