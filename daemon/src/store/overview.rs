//! Every environment at a glance, in one question: a project may have a thousand.

use rusqlite::{Connection, Row};
use wharf_config::application::committed;
use wharf_config::name::ProjectName;
use wharf_wire::view::Activity;

use super::environment::{self, EnvironmentRecord};
use super::{StoreError, activity, variable};
use crate::plan::variables::Given;

/// An environment with what people first want to know of it.
#[derive(Debug, Clone)]
pub struct Overview {
    /// Its record.
    pub record: EnvironmentRecord,
    /// The release that serves.
    pub live: Option<Live>,
    /// The newest activity that tells of what is deployed, without its steps.
    pub newest: Option<Activity>,
}

/// A release that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// The commit that it was made of, in hex.
    pub commit: String,
    /// Whether it has no process: files are all that it serves.
    pub is_static: bool,
    /// Variables that its code has committed.
    pub committed: committed::All,
    /// What was set when it was made.
    pub variables: Given,
}

/// The environments of one project, or of all.
///
/// # Errors
/// The database's.
pub fn list(
    connection: &Connection,
    project: Option<&ProjectName>,
) -> Result<Vec<Overview>, StoreError> {
    // The newest activity by its index: the cost of an environment is the same however much happened.
    let sql = format!(
        "SELECT {}, release.commit_id,
                json_extract(release.application, '$.web') IS NULL
                AND json_extract(release.application, '$.workers') = '{{}}'
                AND coalesce(json_extract(release.application, '$.processes'), '{{}}') = '{{}}',
                json_extract(release.application, '$.committed'), release.variables,
                {}
         FROM environment
         LEFT JOIN release ON release.project = environment.project
              AND release.environment = environment.id AND release.number = environment.live
         LEFT JOIN activity ON activity.number =
              (SELECT number FROM activity AS own
               WHERE own.project = environment.project AND own.environment = environment.id
               AND own.kind NOT IN ('info', 'approve', 'variable', 'run', 'cron', 'upload', 'download',
                   'snapshot', 'snapshot-test', 'snapshot-delete') ORDER BY number DESC LIMIT 1)
         WHERE ?1 IS NULL OR environment.project = ?1
         ORDER BY environment.project, environment.id",
        of("environment", environment::COLUMNS),
        of("activity", activity::VIEW),
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([project.map(ProjectName::as_str)], |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

fn read(row: &Row<'_>) -> Result<Overview, StoreError> {
    let own = environment::COLUMNS.split(',').count();
    let commit: Option<String> = row.get(own)?;
    let is_static = row.get::<_, Option<bool>>(own + 1)?.unwrap_or_default();
    let committed: Option<String> = row.get(own + 2)?;
    let variables: Option<String> = row.get(own + 3)?;
    let first = own + 4;
    let newest = row.get::<_, Option<String>>(first)?;
    Ok(Overview {
        record: environment::record(row)?,
        live: match commit {
            Some(commit) => Some(Live {
                commit,
                is_static,
                committed: match committed {
                    Some(text) => committed_of(text)?,
                    None => committed::All::new(),
                },
                variables: variable::given(variables.unwrap_or_default())?,
            }),
            None => None,
        },
        newest: match newest {
            Some(_) => Some(activity::view(row, first)?),
            None => None,
        },
    })
}

fn committed_of(text: String) -> Result<committed::All, StoreError> {
    serde_json::from_str(&text).map_err(|_| StoreError::Unreadable {
        what: "committed variables of a release",
        value: String::new(),
    })
}

/// Columns with their table's name before them.
fn of(table: &str, columns: &str) -> String {
    let named = columns
        .split(',')
        .map(|column| format!("{table}.{}", column.trim()));
    named.collect::<Vec<_>>().join(", ")
}
