-- Version 2: which Wharf made this database, and what was in a repository before Wharf knew it.

-- One row a migration: an older program names the newer one that it meets.
CREATE TABLE history (
    version INTEGER PRIMARY KEY,
    program TEXT    NOT NULL,
    made    INTEGER NOT NULL
) STRICT;

-- Projects whose baseline was taken.
CREATE TABLE project (
    name TEXT    PRIMARY KEY,
    seen INTEGER NOT NULL
) STRICT;

-- Branches without an environment, as they were when Wharf first saw the project: they are deployed
-- when they move, not before.
CREATE TABLE baseline (
    project TEXT NOT NULL,
    branch  TEXT NOT NULL,
    tip     TEXT NOT NULL,
    PRIMARY KEY (project, branch)
) STRICT;
