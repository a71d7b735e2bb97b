//! Times of peers, printed as medians and ratios.

use std::{fmt, time::Duration};

/// Somebody who does the same work.
pub(crate) struct Peer<'a> {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// Does round `n` and says how long the part took that counts.
    pub(crate) run: Box<dyn FnMut(usize) -> Duration + 'a>,
}

/// Times of each peer, in the order in which they first ran.
#[derive(Default)]
pub(crate) struct Table {
    title: String,
    note: String,
    rows: Vec<(&'static str, Vec<Duration>)>,
    base: &'static str,
}

impl Table {
    /// Records one time.
    pub(crate) fn add(&mut self, name: &'static str, taken: Duration) {
        match self.rows.iter_mut().find(|(row, _)| *row == name) {
            Some((_, times)) => times.push(taken),
            None => self.rows.push((name, vec![taken])),
        }
    }

    /// Says what was measured, and which peer is 1.00.
    pub(crate) fn titled(mut self, title: &str, note: &str, base: &'static str) -> Table {
        self.title = title.to_owned();
        self.note = note.to_owned();
        self.base = base;
        self
    }
}

fn median(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1_000.0
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.rows.iter().find(|(name, _)| *name == self.base);
        let base = median(&base.expect("the base is one of the peers").1);
        writeln!(out, "## {}\n\n{}\n", self.title, self.note)?;
        writeln!(out, "| | median | ratio | rounds |\n|---|---:|---:|---:|")?;
        for (name, times) in &self.rows {
            let median = median(times);
            let rounds = times.len();
            writeln!(
                out,
                "| {name} | {median:.1} ms | {:.2} | {rounds} |",
                median / base
            )?;
        }
        Ok(())
    }
}

/// Times of each peer at each size, printed as medians with their ratio to one of them at the same size.
pub(crate) struct Growth {
    /// What was measured.
    pub(crate) title: String,
    /// On what, and how.
    pub(crate) note: String,
    /// The peer that is 1.00.
    pub(crate) base: &'static str,
    /// By size, in the order in which they are printed.
    pub(crate) sizes: Vec<(String, Table)>,
}

impl fmt::Display for Growth {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "## {}\n\n{}\n", self.title, self.note)?;
        let (mut head, mut line) = ("|".to_owned(), "|---|".to_owned());
        for (size, table) in &self.sizes {
            let rounds = table.rows.first().map_or(0, |(_, times)| times.len());
            head.push_str(&format!(" | {size}, {rounds} rounds | ratio"));
            line.push_str("---:|---:|");
        }
        writeln!(out, "{head} |\n{line}")?;
        let names = self.sizes.first().map_or(&[][..], |(_, table)| &table.rows);
        for (name, _) in names {
            write!(out, "| {name} |")?;
            for (_, table) in &self.sizes {
                let of = |wanted: &str| {
                    let row = table.rows.iter().find(|(name, _)| *name == wanted);
                    median(&row.expect("each size has each peer").1)
                };
                let (own, base) = (of(name), of(self.base));
                write!(out, " {:.2} s | {:.2} |", own / 1_000.0, own / base)?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
