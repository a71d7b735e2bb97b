//! What somebody wrote in a project's file, key by key, with the lines: for whoever asks what counts and why.

use std::path::Path;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{plain::plain, problem::Spot, reader::Reader};

/// Keys below which there are secrets, or may be.
const SECRET: [&str; 3] = ["notify", "previews", "push.remote"];
/// What is shown of these.
const HIDDEN: &str = "(not shown)";

/// A key that somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its name with dots: `environments.staging.access`.
    pub key: String,
    /// Its value as TOML; secrets are not shown.
    pub value: String,
    /// The line of the file, from 1.
    pub line: usize,
}

/// Every key of a file that was good when it was read, in the order of its lines; none where it is not any
/// more.
pub fn written(file: &Path) -> Vec<Written> {
    let Ok(reader) = Reader::open(file) else {
        return Vec::new();
    };
    let text = reader.text();
    let Ok(document) = DeTable::parse(text) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    table(text, "", document.get_ref(), &mut all);
    all.sort_by_key(|one| one.line);
    all
}

fn table(text: &str, path: &str, table: &DeTable<'_>, all: &mut Vec<Written>) {
    for (key, item) in table {
        let name = key.get_ref();
        let is_bare = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
        let name = match name.bytes().all(is_bare) && !name.is_empty() {
            true => name.to_string(),
            false => format!("{name:?}"),
        };
        let path = match path {
            "" => name,
            path => format!("{path}.{name}"),
        };
        value(text, path, key.span().start, item, all);
    }
}

fn value(text: &str, path: String, at: usize, item: &Spanned<DeValue<'_>>, all: &mut Vec<Written>) {
    let is_secret = SECRET.contains(&path.as_str()) || path.ends_with(".previews");
    if let DeValue::Table(inner) = item.get_ref()
        && !is_secret
    {
        return self::table(text, &path, inner, all);
    }
    let spot = Spot {
        file: String::new(),
        text: text.into(),
        span: at..at,
    };
    let shown = text.get(item.span()).unwrap_or_default();
    all.push(Written {
        value: match is_secret {
            true => HIDDEN.to_owned(),
            false => plain(shown),
        },
        key: plain(&path),
        line: spot.line(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_line_and_no_secret_its_value() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("shop.toml");
        std::fs::write(
            &file,
            "repository = \"/srv/git/shop.git\"\n\n[environments.\"*\"]\nparent = \"main\"\n\
             previews = { ada = \"x\" }\n[push]\nremote = \"https://ada:word@host/\"\n\
             [[notify]]\nto = \"https://host/secret\"\n[previews]\nada = \"$2b$hash\"\n",
        )
        .unwrap();
        let all = written(&file);
        let shown = all
            .iter()
            .map(|one| format!("{} {} = {}", one.line, one.key, one.value));
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                "1 repository = \"/srv/git/shop.git\"",
                "4 environments.\"*\".parent = \"main\"",
                "5 environments.\"*\".previews = (not shown)",
                "7 push.remote = (not shown)",
                "8 notify = (not shown)",
                "10 previews = (not shown)",
            ]
        );
        assert_eq!(written(&directory.path().join("none")), []);
    }
}
