//! Variables that people set, and what their secrets' digests are made with.

use rusqlite::{Connection, Row, named_params};
use sha2::{Digest as _, Sha256};
use wharf_config::application::Visible;
use wharf_config::name::{EnvironmentId, ProjectName, VariableName};
use wharf_config::project::Kind;

use super::environment::{self, EnvironmentKey};
use super::{Recorder, StoreError};
use crate::plan::variables::{self, Given, Hidden, Level, TooMuch, Variable};

/// A change of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is set, whether it was or not.
    Set(Variable),
    /// It goes.
    Delete(Level, VariableName),
}

/// What is set for an environment.
#[derive(Debug, Clone, Default)]
pub struct Set {
    /// What the project, every type and the environment itself have.
    pub all: Vec<Variable>,
    /// What digests of this project's secrets are made with; empty while it has none.
    salt: String,
}

impl Set {
    /// The digest of a secret: equal for equal names and values of one project, and of no use to
    /// whoever would try values, since they lack the salt.
    #[must_use]
    pub fn digest(&self, name: &VariableName, value: &Hidden) -> String {
        let text = format!("{}\0{name}\0{}", self.salt, value.0);
        data_encoding::HEXLOWER.encode(&Sha256::digest(text))
    }
}

impl Recorder {
    /// What is set for an environment; of one that is not there yet with what it would inherit.
    ///
    /// # Errors
    /// The database's.
    pub async fn variables(
        &self,
        key: &EnvironmentKey,
        parent: Option<String>,
    ) -> Result<Set, StoreError> {
        let key = key.clone();
        self.0
            .call(move |connection| of(connection, &key, parent.as_deref()))
            .await
    }

    /// What is set at a level, and how many are in the whole project.
    ///
    /// # Errors
    /// The database's.
    pub async fn variables_at(
        &self,
        project: &ProjectName,
        level: Level,
    ) -> Result<(Vec<Variable>, usize), StoreError> {
        let project = project.clone();
        self.0
            .call(move |connection| at(connection, &project, &level))
            .await
    }

    /// All that is set in a project, or in all.
    ///
    /// # Errors
    /// The database's.
    pub async fn all_variables(
        &self,
        project: Option<ProjectName>,
    ) -> Result<Vec<(ProjectName, Variable)>, StoreError> {
        self.0
            .call(move |connection| list(connection, project.as_ref()))
            .await
    }
}

const COLUMNS: &str =
    "level, target, name, value, visible, secret, inheritable, json, set_by, set_at";

/// What an environment is given. One that is not there yet has what it would inherit.
///
/// # Errors
/// The database's.
fn of(
    connection: &Connection,
    key: &EnvironmentKey,
    parent: Option<&str>,
) -> Result<Set, StoreError> {
    let project = key.project.as_str();
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM variable
         WHERE project = ?1 AND (level IN ('project', 'type') OR target = ?2)"
    ))?;
    let mut all = read_all(&mut statement, (project, key.id.as_str()))?;
    if environment::find(connection, key)?.is_none()
        && let Some(parent) = parent
    {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM variable
             WHERE project = ?1 AND level = 'environment' AND target = ?2 AND inheritable"
        ))?;
        let own = Level::Environment(key.id.clone());
        for inherited in read_all(&mut statement, (project, parent))? {
            let is_own = |one: &Variable| one.level == own && one.name == inherited.name;
            if !all.iter().any(is_own) {
                let level = own.clone();
                all.push(Variable { level, ..inherited });
            }
        }
    }
    let salt = salt(connection, &key.project)?.unwrap_or_default();
    Ok(Set { all, salt })
}

/// All that is set in a project, or in all.
///
/// # Errors
/// The database's.
fn list(
    connection: &Connection,
    project: Option<&ProjectName>,
) -> Result<Vec<(ProjectName, Variable)>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, project FROM variable WHERE ?1 IS NULL OR project = ?1
         ORDER BY project, level, target, name"
    ))?;
    let rows = statement.query_map([project.map(ProjectName::as_str)], |row| {
        let project: String = row.get(10)?;
        Ok((ProjectName::parse(&project), project, record(row)))
    })?;
    rows.map(|row| {
        let (name, text, variable) = row?;
        let name = name.map_err(|_| unreadable("project", text))?;
        Ok((name, variable?))
    })
    .collect()
}

/// Records a change, unless a bound stands against it; within the transaction that records who did it.
///
/// # Errors
/// The database's.
pub(super) fn change(
    connection: &Connection,
    project: &ProjectName,
    change: &Change,
) -> Result<Result<(), TooMuch>, StoreError> {
    let new = match change {
        Change::Set(new) => new,
        Change::Delete(level, name) => {
            connection
                .prepare_cached(
                    "DELETE FROM variable
                     WHERE project = ?1 AND level = ?2 AND target = ?3 AND name = ?4",
                )?
                .execute((
                    project.as_str(),
                    level.word(),
                    level.target(),
                    name.as_str(),
                ))?;
            return Ok(Ok(()));
        }
    };
    let (own, in_project) = at(connection, project, &new.level)?;
    if let Err(too_much) = variables::fits(&own, in_project, new) {
        return Ok(Err(too_much));
    }
    if new.secret && salt(connection, project)?.is_none() {
        let random: [u8; 32] = rand::random();
        let fresh = data_encoding::HEXLOWER.encode(&random);
        connection
            .prepare_cached("INSERT INTO salt (project, value) VALUES (?1, ?2)")?
            .execute((project.as_str(), fresh))?;
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO variable (project, level, target, name, value, visible, secret,
                 inheritable, json, set_by, set_at)
             VALUES (:project, :level, :target, :name, :value, :visible, :secret,
                 :inheritable, :json, :set_by, :set_at)",
        )?
        .execute(named_params! {
            ":project": project.as_str(),
            ":level": new.level.word(),
            ":target": new.level.target(),
            ":name": new.name.as_str(),
            ":value": new.value.0,
            ":visible": new.visible.word(),
            ":secret": new.secret,
            ":inheritable": new.inheritable,
            ":json": new.json,
            ":set_by": new.set_by,
            ":set_at": new.set_at,
        })?;
    Ok(Ok(()))
}

