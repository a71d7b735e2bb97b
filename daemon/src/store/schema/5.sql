-- Version 5: notifications. Times are milliseconds since 1970-01-01 UTC.

-- What has to be told and was not yet. `scope` is the project whose file names the destination, or ''
-- for the host's. `body` is what is sent, made when it happened.
CREATE TABLE notification (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT    NOT NULL UNIQUE,
    scope    TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    occasion TEXT    NOT NULL,
    activity TEXT    NOT NULL,
    body     TEXT    NOT NULL,
    created  INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due      INTEGER NOT NULL
) STRICT;
CREATE INDEX notification_destination ON notification (scope, name, due);

-- How destinations do: one that never failed has no row. Nothing is sent to it before `rests_until`.
CREATE TABLE destination (
    scope         TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    failing_since INTEGER,
    rests_until   INTEGER,
    error         TEXT    NOT NULL DEFAULT '',
    given_up      INTEGER NOT NULL DEFAULT 0,
    given_up_last INTEGER,
    PRIMARY KEY (scope, name)
) STRICT;
