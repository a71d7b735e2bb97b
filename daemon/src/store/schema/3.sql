-- Version 3: the tree of environments. Times are milliseconds since 1970-01-01 UTC.

-- What people say of an environment, and what they chose instead of the project's rule.
ALTER TABLE environment ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE environment ADD COLUMN chosen_parent TEXT;

-- The environment whose code came by merge, promote or branch.
ALTER TABLE activity ADD COLUMN source TEXT;
-- Its deployment waits for this moment, and for this person: a name, or '' while nobody approved.
ALTER TABLE activity ADD COLUMN due INTEGER;
ALTER TABLE activity ADD COLUMN approved_by TEXT;
-- It waits for no window.
ALTER TABLE activity ADD COLUMN now INTEGER NOT NULL DEFAULT 0;
