//! A value that becomes what it is asked for, or a problem.

use std::{fmt::Display, ops::Range, time::Duration};

use toml::{Spanned, de::DeValue};

use super::{Reader, Table};
use crate::{plain::quoted, problem::Spot};

/// A longer text is no command, path or value of a variable.
const MAX_TEXT: usize = 32 * 1024;

/// One value of a table or list.
pub(crate) struct Item<'a> {
    pub(super) reader: &'a Reader,
    pub(super) path: String,
    pub(super) key: &'a str,
    pub(super) key_span: Range<usize>,
    pub(super) value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Item<'a> {
    /// The key that it stands at.
    pub(crate) fn key(&self) -> &'a str {
        self.key
    }

    /// Its keys from the top of the file, with dots.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Its place in the file.
    pub(crate) fn spot(&self) -> Spot {
        self.reader.spot(self.value.span())
    }

    /// The place of its key.
    pub(crate) fn key_spot(&self) -> Spot {
        self.reader.spot(self.key_span.clone())
    }

    /// The value itself.
    pub(crate) fn value(&self) -> &'a DeValue<'a> {
        self.value.get_ref()
    }

    /// Reports a problem with the value.
    pub(crate) fn bad(&self, label: impl Display, hint: &str) {
        self.report(self.value.span(), "bad-value", label, hint);
    }

    /// Reports a problem with a value that nobody is to read: no line of the file is shown.
    pub(crate) fn bad_secret(&self, why: impl Display, hint: &str) {
        let message = format!("{}: {why}", quoted(&self.path));
        self.reader.push_unshown("bad-value", message, hint);
    }

    /// Reports a problem with the key.
    pub(crate) fn bad_key(&self, code: &'static str, label: impl Display, hint: &str) {
        self.report(self.key_span.clone(), code, label, hint);
    }

    fn report(&self, span: Range<usize>, code: &'static str, why: impl Display, hint: &str) {
        let message = format!("{}: {why}", quoted(&self.path));
        let problem = self.reader.problem(span, code, message);
        self.reader.push(problem.hint(hint));
    }

    /// Reports that another version acts on this one word.
    pub(crate) fn later_value(&self, word: &str) {
        self.reader
            .later(self.value.span(), &format!("{} = \"{word}\"", self.path));
    }

    fn wrong(&self, wanted: &str, example: &str) {
        let found = match self.value() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        // A table's place may be many lines; its key says enough.
        let span = match self.value() {
            DeValue::Table(_) => self.key_span.clone(),
            _ => self.value.span(),
        };
        let message = format!("{} must be {wanted}, not {found}", quoted(&self.path));
        let problem = self.reader.problem(span, "wrong-type", message);
        let problem = problem.label(format!("this is {found}"));
        self.reader.push(problem.hint(match example {
            "" => format!("write it as a table, below [{}]", self.shown_key()),
            example => self.example(example),
        }));
    }

    fn example(&self, value: &str) -> String {
        let key = self.shown_key();
        // An entry of a list has the list's key.
        match self.path.ends_with(']') {
            true => format!("for example: {key} = [{value}]"),
            false => format!("for example: {key} = {value}"),
        }
    }

    fn shown_key(&self) -> String {
        crate::plain::shortened(&crate::plain::plain(self.key), 40)
    }

    /// A text without NUL bytes, of a sensible length; `example` is TOML.
    pub(crate) fn text(&self, example: &str) -> Option<&'a str> {
        let DeValue::String(text) = self.value() else {
            self.wrong("a string", example);
            return None;
        };
        self.checked(text)
    }

    /// Checks a text that the caller found in the value by itself.
    pub(crate) fn checked(&self, text: &'a str) -> Option<&'a str> {
        if text.contains('\0') {
            self.bad("a NUL character cannot be passed on", "remove it");
        } else if text.len() > MAX_TEXT {
            self.bad(
                format!(
                    "the text has {} bytes, at most {MAX_TEXT} are allowed",
                    text.len()
                ),
                "put it into a script",
            );
        } else {
            return Some(text);
        }
        None
    }

    /// A text that `parse` makes something of.
    pub(crate) fn parsed<T, E: Display>(
        &self,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(example)?;
        let report = |error: E| self.bad(error, &self.example(example));
        parse(text).map_err(report).ok()
    }

    /// One of the words.
    pub(crate) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let list = || {
            words
                .iter()
                .map(|(word, _)| format!("{word:?}"))
                .collect::<Vec<_>>()
        };
        let text = self.text(&list()[0])?;
        let found = words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value);
        if found.is_none() {
            let near = super::suggestion(text, words.iter().map(|(word, _)| *word));
            let hint = match near {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("write {}", list().join(" or ")),
            };
            self.bad(format!("{} is not one of its values", quoted(text)), &hint);
        }
        found
    }

    /// The key as a name; `example` is a whole line.
    pub(crate) fn key_as<T, E: Display>(
        &self,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let hint = format!("for example: {example}");
        let report = |error: E| self.bad_key("bad-name", error, &hint);
        parse(self.key).map_err(report).ok()
    }

    /// True or false.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match self.value() {
            DeValue::Boolean(value) => Some(*value),
            _ => {
                self.wrong("true or false", "true");
                None
            }
        }
    }

    /// A whole number within a range.
    pub(crate) fn number(&self, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let DeValue::Integer(number) = self.value() else {
            self.wrong("a whole number", &range.start().to_string());
            return None;
        };
        let value = i64::from_str_radix(number.as_str(), number.radix()).ok();
        let value = value
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| range.contains(n));
        if value.is_none() {
            let (from, to) = range.into_inner();
            let hint = self.example(&from.to_string());
            self.bad(format!("must be from {from} to {to}"), &hint);
        }
        value
    }

    /// A duration such as `60s`, from one second to `most`.
    pub(crate) fn duration(&self, most: Duration) -> Option<Duration> {
        let text = self.text("\"60s\"")?;
        let least = Duration::from_secs(1);
        match humantime::parse_duration(text) {
            Ok(duration) if (least..=most).contains(&duration) => Some(duration),
            Ok(_) => {
                let most = humantime::format_duration(most);
                let hint = self.example("\"60s\"");
                self.bad(format!("must be from 1s to {most}"), &hint);
                None
            }
            Err(_) => {
                self.bad(
                    format!("{} is not a duration", quoted(text)),
                    "write a number and s, m or h, such as \"60s\" or \"5m\"",
                );
                None
            }
        }
    }

    /// A size such as `200M`, in bytes, at least one.
    pub(crate) fn size(&self) -> Option<u64> {
        let text = self.text("\"200M\"")?;
        match text.parse::<bytesize::ByteSize>() {
            Ok(size) if size.as_u64() > 0 => Some(size.as_u64()),
            Ok(_) => {
                self.bad("must be more than nothing", &self.example("\"200M\""));
                None
            }
            Err(_) => {
                self.bad(
                    format!("{} is not a size", quoted(text)),
                    "write a number and K, M or G, such as \"200M\"",
                );
                None
            }
        }
    }

    /// Whether it is a table, where something else could stand as well.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.value(), DeValue::Table(_))
    }

    /// A table below; `example` shows the text that could stand instead, where one could.
    pub(crate) fn table(&self, example: &str) -> Option<Table<'a>> {
        match self.value() {
            DeValue::Table(table) => {
                let path = self.path.clone();
                Some(Table::new(self.reader, table, self.table_span(), path))
            }
            _ => {
                self.wrong(
                    match example {
                        "" => "a table",
                        _ => "a string or a table",
                    },
                    example,
                );
                None
            }
        }
    }

    /// The key where the table stands below a header: the header's own place may be implied.
    fn table_span(&self) -> Range<usize> {
        self.key_span.clone()
    }

    /// The values of a list with at most `most` of them.
    pub(crate) fn list(&self, most: usize, example: &str) -> Option<Vec<Item<'a>>> {
        let DeValue::Array(list) = self.value() else {
            self.wrong("a list", example);
            return None;
        };
        if list.len() > most {
            self.bad(
                format!("{} entries, at most {most} are allowed", list.len()),
                "leave some out",
            );
            return None;
        }
        let item = |(at, value): (usize, &'a Spanned<DeValue<'a>>)| Item {
            reader: self.reader,
            path: format!("{}[{at}]", self.path),
            key: self.key,
            key_span: value.span(),
            value,
        };
        Some(list.iter().enumerate().map(item).collect())
    }
}
