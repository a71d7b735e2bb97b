-- Version 1. Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE environment (
    project       TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    branch        TEXT    NOT NULL,
    type          TEXT    NOT NULL,
    parent        TEXT,
    trust_domain  TEXT    NOT NULL,
    status        TEXT    NOT NULL,
    tip           TEXT,
    live          INTEGER,
    generation    INTEGER NOT NULL DEFAULT 0,
    next_release  INTEGER NOT NULL DEFAULT 1,
    created       INTEGER NOT NULL,
    PRIMARY KEY (project, id),
    UNIQUE (project, branch)
) STRICT;

CREATE TABLE activity (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    id             TEXT    NOT NULL UNIQUE,
    project        TEXT    NOT NULL,
    environment    TEXT    NOT NULL,
    branch         TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    state          TEXT    NOT NULL,
    actor_name     TEXT    NOT NULL,
    actor_source   TEXT    NOT NULL,
    commit_old     TEXT,
    commit_new     TEXT,
    subject        TEXT    NOT NULL DEFAULT '',
    forced         INTEGER NOT NULL DEFAULT 0,
    options        TEXT    NOT NULL DEFAULT '[]',
    rebuild        INTEGER NOT NULL DEFAULT 0,
    slug           TEXT,
    slug_reused    INTEGER NOT NULL DEFAULT 0,
    release        INTEGER,
    previous       INTEGER,
    live_after     INTEGER,
    reason_code    TEXT,
    reason_message TEXT,
    reason_hint    TEXT,
    created        INTEGER NOT NULL,
    started        INTEGER,
    ended          INTEGER
) STRICT;
CREATE INDEX activity_environment ON activity (project, environment, number);
CREATE INDEX activity_open ON activity (state) WHERE state IN ('waiting', 'running');

CREATE TABLE step (
    activity  TEXT    NOT NULL REFERENCES activity (id) ON DELETE CASCADE,
    number    INTEGER NOT NULL,
    stage     TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    started   INTEGER NOT NULL,
    ended     INTEGER,
    result    TEXT,
    exit_code INTEGER,
    PRIMARY KEY (activity, number)
) STRICT;

-- `base` is the key of the ingredients; a rebuild of the same ingredients has a key of its own.
CREATE TABLE slug (
    key          TEXT    PRIMARY KEY,
    base         TEXT    NOT NULL,
    project      TEXT    NOT NULL,
    trust_domain TEXT    NOT NULL,
    ingredients  TEXT    NOT NULL,
    digest       TEXT    NOT NULL,
    files        INTEGER NOT NULL,
    bytes        INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    used         INTEGER NOT NULL
) STRICT;
CREATE INDEX slug_base ON slug (base, created);

CREATE TABLE release (
    project     TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    state       TEXT    NOT NULL,
    slug        TEXT    NOT NULL,
    commit_id   TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    application TEXT    NOT NULL,
    activity    TEXT    NOT NULL,
    created     INTEGER NOT NULL,
    PRIMARY KEY (project, environment, number)
) STRICT;
CREATE INDEX release_slug ON release (slug);

-- Processes that a keeper looks after, so that a new daemon finds them again.
CREATE TABLE process (
    instance    TEXT    PRIMARY KEY,
    project     TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    release     INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    port        INTEGER NOT NULL
) STRICT;
CREATE INDEX process_environment ON process (project, environment);

-- Values that were generated once for an environment.
CREATE TABLE secret (
    project     TEXT NOT NULL,
    environment TEXT NOT NULL,
    name        TEXT NOT NULL,
    value       TEXT NOT NULL,
    PRIMARY KEY (project, environment, name)
) STRICT;
