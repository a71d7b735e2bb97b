//! `[env]`: variables.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::parts::entries;
use super::visible::Visible;
use crate::{
    name::VariableName,
    plain::quoted,
    reader::{Item, Table},
};

const MAX_VARIABLES: usize = 256;

/// A variable's value, or where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// As written, in builds and in releases.
    Plain(String),
    /// As written, in one of them only.
    Only {
        /// The text.
        value: String,
        /// Who sees it.
        visible: Visible,
    },
    /// A secret, made once per environment and never printed.
    Generate,
    /// Somebody must set it for the environment.
    Required {
        /// What it is.
        help: Option<String>,
        /// Who needs it.
        #[serde(default = "needed")]
        visible: Visible,
    },
}

/// Who needs what is required, where nothing says so: what a build does not see cannot leave it.
fn needed() -> Visible {
    Visible::Run
}

impl Value {
    /// The text that stands in the file, and who sees it.
    pub fn written(&self) -> Option<(&str, Visible)> {
        match self {
            Value::Plain(value) => Some((value, Visible::Both)),
            Value::Only { value, visible } => Some((value, *visible)),
            Value::Generate | Value::Required { .. } => None,
        }
    }
}

/// The variables by name.
pub(super) fn env(item: &Item<'_>) -> BTreeMap<VariableName, Value> {
    let variable = |item: &Item<'_>| {
        let name = name(item);
        let value = value(item);
        name.zip(value)
    };
    entries(item, MAX_VARIABLES, "env")
        .iter()
        .filter_map(variable)
        .collect()
}

/// The name at which a variable stands, unless Wharf itself sets it.
pub(super) fn name(item: &Item<'_>) -> Option<VariableName> {
    let name = item.key_as("LOG_LEVEL = \"info\"", VariableName::parse)?;
    if name.is_reserved() {
        let why = "the name is reserved: Wharf sets it";
        item.bad_key("reserved-variable", why, "choose another name");
        return None;
    }
    Some(name)
}

fn value(item: &Item<'_>) -> Option<Value> {
    if !matches!(item.value(), DeValue::Table(_)) {
        return item
            .text("\"text\"")
            .map(|text| Value::Plain(text.to_owned()));
    }
    let table = item.table("")?;
    let generate = table.get("generate");
    let required = table.get("required");
    let written = table.get("value");
    let help = table.get("help");
    let visible = table.get("visible");
    let seen = visible.as_ref().and_then(Visible::read);
    let value = match (&generate, &required, &written) {
        (Some(generate), None, None) => {
            unfit(help.as_ref(), "a generated secret needs no help");
            unfit(visible.as_ref(), "no build sees a generated secret");
            generate
                .one_of(&[("secret", Value::Generate)].map(|(word, _)| (word, ())))
                .map(|()| Value::Generate)
        }
        (None, Some(required), None) => {
            let help = help
                .and_then(|help| help.text("\"what it is\""))
                .map(str::to_owned);
            let visible = seen.unwrap_or_else(needed);
            match required.boolean() {
                Some(true) => Some(Value::Required { help, visible }),
                Some(false) => {
                    required.bad("only `true` has a meaning", "remove the variable");
                    None
                }
                None => None,
            }
        }
        (None, None, Some(written)) => {
            unfit(help.as_ref(), "a value that is there needs no help");
            let value = written.text("\"text\"")?.to_owned();
            Some(match seen.unwrap_or_default() {
                Visible::Both => Value::Plain(value),
                visible => Value::Only { value, visible },
            })
        }
        _ => {
            one_of_three(item, &table);
            None
        }
    };
    table.finish();
    value
}

fn unfit(item: Option<&Item<'_>>, why: &str) {
    if let Some(item) = item {
        item.bad_key("bad-value", why, "remove it");
    }
}

fn one_of_three(item: &Item<'_>, table: &Table<'_>) {
    let message = format!(
        "{} needs one of `value`, `generate`, `required`",
        quoted(item.path())
    );
    let hint = "write \"text\", { generate = \"secret\" } or { required = true }";
    table.missing_one_of(&["value", "generate", "required"], message, hint);
}
