//! A table that knows which keys it was asked for.

use std::{cell::RefCell, ops::Range};

use toml::de::DeTable;

use super::{Item, Reader, suggestion};
use crate::{plain::quoted, problem::Problem};

/// A table of a file.
pub(crate) struct Table<'a> {
    reader: &'a Reader,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    /// Its keys from the top, with dots; empty for the document.
    path: String,
    /// Keys that it may have.
    known: RefCell<Vec<&'static str>>,
    /// Keys of other versions.
    later: RefCell<Vec<&'static str>>,
    /// What it needs and has not.
    missing: RefCell<Vec<Missing>>,
}

/// Keys that a table needs and has not.
struct Missing {
    keys: Vec<&'static str>,
    needs: Needs,
    problem: Problem,
}

/// How many of them.
enum Needs {
    All,
    One,
}

impl Missing {
    /// Whether enough of them are there, if these words are what somebody meant to write.
    fn is_meant(&self, words: &[&str]) -> bool {
        let is_meant = |key: &&str| words.contains(key);
        match self.needs {
            Needs::All => self.keys.iter().all(is_meant),
            Needs::One => self.keys.iter().any(is_meant),
        }
    }
}

impl<'a> Table<'a> {
    pub(super) fn new(
        reader: &'a Reader,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        path: String,
    ) -> Self {
        Self {
            reader,
            table,
            span,
            path,
            known: RefCell::default(),
            later: RefCell::default(),
            missing: RefCell::default(),
        }
    }

    /// The value of a key that it may have.
    pub(crate) fn get(&self, key: &'static str) -> Option<Item<'a>> {
        self.known.borrow_mut().push(key);
        let (found, value) = self.table.get_key_value(key)?;
        Some(self.item(found, value))
    }

    /// Every entry, in key order: whoever asks so knows them all.
    pub(crate) fn entries(self) -> Vec<Item<'a>> {
        self.table
            .iter()
            .map(|(key, value)| self.item(key, value))
            .collect()
    }

    /// Names keys that other versions act on: an error, but not a slip.
    pub(crate) fn later(&self, keys: &[&'static str]) {
        self.later.borrow_mut().extend(keys);
    }

    /// The table's place.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Reports that these keys are missing, unless they turn out to be misspelt: that is said of the
    /// keys that are there then, and mends both.
    pub(crate) fn missing(&self, keys: &[&'static str], message: String, hint: &str) {
        self.lacks(keys, Needs::All, message, hint);
    }

    /// The same where one of them is enough.
    pub(crate) fn missing_one_of(&self, keys: &[&'static str], message: String, hint: &str) {
        self.lacks(keys, Needs::One, message, hint);
    }

    fn lacks(&self, keys: &[&'static str], needs: Needs, message: String, hint: &str) {
        let problem = self.reader.problem(self.span(), "missing-key", message);
        self.missing.borrow_mut().push(Missing {
            keys: keys.to_vec(),
            needs,
            problem: problem.hint(hint),
        });
    }

    /// Reports every key that nobody asked for, and those that are missing.
    pub(crate) fn finish(self) {
        let mut meant = Vec::new();
        let (known, later) = (self.known.borrow(), self.later.borrow());
        for (key, _) in self.table.iter() {
            let word: &str = key.get_ref();
            if known.contains(&word) {
                continue;
            }
            if later.contains(&word) {
                self.reader.later(key.span(), &self.below(word));
                continue;
            }
            let message = match self.path.as_str() {
                "" => format!("unknown key {}", quoted(word)),
                path => format!("unknown key {} in {}", quoted(word), quoted(path)),
            };
            // What is there already is not meant once more.
            let free = known.iter().copied().filter(|key| !self.has(key));
            let near = suggestion(word, free).or_else(|| suggestion(word, known.iter().copied()));
            meant.extend(near);
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let problem = self.reader.problem(key.span(), "unknown-key", message);
            self.reader.push(problem.label("unknown key").hint(hint));
        }
        drop((known, later));
        for missing in self.missing.take() {
            // With one too many there is more to say than how it is spelt.
            let is_there = missing.keys.iter().any(|key| self.has(key));
            if is_there || !missing.is_meant(&meant) {
                self.reader.push(missing.problem);
            }
        }
    }

    fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn below(&self, key: &str) -> String {
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let key = match !key.is_empty() && key.chars().all(bare) {
            true => key.to_owned(),
            false => format!("\"{key}\""),
        };
        match self.path.as_str() {
            "" => key,
            path => format!("{path}.{key}"),
        }
    }

    fn item(
        &self,
        key: &'a toml::Spanned<toml::de::DeString<'a>>,
        value: &'a toml::Spanned<toml::de::DeValue<'a>>,
    ) -> Item<'a> {
        let word: &str = key.get_ref();
        Item {
            reader: self.reader,
            path: self.below(word),
            key: word,
            key_span: key.span(),
            value,
        }
    }
}
