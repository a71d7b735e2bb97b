//! How records look: tables and trees for people, JSON for scripts.

pub mod activities;
pub mod crons;
pub mod environments;
pub mod findings;
pub mod mounts;
pub mod releases;
pub mod removals;
pub mod slugs;
pub mod snapshots;
pub mod status;
pub mod tried;
pub mod variables;
pub mod when;

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use wharf_wire::outcome::Exit;

use crate::failure::Failure;

/// Prints to standard output.
///
/// # Errors
/// Standard output cannot take it. A reader that has gone, such as `head`, ends the command well.
pub fn data(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::quiet(Exit::Ok)),
        Err(error) => {
            Err(Failure::new(Exit::Failed, "cannot write to standard output").because(error))
        }
    }
}

/// Prints one line to standard output.
///
/// # Errors
/// As [`data`].
pub fn line(text: &str) -> Result<(), Failure> {
    data(format!("{text}\n").as_bytes())
}

/// Prints a record, or an array of them, as JSON on standard output.
///
/// # Errors
/// As [`data`].
pub fn json(records: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(records)
        .map_err(|error| Failure::new(Exit::Failed, "cannot write JSON").because(error))?;
    line(&text)
}

/// A table without borders whose long cells wrap at the terminal's edge, and never in a pipe.
pub(crate) fn table(heads: &[&str], width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    match width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(width);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    table.set_header(heads);
    table
}

/// The table's lines, each ended, without the margin on the left and blanks on the right.
pub(crate) fn render(table: &mut Table) -> String {
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// The columns of the terminal on standard output, if it is one.
pub(crate) fn width() -> Option<u16> {
    let out = io::stdout();
    if !out.is_terminal() {
        return None;
    }
    rustix::termios::tcgetwinsize(&out)
        .ok()
        .map(|size| size.ws_col)
        .filter(|columns| *columns >= 40)
}

/// An object id as people read it.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}
