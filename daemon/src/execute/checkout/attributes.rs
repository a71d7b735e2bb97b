//! What `.gitattributes` asks for: paths to leave out, and conversions that are not made here.
//!
//! Line endings are gix's own work. What gix does otherwise than git is refused, never silent.

use std::collections::HashSet;

use gix::{
    attrs::StateRef,
    bstr::{BStr, ByteSlice},
    index::entry::{Flags, Mode},
    worktree::stack::state::attributes::Source,
};

use super::{
    CheckoutError,
    survey::{String8, Survey, shown},
};
use crate::execute::repository::reading;

/// What the attributes changed.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Files and links that are not written.
    pub(super) left_out: u64,
    /// What a person should know.
    pub(super) notes: Vec<String>,
}

/// The order of [`gix::attrs::search::Outcome::iter_selected`].
const NAMES: [&str; 4] = ["export-ignore", "filter", "working-tree-encoding", "ident"];

/// Marks what is not to be written, and refuses what cannot be written as git would.
pub(super) fn apply(
    repository: &gix::Repository,
    index: &mut gix::index::File,
    survey: &Survey,
) -> Result<Plan, CheckoutError> {
    let mut plan = Plan::default();
    if !survey.has_attributes && !repository.common_dir().join("info/attributes").exists() {
        return Ok(plan);
    }
    let mut ask = Ask::new(repository, index)?;

    let mut left_out: HashSet<String8> = HashSet::new();
    for directory in &survey.directories {
        if below(directory.as_bstr(), &left_out) || ask.at(directory.as_bstr(), Mode::DIR)?.ignored
        {
            left_out.insert(directory.clone());
        }
    }
    let mut without_ident = None;
    let mut skip = Vec::with_capacity(index.entries().len());
    for entry in index.entries() {
        let path = entry.path(index);
        let found = ask.at(path, entry.mode)?;
        let skipped = found.ignored || below(path, &left_out);
        skip.push(skipped);
        let file = matches!(entry.mode, Mode::FILE | Mode::FILE_EXECUTABLE);
        if skipped || !file {
            continue;
        }
        match found.filter {
            Some(name) if name == "lfs" => return Err(CheckoutError::Lfs(shown(path))),
            Some(name) => return Err(refused(path, format!("filter={}", shown(name.as_bytes())))),
            None => {}
        }
        // Of no effect, and not rare: git stores UTF-8 in any case.
        if let Some(name) = found
            .encoding
            .filter(|name| !name.eq_ignore_ascii_case("utf-8"))
        {
            let attribute = format!("working-tree-encoding={}", shown(name.as_bytes()));
            return Err(refused(path, attribute));
        }
        if found.ident {
            without_ident.get_or_insert_with(|| shown(path));
        }
    }

    for (entry, skipped) in index.entries_mut().iter_mut().zip(skip) {
        if skipped {
            // The entry stays: it may be the very .gitattributes that sets line endings.
            entry.flags.insert(Flags::SKIP_WORKTREE);
            plan.left_out += 1;
        }
    }
    if plan.left_out > 0 {
        let s = if plan.left_out == 1 { "" } else { "s" };
        plan.notes.push(format!(
            "{} file{s} left out (export-ignore)",
            plan.left_out
        ));
    }
    if let Some(path) = without_ident {
        plan.notes.push(format!(
            "$Id$ is expanded without its spaces (ident): {path}"
        ));
    }
    Ok(plan)
}

fn refused(path: &BStr, attribute: String) -> CheckoutError {
    CheckoutError::Attribute {
        path: shown(path),
        attribute,
    }
}

/// Whether the directory that holds `path` is left out.
fn below(path: &BStr, left_out: &HashSet<String8>) -> bool {
    path.rfind_byte(b'/')
        .is_some_and(|end| left_out.contains(path[..end].as_bstr()))
}

struct Ask<'r> {
    stack: gix::AttributeStack<'r>,
    outcome: gix::attrs::search::Outcome,
}

#[derive(Default)]
struct Found {
    ignored: bool,
    filter: Option<String>,
    encoding: Option<String>,
    ident: bool,
}

impl<'r> Ask<'r> {
    fn new(
        repository: &'r gix::Repository,
        index: &gix::index::File,
    ) -> Result<Self, CheckoutError> {
        let stack = repository
            .attributes_only(index, Source::IdMapping)
            .map_err(|error| reading::<gix::Error>("the attributes of", "the tree")(error))?;
        let outcome = stack.selected_attribute_matches(NAMES);
        Ok(Self { stack, outcome })
    }

    fn at(&mut self, path: &BStr, mode: Mode) -> Result<Found, CheckoutError> {
        let mut found = Found::default();
        self.outcome.reset();
        let platform = self
            .stack
            .at_entry(path, Some(mode))
            .map_err(reading("the attributes of", path))?;
        if !platform.matching_attributes(&mut self.outcome) {
            return Ok(found);
        }
        for attribute in self.outcome.iter_selected() {
            let assignment = attribute.assignment;
            let set = assignment.state == StateRef::Set;
            let value = match assignment.state {
                StateRef::Value(value) => Some(value.as_bstr().to_string()),
                _ => None,
            };
            match assignment.name.as_str() {
                "export-ignore" => found.ignored = set || value.is_some(),
                "filter" => found.filter = value,
                "working-tree-encoding" => found.encoding = value,
                "ident" => found.ident = set,
                _ => {}
            }
        }
        Ok(found)
    }
}