/// What is set at a level, and how many are in the whole project.
///
/// # Errors
/// The database's.
fn at(
    connection: &Connection,
    project: &ProjectName,
    level: &Level,
) -> Result<(Vec<Variable>, usize), StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM variable WHERE project = ?1 AND level = ?2 AND target = ?3
         ORDER BY name"
    ))?;
    let own = read_all(
        &mut statement,
        (project.as_str(), level.word(), level.target()),
    )?;
    let in_project = connection
        .prepare_cached("SELECT count(*) FROM variable WHERE project = ?1")?
        .query_row([project.as_str()], |row| row.get(0))?;
    Ok((own, in_project))
}

/// Gives a new environment what its parent hands down, as it is at this moment; what was set for it
/// beforehand stays.
///
/// # Errors
/// The database's.
pub(super) fn inherit(
    connection: &Connection,
    child: &EnvironmentKey,
    parent: &str,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO variable (project, level, target, name, value, visible, secret,
                 inheritable, json, set_by, set_at)
             SELECT project, level, ?2, name, value, visible, secret, inheritable, json, set_by,
                 set_at
             FROM variable
             WHERE project = ?1 AND level = 'environment' AND target = ?3 AND inheritable",
        )?
        .execute((child.project.as_str(), child.id.as_str(), parent))?;
    Ok(())
}

/// Forgets what was set for an environment that is gone.
///
/// # Errors
/// The database's.
pub(super) fn forget(connection: &Connection, key: &EnvironmentKey) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM variable
             WHERE project = ?1 AND level = 'environment' AND target = ?2 AND NOT EXISTS
                 (SELECT 1 FROM environment WHERE project = ?1 AND id = ?2)",
        )?
        .execute((key.project.as_str(), key.id.as_str()))?;
    Ok(())
}

/// Every secret that an environment has, or that one of its releases was given: whatever they print
/// is starred.
///
/// # Errors
/// The database's.
pub(super) fn secrets(
    connection: &Connection,
    key: &EnvironmentKey,
) -> Result<Vec<String>, StoreError> {
    // Of one that is not there yet nobody knows here whose child it is.
    let mut statement = connection.prepare_cached(
        "SELECT value FROM variable WHERE project = ?1 AND secret AND (level <> 'environment'
             OR target = ?2 OR (inheritable AND NOT EXISTS
                 (SELECT 1 FROM environment WHERE project = ?1 AND id = ?2)))",
    )?;
    let names = (key.project.as_str(), key.id.as_str());
    let set = statement.query_map(names, |row| row.get(0))?;
    let mut values = set.collect::<Result<Vec<String>, _>>()?;
    let mut statement = connection.prepare_cached(
        "SELECT variables FROM release
         WHERE project = ?1 AND environment = ?2 AND variables <> '{}'",
    )?;
    let rows = statement.query_map(names, |row| row.get::<_, String>(0))?;
    for row in rows {
        let given = given(row?)?;
        values.extend(given.secrets().map(str::to_owned));
    }
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

/// Reads what a release was given.
pub(super) fn given(text: String) -> Result<Given, StoreError> {
    serde_json::from_str(&text).map_err(|_| unreadable("variables of a release", String::new()))
}

fn salt(connection: &Connection, project: &ProjectName) -> Result<Option<String>, StoreError> {
    use rusqlite::OptionalExtension as _;
    Ok(connection
        .prepare_cached("SELECT value FROM salt WHERE project = ?1")?
        .query_row([project.as_str()], |row| row.get(0))
        .optional()?)
}

fn read_all(
    statement: &mut rusqlite::CachedStatement<'_>,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Variable>, StoreError> {
    let rows = statement.query_map(parameters, |row| Ok(record(row)))?;
    rows.map(|row| row?).collect()
}

fn record(row: &Row<'_>) -> Result<Variable, StoreError> {
    let (word, target): (String, String) = (row.get(0)?, row.get(1)?);
    let level = match word.as_str() {
        "project" => Some(Level::Project),
        "type" => Kind::parse(&target).map(Level::Type),
        "environment" => EnvironmentId::parse(&target).ok().map(Level::Environment),
        _ => None,
    };
    let name: String = row.get(2)?;
    let visible: String = row.get(4)?;
    Ok(Variable {
        level: level.ok_or_else(|| unreadable("variable's level", format!("{word} {target}")))?,
        name: VariableName::parse(&name).map_err(|_| unreadable("variable", name))?,
        value: Hidden(row.get(3)?),
        visible: Visible::parse(&visible).ok_or_else(|| unreadable("visible", visible))?,
        secret: row.get(5)?,
        inheritable: row.get(6)?,
        json: row.get(7)?,
        set_by: row.get(8)?,
        set_at: row.get(9)?,
    })
}

fn unreadable(what: &'static str, value: String) -> StoreError {
    StoreError::Unreadable { what, value }
}

#[cfg(test)]
mod tests;
