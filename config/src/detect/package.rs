//! Reads the scripts of a `package.json`.

use std::sync::Arc;

use crate::{
    files::Files,
    plain::boundary,
    problem::{Problem, Problems},
};

const FILE: &str = "package.json";

/// Which scripts there are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) start: bool,
    pub(crate) build: bool,
}

/// Reads `package.json`, if there is one.
pub(crate) fn package(files: &Files, problems: &mut Vec<Problem>) -> Option<Package> {
    match read(files) {
        Ok(package) => package,
        Err(found) => {
            problems.extend(found);
            None
        }
    }
}

fn read(files: &Files) -> Result<Option<Package>, Problems> {
    let Some(text) = files.text(FILE)? else {
        return Ok(None);
    };
    // Some editors write a byte order mark, and npm forgives it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let json: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        let at = offset(text, error.line(), error.column());
        let text: Arc<str> = text.into();
        let message = error.to_string();
        // The place is shown, so it need not be said.
        let message = message.split(" at line ").next().unwrap_or_default();
        Problem::new(FILE, "json-syntax", message)
            .at(&text, at..at + 1)
            .hint("npm cannot read it either; mend the JSON")
    })?;
    let wrong = |what: &str| Problem::new(FILE, "wrong-type", format!("{what} in it"));
    let scripts = match (&json, json.get("scripts")) {
        (serde_json::Value::Object(_), None) => return Ok(Some(Package::default())),
        (_, Some(serde_json::Value::Object(scripts))) => scripts,
        (serde_json::Value::Object(_), Some(_)) => {
            let problem = wrong("`scripts` is not an object");
            return Err(problem.hint("see npm help scripts").into());
        }
        _ => {
            let problem = wrong("there is no object");
            return Err(problem.hint("it begins with { and ends with }").into());
        }
    };
    let has = |name: &str| match scripts.get(name) {
        None => Ok(false),
        Some(serde_json::Value::String(script)) => Ok(!script.trim().is_empty()),
        Some(_) => {
            let problem = wrong(&format!("the script `{name}` is not a string"));
            Err::<_, Problems>(problem.hint("see npm help scripts").into())
        }
    };
    Ok(Some(Package {
        start: has("start")?,
        build: has("build")?,
    }))
}

/// The byte at a line and column, both from 1, as serde_json counts them.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    boundary(text, before + column.saturating_sub(1))
}
