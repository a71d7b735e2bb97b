//! What `wharf doctor` says of the database, with a daemon or without one.

use std::time::{Duration, SystemTime};

use wharf_wire::view::{Finding, Severity};

use super::backup;
use super::fault::Fault;
use super::open::{self, Look, OpenError};
use super::paths::Paths;
use crate::execute::failure::chain;

/// A daily backup that is older is a sign that none is taken any more.
const OLD: Duration = Duration::from_secs(2 * 24 * 3600);

/// Looks at the database and its backups. Blocks.
pub fn findings(paths: &Paths, look: Look) -> Vec<Finding> {
    let database = paths.database();
    let found = match open::sound(paths, look) {
        Ok(Some(_)) => finding(
            Severity::Good,
            "store",
            format!("{}: the database is sound", database.display()),
            None,
        ),
        Ok(None) => finding(
            Severity::Good,
            "store",
            format!("{}: nothing is recorded yet", database.display()),
            None,
        ),
        Err(OpenError::Fault(fault)) => return vec![of_fault(&fault, paths)],
        Err(error) => finding(
            Severity::Warning,
            "store",
            chain(&error),
            Some("look again as the user whose daemon it is".into()),
        ),
    };
    let mut found = vec![found];
    found.extend(of_backups(paths));
    found
}

/// A fault with all that can be done.
pub fn of_fault(fault: &Fault, paths: &Paths) -> Finding {
    let hints = fault.hints(paths);
    finding(
        Severity::Error,
        fault.code(),
        fault.to_string(),
        Some(hints.join("\n")),
    )
}

fn of_backups(paths: &Paths) -> Option<Finding> {
    let (newest, path) = backup::list(paths).into_iter().next()?;
    let age = SystemTime::now().duration_since(newest).unwrap_or_default();
    Some(if age > OLD {
        finding(
            Severity::Warning,
            "store-backup",
            format!("the newest backup is {}", path.display()),
            Some("the daemon takes one a day; its log says why it does not".into()),
        )
    } else {
        finding(
            Severity::Good,
            "store-backup",
            format!("the newest backup is {}", path.display()),
            None,
        )
    })
}

fn finding(severity: Severity, code: &str, message: String, hint: Option<String>) -> Finding {
    Finding {
        severity,
        code: code.into(),
        message,
        hint,
    }
}
