//! Counting what services hold that run beside those that serve.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use wharf_config::name::ProcessName;

use super::One;
use super::command::{self, Stand};
use super::copy::Came;
use crate::execute::activity::Act;
use crate::execute::failure::Failure;
use crate::plan::services::Content;
use crate::plan::services::rows::Rows;

/// How long counting one may take: it reads an index of each table.
const LIMIT: Duration = Duration::from_secs(600);

/// The rows of each, of those that can be counted.
///
/// # Errors
/// That it was stopped, or could not be run.
pub(in crate::execute) async fn count(
    act: &Act,
    came: &Came<'_>,
    sockets: &Path,
    words: &str,
) -> Result<BTreeMap<ProcessName, Rows>, Failure> {
    let mut all = BTreeMap::new();
    for (one, data) in came.all() {
        let stand = Stand {
            data: data.clone(),
            sockets: sockets.to_owned(),
        };
        let rows = count_one(act, one, &stand, words).await?;
        all.extend(rows.map(|rows| (one.name.clone(), rows)));
    }
    Ok(all)
}

/// The rows of one that runs there; none where they cannot be counted.
///
/// # Errors
/// As [`count`].
pub(super) async fn count_one(
    act: &Act,
    one: &One<'_>,
    stand: &Stand,
    words: &str,
) -> Result<Option<Rows>, Failure> {
    let Some(Content {
        count: Some(count), ..
    }) = &one.recipe.content
    else {
        return Ok(None);
    };
    let words = format!("{words}-{}", one.name);
    let asked = command::ask(act, &words, stand.client(act, count), count, LIMIT).await?;
    match asked {
        Ok(printed) => Ok(Some(Rows::read(&printed))),
        Err(printed) => {
            tracing::warn!(service = %one.name, printed, "not counted");
            Ok(None)
        }
    }
}
