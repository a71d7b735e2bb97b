//! Slugs: frozen build results by what went into them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row};

use super::{Recorder, StoreError, now};

/// A slug's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlugRecord {
    /// Hex of the key.
    pub key: String,
    /// Under what it is looked for: the key of its ingredients alone, from which `key` differs where it
    /// was rebuilt on request; of one that was imported what [`within`] makes of that.
    pub base: String,
    /// The project whose build made it, or that it was imported into.
    pub project: String,
    /// `protected` or `open`.
    pub trust_domain: String,
    /// What went into the key, as JSON.
    pub ingredients: String,
    /// The digest of every file in it, in hex.
    pub digest: String,
    /// How many files it holds.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What stands between the two parts of [`within`].
const WITHIN: &str = " in ";

/// Under what a slug of ingredients of this key is looked for that was imported into a project: no
/// other project finds it there.
pub fn within(key: &str, project: &str) -> String {
    format!("{key}{WITHIN}{project}")
}

/// The key of the ingredients, of what a slug is looked for under.
pub(super) fn ingredients_key(base: &str) -> &str {
    base.split_once(WITHIN).map_or(base, |(key, _)| key)
}

impl SlugRecord {
    /// Whether somebody brought it, and no build made it here.
    pub fn is_imported(&self) -> bool {
        is_imported(&self.base)
    }

    /// The key's first digits, for people.
    pub fn short(&self) -> &str {
        self.key.get(..6).unwrap_or(&self.key)
    }
}

pub(super) fn is_imported(base: &str) -> bool {
    base.contains(WITHIN)
}

/// Records a slug once its directory is in the store.
///
/// # Errors
/// The database's.
pub fn add(connection: &Connection, slug: &SlugRecord) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO slug (key, base, project, trust_domain, ingredients, digest,
                 files, bytes, created, used)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)",
        )?
        .execute((
            &slug.key,
            &slug.base,
            &slug.project,
            &slug.trust_domain,
            &slug.ingredients,
            &slug.digest,
            slug.files,
            slug.bytes,
            now(),
        ))?;
    Ok(())
}

const COLUMNS: &str = "key, base, project, trust_domain, ingredients, digest, files, bytes";

fn record(row: &Row<'_>) -> rusqlite::Result<SlugRecord> {
    Ok(SlugRecord {
        key: row.get(0)?,
        base: row.get(1)?,
        project: row.get(2)?,
        trust_domain: row.get(3)?,
        ingredients: row.get(4)?,
        digest: row.get(5)?,
        files: row.get(6)?,
        bytes: row.get(7)?,
    })
}

/// One slug.
///
/// # Errors
/// The database's.
pub fn find(connection: &Connection, key: &str) -> Result<Option<SlugRecord>, StoreError> {
    Ok(connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM slug WHERE key = ?1"))?
        .query_row([key], record)
        .optional()?)
}

/// The newest slug that is looked for under one of these keys.
///
/// # Errors
/// The database's.
pub fn newest(
    connection: &Connection,
    bases: &[String; 2],
) -> Result<Option<SlugRecord>, StoreError> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM slug WHERE base IN (?1, ?2)
             ORDER BY created DESC, rowid DESC LIMIT 1"
        ))?
        .query_row([&bases[0], &bases[1]], record)
        .optional()?)
}

/// A slug of a project, and who has releases of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The slug.
    pub record: SlugRecord,
    /// Milliseconds since 1970-01-01 UTC.
    pub created: u64,
    /// The project's environments by their ids: the numbers of their releases of it, newest first.
    pub used: BTreeMap<String, Vec<u32>>,
}

/// The slugs that a project's builds made, or its releases use; the newest first.
///
/// # Errors
/// The database's.
pub fn list(connection: &Connection, project: &str) -> Result<Vec<Listed>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, created FROM slug WHERE project = ?1 OR key IN (
             SELECT slug FROM release WHERE project = ?1 AND state IN ('making', 'ready'))
         ORDER BY created DESC, rowid DESC"
    ))?;
    let slugs = statement.query_map([project], |row| {
        Ok(Listed {
            record: record(row)?,
            created: row.get(8)?,
            used: BTreeMap::new(),
        })
    })?;
    let mut slugs: Vec<Listed> = slugs.collect::<Result<_, _>>()?;
    let mut used = uses(connection, project)?;
    for slug in &mut slugs {
        slug.used = used.remove(&slug.record.key).unwrap_or_default();
    }
    Ok(slugs)
}

/// A project's releases by slug and environment.
fn uses(
    connection: &Connection,
    project: &str,
) -> Result<BTreeMap<String, BTreeMap<String, Vec<u32>>>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT slug, environment, number FROM release
         WHERE project = ?1 AND state IN ('making', 'ready') ORDER BY number DESC",
    )?;
    let rows = statement.query_map([project], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get(2)?,
        ))
    })?;
    let mut all: BTreeMap<String, BTreeMap<String, Vec<u32>>> = BTreeMap::new();
    for row in rows {
        let (slug, environment, number) = row?;
        let of_slug = all.entry(slug).or_default();
        of_slug.entry(environment).or_default().push(number);
    }
    Ok(all)
}

impl Recorder {
    /// Whether a slug of these ingredients was built before that one, and is recorded still.
    ///
    /// # Errors
    /// The database's.
    pub async fn was_built_before(&self, base: &str, key: &str) -> Result<bool, StoreError> {
        let (base, key) = (base.to_owned(), key.to_owned());
        let before = move |connection: &mut Connection| {
            let mut statement = connection.prepare_cached(
                "SELECT 1 FROM slug AS own JOIN slug AS other ON other.created <= own.created
                 WHERE own.key = ?2 AND other.base = ?1",
            )?;
            Ok(statement.exists((&base, &key))?)
        };
        self.0.call(before).await
    }

    /// The slugs of a project; see [`list`].
    ///
    /// # Errors
    /// The database's.
    pub async fn slugs_of(&self, project: &str) -> Result<Vec<Listed>, StoreError> {
        let project = project.to_owned();
        self.0
            .call(move |connection| list(connection, &project))
            .await
    }
}
