//! What the host has of each runtime: asked once, and again when the program changes.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use tokio::process::Command;
use wharf_config::application::{Application, Runtime, RuntimeName};

use super::failure::Failure;
use crate::plan::admission::Found;

/// The longest that a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where sandboxes find programs too.
const DIRECTORIES: [&str; 2] = ["/usr/local/bin", "/usr/bin"];

/// Versions by program, with the program's time of change.
#[derive(Debug, Default)]
pub struct Runtimes(Mutex<HashMap<PathBuf, (SystemTime, Option<String>)>>);

impl Runtimes {
    /// What the host has of a runtime.
    pub async fn find(&self, runtime: &Runtime) -> Found {
        let (program, argument) = program(runtime.name);
        let path = DIRECTORIES
            .iter()
            .map(|dir| Path::new(dir).join(program))
            .find(|p| p.exists());
        let Some(path) = path else {
            return Found::Missing;
        };
        match self.version(&path, argument).await {
            None => Found::Missing,
            Some(version) if fits(&version, runtime.version.as_deref()) => Found::Fits(version),
            Some(version) => Found::Other(version),
        }
    }

    /// The version that a program says it has; none where it says none.
    pub(super) async fn version(&self, path: &Path, argument: &str) -> Option<String> {
        let changed = path.metadata().and_then(|meta| meta.modified()).ok()?;
        if let Some((then, version)) = self
            .0
            .lock()
            .expect("no holder of this lock panics")
            .get(path)
            && *then == changed
        {
            return version.clone();
        }
        let asked = Command::new(path)
            .arg(argument)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?;
        let text = [output.stdout, output.stderr].concat();
        let version = number(&String::from_utf8_lossy(&text));
        self.0
            .lock()
            .expect("no holder of this lock panics")
            .insert(path.to_owned(), (changed, version.clone()));
        version
    }
}

/// The runtimes of an application with their versions, for the slug's key.
///
/// # Errors
/// That one is not there: the host changed since the push was admitted.
pub async fn of(
    runtimes: &Runtimes,
    application: &Application,
) -> Result<BTreeMap<String, String>, Failure> {
    let Some(runtime) = &application.runtime else {
        return Ok(BTreeMap::new());
    };
    match runtimes.find(runtime).await {
        Found::Fits(version) => Ok([(runtime.name.as_str().to_owned(), version)].into()),
        Found::Other(_) | Found::Missing | Found::Refused(..) => Err(Failure::new(
            "runtime-missing",
            format!("this host has no {runtime}"),
        )
        .hint("ask the host's operator to install it, or ask for another version")),
    }
}

fn program(name: RuntimeName) -> (&'static str, &'static str) {
    match name {
        RuntimeName::Php => ("php", "--version"),
        RuntimeName::Node => ("node", "--version"),
        RuntimeName::Python => ("python3", "--version"),
        RuntimeName::Ruby => ("ruby", "--version"),
        RuntimeName::Perl => ("perl", "--version"),
        RuntimeName::Go => ("go", "version"),
        RuntimeName::Java => ("java", "-version"),
        RuntimeName::Deno => ("deno", "--version"),
        RuntimeName::Bun => ("bun", "--version"),
    }
}

/// The first number with a dot in what a program says of itself.
fn number(text: &str) -> Option<String> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .map(|word| word.trim_matches('.'))
        .find(|word| word.contains('.'))
        .map(str::to_owned)
}

/// `8.2` asks for any 8.2.x.
pub(super) fn fits(version: &str, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| {
        let mut have = version.split('.');
        wanted.split('.').all(|part| have.next() == Some(part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_and_compared_by_their_parts() {
        assert_eq!(number("Python 3.11.2\n").as_deref(), Some("3.11.2"));
        assert_eq!(number("v20.20.2").as_deref(), Some("20.20.2"));
        assert_eq!(
            number("go version go1.19.8 linux/amd64").as_deref(),
            Some("1.19.8")
        );
        assert_eq!(
            number("This is perl 5, version 36 (v5.36.0)").as_deref(),
            Some("5.36.0")
        );
        assert_eq!(number("no number"), None);
        assert!(fits("3.11.2", None));
        assert!(fits("3.11.2", Some("3")));
        assert!(fits("3.11.2", Some("3.11")));
        assert!(!fits("3.11.2", Some("3.1")));
        assert!(!fits("3", Some("3.11")));
    }
}
