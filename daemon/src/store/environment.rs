//! Environments: what each branch is, and which release it serves.

use rusqlite::{Connection, OptionalExtension, Row, named_params};
use wharf_config::name::{BranchName, EnvironmentId, ProjectName};

use super::{StoreError, baseline, beginning, now, variable};
use crate::plan::beginning::Beginning;
use crate::plan::rename::Rename;

/// Identifies an environment everywhere in the daemon.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentKey {
    /// Its project.
    pub project: ProjectName,
    /// Its id within the project.
    pub id: EnvironmentId,
}

impl EnvironmentRecord {
    /// Gives it the parent that somebody chose, if somebody did.
    pub fn choose(&mut self, parent: Option<String>) {
        if parent.is_some() {
            self.parent.clone_from(&parent);
            self.chosen_parent = parent;
        }
    }

    /// Its parent's id: the one that somebody chose, else the rule's.
    pub fn parent_id(&self) -> Option<&str> {
        self.chosen_parent.as_deref().or(self.parent.as_deref())
    }
}

impl std::fmt::Display for EnvironmentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.project, self.id)
    }
}

/// An environment's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentRecord {
    /// Which one.
    pub key: EnvironmentKey,
    /// Its branch.
    pub branch: BranchName,
    /// `production`, `staging`, `development`.
    pub kind: String,
    /// The parent's id.
    pub parent: Option<String>,
    /// `protected` or `open`: part of every slug's and cache's key.
    pub trust_domain: String,
    /// `active`, `inactive`, `paused` or `deleting`; what somebody wishes, where it is to be recorded.
    pub status: String,
    /// The branch's tip as last recorded, in hex.
    pub tip: Option<String>,
    /// The release that serves.
    pub live: Option<u32>,
    /// The route's generation.
    pub generation: u64,
    /// What people say of it.
    pub title: String,
    /// The id of the parent that somebody chose instead of the project's rule.
    pub chosen_parent: Option<String>,
    /// Who keeps visitors away, where somebody does.
    pub maintenance: Option<String>,
    /// What data it begins with.
    pub beginning: Beginning,
}

/// An environment's record, column by column.
pub(super) const COLUMNS: &str = "project, id, branch, type, parent, trust_domain, status, tip, live, generation, title, chosen_parent, maintenance, beginning";

/// Reads [`COLUMNS`], which come first.
pub(super) fn record(row: &Row<'_>) -> Result<EnvironmentRecord, StoreError> {
    let project: String = row.get(0)?;
    let id: String = row.get(1)?;
    let branch: String = row.get(2)?;
    let data: String = row.get(13)?;
    Ok(EnvironmentRecord {
        key: key(&project, &id)?,
        branch: BranchName::parse(&branch).map_err(|_| StoreError::Unreadable {
            what: "branch",
            value: branch.clone(),
        })?,
        kind: row.get(3)?,
        parent: row.get(4)?,
        trust_domain: row.get(5)?,
        status: row.get(6)?,
        tip: row.get(7)?,
        live: row.get(8)?,
        generation: row.get(9)?,
        title: row.get(10)?,
        chosen_parent: row.get(11)?,
        maintenance: row.get(12)?,
        beginning: Beginning::parse(&data).ok_or(StoreError::Unreadable {
            what: "beginning",
            value: data,
        })?,
    })
}

/// Reads the names of an environment back from the store.
///
/// # Errors
/// [`StoreError::Unreadable`] when they are not names.
pub fn key(project: &str, id: &str) -> Result<EnvironmentKey, StoreError> {
    Ok(EnvironmentKey {
        project: ProjectName::parse(project).map_err(|_| StoreError::Unreadable {
            what: "project",
            value: project.into(),
        })?,
        id: EnvironmentId::parse(id).map_err(|_| StoreError::Unreadable {
            what: "environment",
            value: id.into(),
        })?,
    })
}

/// One environment.
///
/// # Errors
/// The database's.
pub fn find(
    connection: &Connection,
    key: &EnvironmentKey,
) -> Result<Option<EnvironmentRecord>, StoreError> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM environment WHERE project = ?1 AND id = ?2"
        ))?
        .query_row((key.project.as_str(), key.id.as_str()), |row| {
            Ok(record(row))
        })
        .optional()?
        .transpose()
}

/// All environments, of one project or of all.
///
/// # Errors
/// The database's.
pub fn list(
    connection: &Connection,
    project: Option<&ProjectName>,
) -> Result<Vec<EnvironmentRecord>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM environment WHERE ?1 IS NULL OR project = ?1 ORDER BY project, id"
    ))?;
    let rows = statement.query_map([project.map(ProjectName::as_str)], |row| Ok(record(row)))?;
    rows.map(|row| row?).collect()
}

