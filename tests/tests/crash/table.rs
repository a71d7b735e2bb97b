//! The table of what came of each death, for people.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use wharf_tests::is_within;

use crate::victim::Victim;

/// What came of one death: a word, or all that is wrong. None where it was not tried.
type Cell = Option<Result<String, Vec<String>>>;

/// A row for each point, a column for each victim.
#[derive(Debug)]
pub(crate) struct Table {
    name: &'static str,
    rows: Vec<(String, [Cell; 3])>,
    /// How many deaths are to be tried.
    due: usize,
}

impl Table {
    pub(crate) fn new(name: &'static str, rows: Vec<String>, due: usize) -> Table {
        let rows = rows.into_iter().map(|row| (row, [None, None, None]));
        Table {
            name,
            rows: rows.collect(),
            due,
        }
    }

    pub(crate) fn set(&mut self, row: usize, victim: Victim, result: Result<String, Vec<String>>) {
        let column = Victim::matrix()
            .iter()
            .position(|one| *one == victim)
            .unwrap();
        self.rows[row].1[column] = Some(result);
    }

    /// How many are wrong.
    pub(crate) fn wrong(&self) -> usize {
        let cells = self.rows.iter().flat_map(|(_, cells)| cells);
        cells.filter(|cell| matches!(cell, Some(Err(_)))).count()
    }

    fn render(&self) -> String {
        let word = |cell: &Cell| match cell {
            Some(Ok(word)) => word.clone(),
            Some(Err(_)) => "WRONG".to_owned(),
            None => "-".to_owned(),
        };
        let widest = self.rows.iter().map(|(name, _)| name.len()).max();
        let width = widest.unwrap_or_default();
        let [daemon, router, both] = Victim::matrix().map(Victim::name);
        let mut text = format!("kill -9 in a {}\n", self.name);
        let mut line = |name: &str, cells: [&str; 3]| {
            let [a, b, c] = cells;
            let line = format!("{name:width$}  {a:28}{b:28}{c}");
            text.push_str(line.trim_end());
            text.push('\n');
        };
        line("after", [daemon, router, both]);
        for (name, cells) in &self.rows {
            let [a, b, c] = [0, 1, 2].map(|column| word(&cells[column]));
            line(name, [&a, &b, &c]);
        }
        text
    }

    /// Prints it, keeps it beside the tests' programs, and fails if anything is wrong in it.
    pub(crate) fn end(self) {
        let mut text = self.render();
        for (name, cells) in &self.rows {
            for (cell, victim) in cells.iter().zip(Victim::matrix()) {
                if let Some(Err(problems)) = cell {
                    let victim = victim.name();
                    text.push_str(&format!("\nWRONG: {name}, {victim}\n"));
                    text.push_str(&problems.join("\n"));
                    text.push('\n');
                }
            }
        }
        keep(
            &format!("crash-{}-{}", kind(), self.name.replace(' ', "-")),
            &text,
        );
        let cells = self.rows.iter().flat_map(|(_, cells)| cells);
        let good = cells.filter(|cell| matches!(cell, Some(Ok(_)))).count();
        assert_eq!(good, self.due, "{text}");
    }
}

/// What the jobs are.
fn kind() -> &'static str {
    match is_within() {
        true => "units",
        false => "matrix",
    }
}

/// Prints a text in spite of what the test harness captures, and keeps it as a file.
pub(crate) fn keep(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.txt"));
    fs::write(&file, text).unwrap();
    let mut out = io::stderr().lock();
    writeln!(out, "\n{text}({})", file.display()).unwrap();
}
