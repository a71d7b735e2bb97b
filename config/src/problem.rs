//! What is wrong with a file, said so that its author can mend it.

use std::{fmt, ops::Range, sync::Arc};

mod render;

/// At most this many problems are kept of one reading; a file of nonsense has no more to tell.
pub const MAX_KEPT: usize = 200;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as its author names it.
    pub file: String,
    /// The file's text, when the place in it is shown.
    pub text: Option<Arc<str>>,
    /// Which bytes of the text are meant.
    pub span: Option<Range<usize>>,
    /// What is wrong, as a fragment.
    pub message: String,
    /// What stands under the caret.
    pub label: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// A stable code, for scripts and for `docs/troubleshooting.md`.
    pub code: &'static str,
}

impl Problem {
    /// Makes a problem with a whole file.
    pub fn new(file: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            text: None,
            span: None,
            message: message.into(),
            label: None,
            hint: None,
            code,
        }
    }

    /// Says where in the file it is.
    pub fn at(mut self, text: &Arc<str>, span: Range<usize>) -> Self {
        self.text = Some(Arc::clone(text));
        self.span = Some(span);
        self
    }

    /// Says what stands under the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Says what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The line and column of its place, both from 1; columns count characters.
    pub fn position(&self) -> Option<(usize, usize)> {
        let (text, span) = (self.text.as_deref()?, self.span.as_ref()?);
        let before = &text[..crate::plain::boundary(text, span.start)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        Some((line, before[line_start..].chars().count() + 1))
    }

    /// The file, and its line with what is meant where that is known: without message and hint.
    pub(crate) fn place(&self, width: usize) -> Vec<String> {
        render::place(self, width)
    }

    /// Its file, with line and column where they are known.
    pub fn word(&self) -> String {
        let file = crate::plain::plain(&self.file);
        match self.position() {
            Some((line, column)) => format!("{file}:{line}:{column}"),
            None => file,
        }
    }

    /// Renders it alone, see [`Problems::render`].
    pub fn render(&self, width: usize) -> String {
        render::one(self, width)
    }
}

/// A place in a file that may turn out to be a problem later, when more is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The file.
    pub file: String,
    /// Its text.
    pub text: Arc<str>,
    /// Which bytes of the text are meant.
    pub span: Range<usize>,
}

impl Spot {
    /// The file with line and column: `wharf.toml:3:1`.
    pub fn word(&self) -> String {
        self.problem("", "").word()
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        let position = self.problem("", "").position();
        position.map_or(1, |(line, _)| line)
    }

    /// Makes a problem at this place.
    pub fn problem(&self, code: &'static str, message: impl Into<String>) -> Problem {
        Problem::new(self.file.clone(), code, message).at(&self.text, self.span.clone())
    }
}

/// Everything that is wrong, in the order of files and places; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Sorts the problems; `None` when there are none.
    pub fn from_vec(mut list: Vec<Problem>) -> Option<Self> {
        if list.is_empty() {
            return None;
        }
        list.sort_by_key(|p| (p.file.clone(), p.span.as_ref().map(|s| s.start)));
        list.truncate(MAX_KEPT);
        Some(Self(list))
    }

    /// The value, or what is wrong with it.
    pub fn or<T>(list: Vec<Problem>, value: T) -> Result<T, Self> {
        match Self::from_vec(list) {
            None => Ok(value),
            Some(problems) => Err(problems),
        }
    }

    /// The first one.
    pub fn first(&self) -> &Problem {
        &self.0[0]
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// How many there are, at least 1.
    #[allow(clippy::len_without_is_empty)] // it never is
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them as a list.
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }

    /// Renders all of them as people read them: ASCII lines that end in LF, without escapes, at most
    /// `width` columns wide.
    pub fn render(&self, width: usize) -> String {
        render::all(&self.0, width)
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.word(), crate::plain::plain(&self.message))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first())?;
        match self.len() - 1 {
            0 => Ok(()),
            1 => write!(f, " (and 1 more problem)"),
            more => write!(f, " (and {more} more problems)"),
        }
    }
}

impl std::error::Error for Problem {}
impl std::error::Error for Problems {}
