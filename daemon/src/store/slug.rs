//! Slugs: frozen build results by what went into them.

use rusqlite::{Connection, OptionalExtension, Row};

use super::{StoreError, now};

/// A slug's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlugRecord {
    /// Hex of the key.
    pub key: String,
    /// The key of its ingredients alone; another one only where it was rebuilt on request.
    pub base: String,
    /// The project whose build made it.
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

/// The newest slug of these ingredients.
///
/// # Errors
/// The database's.
pub fn newest(connection: &Connection, base: &str) -> Result<Option<SlugRecord>, StoreError> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM slug WHERE base = ?1 ORDER BY created DESC, rowid DESC LIMIT 1"
        ))?
        .query_row([base], record)
        .optional()?)
}
