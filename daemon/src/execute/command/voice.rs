//! Whose lines are whose: where a command's output goes.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::execute::activity::Act;
use crate::execute::failure::Failure;
use crate::run::raw_log::RawLog;

/// Columns of a command's name before its lines.
const NAME: usize = 20;
/// Bytes of a line that is kept back until it ends.
const LINE: usize = 64 * 1024;

/// Where the output of one command goes. Of a command among others each line says whose it is, and
/// no line of another comes between its parts.
#[derive(Debug)]
pub(super) struct Voice {
    raw: Arc<Mutex<RawLog>>,
    printed: Arc<AtomicU64>,
    name: Option<String>,
    begun: Vec<u8>,
    heard: bool,
}

impl Voice {
    /// That of a command that runs alone.
    pub(super) fn alone(act: &Act) -> Result<Voice, Failure> {
        Ok(Voice {
            raw: Arc::new(Mutex::new(open(act)?)),
            printed: Arc::default(),
            name: None,
            begun: Vec::new(),
            heard: true,
        })
    }

    /// That of a command whose answer counts, not its words: only the raw log has them.
    pub(super) fn unheard(act: &Act) -> Result<Voice, Failure> {
        Ok(Voice {
            heard: false,
            ..Voice::alone(act)?
        })
    }

    /// Whether people are shown what it says.
    pub(super) fn is_heard(&self) -> bool {
        self.heard
    }

    /// Those of commands that run at the same time.
    pub(super) fn together(act: &Act, names: &[&str]) -> Result<Vec<Voice>, Failure> {
        let raw = Arc::new(Mutex::new(open(act)?));
        let printed = Arc::default();
        let voice = |name| Voice {
            raw: Arc::clone(&raw),
            printed: Arc::clone(&printed),
            name: Some(name),
            begun: Vec::new(),
            heard: true,
        };
        Ok(told_apart(names).into_iter().map(voice).collect())
    }

    /// What leads a line of ours about it: nothing where it is clear.
    pub(super) fn who(&self) -> String {
        let name = self.name.as_ref();
        name.map_or_else(String::new, |name| format!("{name}: "))
    }

    /// A line of its output, as people read it.
    pub(super) fn line(&self, line: String) -> String {
        match &self.name {
            Some(name) => format!("[{name}] {line}"),
            None => line,
        }
    }

    /// Counts bytes that it printed; the bytes of all commands of its step so far.
    pub(super) fn count(&self, bytes: usize) -> u64 {
        let bytes = bytes as u64;
        self.printed.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    /// Keeps the next bytes of its output.
    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.name.is_none() {
            return self.write(bytes);
        }
        self.begun.extend_from_slice(bytes);
        let end = self.begun.iter().rposition(|byte| *byte == b'\n');
        let end = match end {
            Some(end) => end + 1,
            None if self.begun.len() > LINE => self.begun.len(),
            None => return Ok(()),
        };
        let rest = self.begun.split_off(end);
        let whole = std::mem::replace(&mut self.begun, rest);
        self.write(&self.named(&whole))
    }

    /// Keeps what was kept back.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.begun);
        if !rest.is_empty() {
            self.write(&self.named(&rest))?;
        }
        match Arc::into_inner(self.raw) {
            Some(raw) => {
                let raw = raw
                    .into_inner()
                    .expect("nothing panics while it holds this");
                raw.finish().map(drop)
            }
            // The last of them does it.
            None => Ok(()),
        }
    }

    /// Lines with the name before each, and an end after the last.
    fn named(&self, lines: &[u8]) -> Vec<u8> {
        let name = self.name.as_deref().unwrap_or_default();
        let mut named = Vec::with_capacity(lines.len() + 64);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            named.extend_from_slice(format!("[{name}] ").as_bytes());
            named.extend_from_slice(line);
        }
        if !named.ends_with(b"\n") {
            named.push(b'\n');
        }
        named
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut raw = self.raw.lock().expect("nothing panics while it holds this");
        raw.push(bytes)
    }
}

fn open(act: &Act) -> Result<RawLog, Failure> {
    let raw = act.world.paths.raw(&act.task.id);
    tokio::task::block_in_place(|| RawLog::open(&raw))
        .map_err(|error| Failure::host("cannot write the log", &error))
}

/// Names short enough to stand before lines, numbered where two are the same.
fn told_apart(names: &[&str]) -> Vec<String> {
    let short: Vec<String> = names.iter().map(|name| shortened(name)).collect();
    let is_same = |name: &String| short.iter().filter(|other| *other == name).count() > 1;
    let numbered = short.iter().enumerate().map(|(at, name)| {
        let number = at + 1;
        match is_same(name) {
            true => format!("{number} {name}"),
            false => name.clone(),
        }
    });
    numbered.collect()
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME) {
        Some(_) => name.chars().take(NAME - 3).chain("...".chars()).collect(),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_told_apart() {
        let long = "a".repeat(40);
        assert_eq!(
            told_apart(&["css", "js", "css", &long]),
            ["1 css", "js", "3 css", &shortened(&long)]
        );
    }

    #[test]
    fn lines_of_two_do_not_mix() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.out");
        let raw = Arc::new(Mutex::new(RawLog::open(&file).unwrap()));
        let voice = |name: &str| Voice {
            raw: Arc::clone(&raw),
            printed: Arc::default(),
            name: Some(name.to_owned()),
            begun: Vec::new(),
            heard: true,
        };
        let (mut one, mut two) = (voice("one"), voice("two"));
        drop(raw);
        one.push(b"a half").unwrap();
        two.push(b"x\ny\nz").unwrap();
        one.push(b" line\n").unwrap();
        assert_eq!(one.line("a".into()), "[one] a");
        one.finish().unwrap();
        two.finish().unwrap();
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "[two] x\n[two] y\n[one] a half line\n[two] z\n"
        );
    }
}