/// Records a pushed tip; makes the environment when it is new.
///
/// # Errors
/// The database's; [`StoreError::Taken`] where another branch got the id a moment ago: whoever reads
/// the record again finds that out.
pub fn touch(connection: &Connection, wanted: &EnvironmentRecord) -> Result<(), StoreError> {
    let changed = connection
        .prepare_cached(
            "INSERT INTO environment
                 (project, id, branch, type, parent, trust_domain, status, tip, title,
                  chosen_parent, beginning, created)
             VALUES (:project, :id, :branch, :type, :parent, :trust_domain, :status, :tip, :title,
                  :chosen_parent, :beginning, :now)
             ON CONFLICT (project, id) DO UPDATE SET
                 type = :type, parent = coalesce(chosen_parent, :parent),
                 trust_domain = :trust_domain, status = :status, tip = :tip
             WHERE branch = :branch",
        )?
        .execute(named_params! {
            ":project": wanted.key.project.as_str(),
            ":id": wanted.key.id.as_str(),
            ":branch": wanted.branch.as_str(),
            ":type": wanted.kind,
            ":parent": wanted.parent,
            ":trust_domain": wanted.trust_domain,
            ":status": wanted.status,
            ":tip": wanted.tip,
            ":title": wanted.title,
            ":chosen_parent": wanted.chosen_parent,
            ":beginning": wanted.beginning.word(),
            ":now": now(),
        })?;
    if changed == 0 {
        return Err(StoreError::Taken(wanted.key.to_string()));
    }
    baseline::drop_branch(connection, &wanted.key.project, &wanted.branch)
}

/// Records that an environment's branch is called otherwise. All that hangs on its id stays.
///
/// # Errors
/// The database's; [`StoreError::Taken`] where its branch moved a moment ago, or another environment
/// has the new one: whoever reads the record again finds that out.
pub fn rename(
    connection: &Connection,
    key: &EnvironmentKey,
    rename: &Rename,
) -> Result<(), StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE environment SET branch = ?4
             WHERE project = ?1 AND id = ?2 AND branch = ?3 AND tip = ?5 AND NOT EXISTS
                 (SELECT 1 FROM environment AS other
                  WHERE other.project = ?1 AND other.branch = ?4)",
        )?
        .execute((
            key.project.as_str(),
            key.id.as_str(),
            rename.from.as_str(),
            rename.to.as_str(),
            &rename.commit,
        ))?;
    if changed == 0 {
        return Err(StoreError::Taken(key.to_string()));
    }
    Ok(())
}

/// Whether an environment other than this one has the branch.
pub(super) fn is_elsewhere(
    connection: &Connection,
    key: &EnvironmentKey,
    branch: &BranchName,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT 1 FROM environment WHERE project = ?1 AND id <> ?2 AND branch = ?3",
        )?
        .exists((key.project.as_str(), key.id.as_str(), branch.as_str()))?)
}

/// What a project's rules make of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which one.
    pub key: EnvironmentKey,
    /// As in [`EnvironmentRecord::kind`].
    pub kind: String,
    /// As in [`EnvironmentRecord::parent`].
    pub parent: Option<String>,
    /// As in [`EnvironmentRecord::trust_domain`].
    pub trust_domain: String,
}

/// Records what rules make of environments, all of it or nothing.
///
/// # Errors
/// The database's.
pub fn set_rules(connection: &mut Connection, rules: &[Rule]) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    for rule in rules {
        transaction
            .prepare_cached(
                "UPDATE environment SET type = ?3, parent = ?4, trust_domain = ?5
                 WHERE project = ?1 AND id = ?2",
            )?
            .execute((
                rule.key.project.as_str(),
                rule.key.id.as_str(),
                &rule.kind,
                &rule.parent,
                &rule.trust_domain,
            ))?;
    }
    Ok(transaction.commit()?)
}

/// Records what somebody says of an environment: its title, its parent.
///
/// # Errors
/// The database's.
pub fn describe(connection: &Connection, wanted: &EnvironmentRecord) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE environment SET title = ?3, chosen_parent = ?4, parent = coalesce(?4, parent)
             WHERE project = ?1 AND id = ?2",
        )?
        .execute((
            wanted.key.project.as_str(),
            wanted.key.id.as_str(),
            &wanted.title,
            &wanted.chosen_parent,
        ))?;
    Ok(())
}

