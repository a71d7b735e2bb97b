//! Reads TOML by hand, so that every problem of a file is found at once.
//!
//! A [`Table`] is asked for the keys that it may have; each answer is a [`Item`] that is read as a
//! type. What does not fit becomes a problem and `None`, and reading goes on. [`Table::finish`]
//! reports what nobody asked for.

use std::{
    cell::RefCell, fs::Metadata, ops::Range, os::unix::fs::PermissionsExt as _, path::Path,
    sync::Arc,
};

use toml::de::DeTable;

use crate::{
    files,
    plain::{boundary, quoted},
    problem::{MAX_KEPT, Problem, Problems, Spot},
};

mod depth;
mod item;
mod table;

pub(crate) use item::Item;
pub(crate) use table::Table;

/// Lines of which the parser's complaint is said, at most.
const MAX_SLIPS: usize = 5;

/// What is said of brackets in brackets in brackets.
const TOO_DEEP: &str = "it is nested too deep";

/// Refuses what everybody on the host may change: it says whose code runs here, and as whom.
pub(crate) fn anybodys(path: &Path, meta: &Metadata) -> Result<(), Problems> {
    let mode = meta.permissions().mode() & 0o7777;
    if mode & 0o002 == 0 {
        return Ok(());
    }
    let name = path.display().to_string();
    let message = format!("everybody on this host may change it (mode {mode:04o})");
    let hint = format!("look at what it says, then: chmod o-w {name}");
    Err(Problem::new(name, "writable-by-all", message)
        .hint(hint)
        .into())
}

/// One file that is read, and what is wrong with it so far.
pub(crate) struct Reader {
    file: String,
    text: Arc<str>,
    problems: RefCell<Vec<Problem>>,
}

impl Reader {
    pub(crate) fn new(file: impl Into<String>, text: &str) -> Self {
        Self {
            file: file.into(),
            text: text.into(),
            problems: RefCell::default(),
        }
    }

    /// Reads a file of the operator's, who may link it from elsewhere.
    pub(crate) fn open(path: &Path) -> Result<Self, Problems> {
        let name = path.display().to_string();
        let fail = |error: std::io::Error| {
            Problems::from(Problem::new(
                name.clone(),
                "unreadable",
                format!("it cannot be read: {error}"),
            ))
        };
        let meta = path.metadata().map_err(fail)?;
        // A pipe would block for ever.
        if !meta.is_file() {
            return Err(Problem::new(name, "not-a-file", "it is not a regular file").into());
        }
        anybodys(path, &meta)?;
        let mut entry = files::Files::default();
        let bytes = if meta.len() <= files::MAX_FILE {
            std::fs::read(path).map_err(fail)?
        } else {
            vec![0; files::MAX_FILE as usize + 1]
        };
        entry.insert(name.clone(), bytes);
        let text = entry.text(&name)?.unwrap_or_default();
        Ok(Self::new(name.clone(), text))
    }

    /// The text that is read.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Hands the whole document to `read` where it is TOML; then the value, or every problem.
    pub(crate) fn read<T>(self, read: impl FnOnce(Table<'_>) -> T) -> Result<T, Problems> {
        let (value, problems) = self.try_read(read);
        match value {
            Some(value) => Problems::or(problems, value),
            None => Err(Problems::from_vec(problems).expect("no value without a problem")),
        }
    }

    /// As [`Reader::read`], for whoever has more to add to the problems.
    pub(crate) fn try_read<T>(
        self,
        read: impl FnOnce(Table<'_>) -> T,
    ) -> (Option<T>, Vec<Problem>) {
        let text = Arc::clone(&self.text);
        if let Some(span) = depth::beyond(&text) {
            self.slip(span, TOO_DEEP);
            return (None, self.problems.into_inner());
        }
        let (document, errors) = DeTable::parse_recoverable(&text);
        if errors.is_empty() {
            let span = document.span();
            let value = read(Table::new(&self, document.get_ref(), span, String::new()));
            return (Some(value), self.problems.into_inner());
        }
        // After a slip the parser often complains about the rest of the line too. Of a file that is
        // no TOML at all it does so thousands of times.
        let end = text.len();
        let mut slips: Vec<_> = errors
            .iter()
            .map(|error| (error.span().unwrap_or(end..end), error))
            .collect();
        slips.sort_by_key(|(span, _)| span.start);
        let (mut said, mut line_end) = (0, 0);
        for (span, error) in slips {
            if said == MAX_SLIPS || said > 0 && span.start < line_end {
                continue;
            }
            said += 1;
            line_end = boundary(&text, span.start);
            line_end += text[line_end..].find('\n').map_or(end, |at| at + 1);
            let message = match error.message() {
                deep if deep.contains("recurs") => TOO_DEEP,
                message => message,
            };
            self.slip(span, message);
        }
        (None, self.problems.into_inner())
    }

    /// Says what is no TOML.
    fn slip(&self, span: Range<usize>, message: &str) {
        let problem = Problem::new(self.file.as_str(), "toml-syntax", message);
        let problem = problem.at(&self.text, span);
        self.push(problem.hint("see https://toml.io for how TOML is written"));
    }

    pub(crate) fn spot(&self, span: Range<usize>) -> Spot {
        Spot {
            file: self.file.clone(),
            text: Arc::clone(&self.text),
            span,
        }
    }

    fn problem(&self, span: Range<usize>, code: &'static str, message: String) -> Problem {
        Problem::new(self.file.as_str(), code, message).at(&self.text, span)
    }

    /// Reports a problem without the text around it.
    fn push_unshown(&self, code: &'static str, message: String, hint: &str) {
        self.push(Problem::new(self.file.as_str(), code, message).hint(hint));
    }

    fn push(&self, problem: Problem) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < MAX_KEPT {
            problems.push(problem);
        }
    }

    fn later(&self, span: Range<usize>, path: &str) {
        let message = format!(
            "{} is not supported yet by this version of Wharf",
            quoted(path)
        );
        self.push(
            self.problem(span, "not-supported-yet", message)
                .label("not supported yet")
                .hint("remove it, or wait for a version that acts on it"),
        );
    }
}

/// The known word that is near enough to what somebody wrote.
pub(crate) fn suggestion<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Longer ones are no slips of a finger, and cost time by their square.
    if word.len() > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests;
