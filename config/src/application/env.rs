//! `[env]`: variables.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::parts::entries;
use crate::{name::VariableName, plain::quoted, reader::Item};

const MAX_VARIABLES: usize = 256;

/// A variable's value, or where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// As written.
    Plain(String),
    /// A secret, made once per environment and never printed.
    Generate,
    /// Somebody must set it for the environment.
    Required {
        /// What it is.
        help: Option<String>,
    },
}

/// The variables by name.
pub(super) fn env(item: &Item<'_>) -> BTreeMap<VariableName, Value> {
    let variable = |item: &Item<'_>| {
        let name = item.key_as("LOG_LEVEL = \"info\"", VariableName::parse);
        let value = value(item);
        if name.as_ref().is_some_and(VariableName::is_reserved) {
            let hint = "choose another name";
            item.bad_key(
                "reserved-variable",
                "the name is reserved: Wharf sets it",
                hint,
            );
            return None;
        }
        name.zip(value)
    };
    entries(item, MAX_VARIABLES, "env")
        .iter()
        .filter_map(variable)
        .collect()
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
    let help = table.get("help");
    let value = match (&generate, &required) {
        (Some(generate), None) => {
            if let Some(help) = &help {
                help.bad_key("bad-value", "a generated secret needs no help", "remove it");
            }
            generate
                .one_of(&[("secret", Value::Generate)].map(|(word, _)| (word, ())))
                .map(|()| Value::Generate)
        }
        (None, Some(required)) => {
            let help = help
                .and_then(|help| help.text("\"what it is\""))
                .map(str::to_owned);
            match required.boolean() {
                Some(true) => Some(Value::Required { help }),
                Some(false) => {
                    required.bad("only `true` has a meaning", "remove the variable");
                    None
                }
                None => None,
            }
        }
        _ => {
            let message = format!(
                "{} needs one of `generate`, `required`",
                quoted(item.path())
            );
            let hint = "write \"text\", { generate = \"secret\" } or { required = true }";
            table.problem("missing-key", message, hint);
            None
        }
    };
    table.finish();
    value
}