/// Records that the branch is gone: the environment goes with it.
///
/// # Errors
/// The database's.
pub fn forget_tip(connection: &Connection, key: &EnvironmentKey) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE environment SET tip = NULL,
                 status = CASE status WHEN 'active' THEN 'deleting' ELSE status END
             WHERE project = ?1 AND id = ?2",
        )?
        .execute((key.project.as_str(), key.id.as_str()))?;
    Ok(())
}

/// Takes the next release number, at least `least`; numbers are never given twice.
///
/// # Errors
/// The database's.
pub fn next_release(
    connection: &Connection,
    key: &EnvironmentKey,
    least: u32,
) -> Result<u32, StoreError> {
    Ok(connection
        .prepare_cached(
            "UPDATE environment SET next_release = max(next_release, ?3) + 1
             WHERE project = ?1 AND id = ?2 RETURNING next_release - 1",
        )?
        .query_row((key.project.as_str(), key.id.as_str(), least), |row| {
            row.get(0)
        })?)
}

/// Takes the route's next generation, durably, before the route is written.
///
/// # Errors
/// The database's.
pub fn next_generation(connection: &Connection, key: &EnvironmentKey) -> Result<u64, StoreError> {
    Ok(connection
        .prepare_cached(
            "UPDATE environment SET generation = generation + 1
             WHERE project = ?1 AND id = ?2 RETURNING generation",
        )?
        .query_row((key.project.as_str(), key.id.as_str()), |row| row.get(0))?)
}

/// Records which release serves: then it is paused no more.
///
/// # Errors
/// The database's.
pub fn set_live(
    connection: &Connection,
    key: &EnvironmentKey,
    release: Option<u32>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE environment SET live = ?3, status = CASE
                 WHEN ?3 IS NOT NULL AND status = 'paused' THEN 'active' ELSE status END
             WHERE project = ?1 AND id = ?2",
        )?
        .execute((key.project.as_str(), key.id.as_str(), release))?;
    Ok(())
}

/// Records who keeps visitors away, or that nobody does any more.
///
/// # Errors
/// The database's.
pub fn set_maintenance(
    connection: &Connection,
    key: &EnvironmentKey,
    who: Option<&str>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE environment SET maintenance = ?3 WHERE project = ?1 AND id = ?2")?
        .execute((key.project.as_str(), key.id.as_str(), who))?;
    Ok(())
}

/// Forgets a deleted environment with its releases and secrets; its activities stay. Where the
/// branch was pushed again meanwhile the environment itself stays too, and nothing serves there.
///
/// # Errors
/// The database's.
pub fn forget(connection: &mut Connection, key: &EnvironmentKey) -> Result<(), StoreError> {
    let names = (key.project.as_str(), key.id.as_str());
    let transaction = connection.transaction()?;
    for table in [
        "release",
        "secret",
        "process",
        "service",
        "service_port",
        "seeded",
    ] {
        transaction.execute(
            &format!("DELETE FROM {table} WHERE project = ?1 AND environment = ?2"),
            names,
        )?;
    }
    transaction.execute(
        "DELETE FROM environment WHERE project = ?1 AND id = ?2 AND tip IS NULL",
        names,
    )?;
    variable::forget(&transaction, key)?;
    set_live(&transaction, key, None)?;
    set_maintenance(&transaction, key, None)?;
    // Should it live again, it begins again.
    beginning::set(&transaction, key, Beginning::ByRule)?;
    transaction.execute(
        "UPDATE environment SET status = 'active'
         WHERE project = ?1 AND id = ?2 AND status IN ('paused', 'deleting')",
        names,
    )?;
    transaction.commit()?;
    Ok(())
}

/// The environment's generated value of that name; made by `fresh` on the first call.
///
/// # Errors
/// The database's.
pub fn secret(
    connection: &Connection,
    key: &EnvironmentKey,
    name: &str,
    fresh: &str,
) -> Result<String, StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO secret (project, environment, name, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
        )?
        .execute((key.project.as_str(), key.id.as_str(), name, fresh))?;
    Ok(connection
        .prepare_cached(
            "SELECT value FROM secret WHERE project = ?1 AND environment = ?2 AND name = ?3",
        )?
        .query_row((key.project.as_str(), key.id.as_str(), name), |row| {
            row.get(0)
        })?)
}

/// Every secret of an environment, generated or set, to be starred wherever something is shown.
///
/// # Errors
/// The database's.
pub fn secrets(connection: &Connection, key: &EnvironmentKey) -> Result<Vec<String>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT value FROM secret WHERE project = ?1 AND environment = ?2")?;
    let values = statement.query_map((key.project.as_str(), key.id.as_str()), |row| row.get(0))?;
    let mut values = values.collect::<Result<Vec<String>, _>>()?;
    values.extend(variable::secrets(connection, key)?);
    Ok(values)
}
