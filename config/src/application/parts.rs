//! What the parts of `wharf.toml` have in common, and what stands at its top.

use super::Application;
use crate::{
    name::RelPath,
    reader::{Item, Table},
};

/// A table's entries, of which there may be so many.
pub(super) fn entries<'a>(item: &Item<'a>, most: usize, what: &str) -> Vec<Item<'a>> {
    let entries = item.table("").map(Table::entries).unwrap_or_default();
    if entries.len() > most {
        item.bad_key(
            "bad-value",
            format!("more than {most} {what}"),
            "leave some out",
        );
        return Vec::new();
    }
    entries
}

/// Adds what `wharf.toml` says about nothing in particular.
pub(super) fn top(table: &Table<'_>, app: &mut Application) {
    if let Some(item) = table.get("runtime") {
        app.runtime_at = Some(item.spot());
        app.runtime = item.text("\"python:3.11\"").and_then(|text| {
            let bad = |(why, hint): (String, String)| item.bad(why, &hint);
            super::Runtime::parse(text).map_err(bad).ok()
        });
    }
    if let Some(item) = table.get("public") {
        app.public = item.parsed("\"dist\"", RelPath::parse);
    }
    if let Some(item) = table.get("front") {
        app.front = item.parsed("\"index.php\"", RelPath::parse);
        if app
            .front
            .as_ref()
            .is_some_and(|front| !front.as_str().ends_with(".php"))
        {
            let why = "must be a script, whose name ends with .php";
            item.bad(why, "a process that speaks HTTP needs no front");
        }
    }
}
