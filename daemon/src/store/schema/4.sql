-- Version 4: variables, and maintenance. Times are milliseconds since 1970-01-01 UTC.

-- What people set. `level` is `project`, `type` or `environment`; `target` is '', the type or the
-- environment's id. `visible` is `build`, `run` or `both`.
CREATE TABLE variable (
    project     TEXT    NOT NULL,
    level       TEXT    NOT NULL,
    target      TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    value       TEXT    NOT NULL,
    visible     TEXT    NOT NULL,
    secret      INTEGER NOT NULL,
    inheritable INTEGER NOT NULL,
    json        INTEGER NOT NULL,
    set_by      TEXT    NOT NULL,
    set_at      INTEGER NOT NULL,
    PRIMARY KEY (project, level, target, name)
) STRICT;

-- Who switched an environment's maintenance on; NULL where it is off.
ALTER TABLE environment ADD COLUMN maintenance TEXT;

-- With what digests of a project's secrets are made: whoever has a digest alone cannot try values.
CREATE TABLE salt (
    project TEXT PRIMARY KEY,
    value   TEXT NOT NULL
) STRICT;

-- What was set when a release was made, as JSON: what its build, and what its commands and processes
-- are given, by name. They keep it, whatever is set later.
ALTER TABLE release ADD COLUMN variables TEXT NOT NULL DEFAULT '{}';
