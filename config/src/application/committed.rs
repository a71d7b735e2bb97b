//! `wharf.config.toml`: variables that somebody set in an environment, and committed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::{Value as Toml, de::DeValue};

use super::{
    env,
    parts::entries,
    visible::{Visible, check_value},
};
use crate::{
    files::{Files, MAX_FILE},
    name::VariableName,
    problem::Problem,
    reader::{Item, Reader, Table},
};

/// Where they lie in the repository.
pub const FILE: &str = "wharf.config.toml";
/// At most so many.
const MAX: usize = 1_024;

/// A committed variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committed {
    /// Its value.
    pub value: String,
    /// Who sees it.
    pub visible: Visible,
}

/// The committed variables by name.
pub type All = BTreeMap<VariableName, Committed>;

/// Reads the file where there is one.
pub(super) fn read(files: &Files, problems: &mut Vec<Problem>) -> Option<All> {
    match files.text(FILE) {
        Ok(None) => None,
        Ok(Some(text)) => {
            let (read, found) = Reader::new(FILE, text).try_read(top);
            problems.extend(found);
            read
        }
        Err(found) => {
            problems.extend(found);
            None
        }
    }
}

fn top(table: Table<'_>) -> All {
    let variables = table.get("variables").map(|item| variables(&item));
    table.finish();
    variables.unwrap_or_default()
}

fn variables(item: &Item<'_>) -> All {
    let entries = entries(item, MAX, "variables");
    let variable = |item: &Item<'_>| env::name(item).zip(variable(item));
    entries.iter().filter_map(variable).collect()
}

fn variable(item: &Item<'_>) -> Option<Committed> {
    let text = |item: &Item<'_>| {
        let text = item.text("\"text\"")?;
        match check_value(text) {
            Ok(()) => Some(text.to_owned()),
            Err(why) => {
                item.bad(why, "write another value");
                None
            }
        }
    };
    if !matches!(item.value(), DeValue::Table(_)) {
        let visible = Visible::Both;
        return text(item).map(|value| Committed { value, visible });
    }
    let table = item.table("\"text\"")?;
    let value = table.get("value");
    let visible = table.get("visible");
    if value.is_none() {
        let message = format!("{} needs `value`", crate::plain::quoted(item.path()));
        let hint = "write \"text\", or { value = \"text\", visible = \"run\" }";
        table.missing(&["value"], message, hint);
    }
    table.finish();
    let visible = match visible {
        Some(visible) => Visible::read(&visible)?,
        None => Visible::Both,
    };
    let value = text(&value?)?;
    Some(Committed { value, visible })
}

/// Writes the file: the same variables make the same bytes.
///
/// # Errors
/// How many bytes it would have, where it would be too large to be read again.
pub fn write(project: &str, environment: &str, variables: &All) -> Result<String, u64> {
    let mut text = format!(
        "# What was set in the environment {environment} of {project}, as written by\n\
         # `wharf config dump`. Secrets are not in it.\n\
         # Where a deployed commit has this file, these values win over what is set\n\
         # there, and are read-only: change them here, commit and push.\n\
         \n\
         [variables]\n"
    );
    for (name, variable) in variables {
        let value = Toml::String(variable.value.clone());
        let line = match variable.visible {
            Visible::Both => format!("{name} = {value}\n"),
            visible => {
                let visible = visible.word();
                format!("{name} = {{ value = {value}, visible = \"{visible}\" }}\n")
            }
        };
        text.push_str(&line);
    }
    match text.len() as u64 {
        bytes if bytes > MAX_FILE => Err(bytes),
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests;
