//! The source tree as tokens: comments are gone, and a path means the same however it is imported.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The workspace's directory.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate lies in the workspace")
}

/// Directories of the workspace's crates.
pub(crate) fn crates() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 7, "the crates are found: {names:?}");
    names
}

/// A Rust file.
pub(crate) struct Source {
    name: String,
    tokens: TokenStream,
}

/// Every Rust file at or below a path of the workspace: a directory, or a module given by it (`plan`
/// is `plan.rs` and `plan/`).
pub(crate) fn sources(path: &str) -> Vec<Source> {
    let mut files = Vec::new();
    let place = root().join(path);
    collect(&place, &mut files);
    let module = place.with_extension("rs");
    if module.exists() {
        files.push(module);
    }
    assert!(!files.is_empty(), "there is no Rust file in {path}");
    files.sort();
    files.into_iter().map(|file| Source::read(&file)).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Whether a path such as `std::fs::File` is `refused` or below it. A single capitalised name, such
/// as `Instant`, is refused wherever it stands in the path.
pub(crate) fn is_below(path: &str, refused: &str) -> bool {
    if refused.starts_with(char::is_uppercase) {
        return path.split("::").any(|segment| segment == refused);
    }
    path == refused
        || path
            .strip_prefix(refused)
            .is_some_and(|rest| rest.starts_with("::"))
}

impl Source {
    fn read(file: &Path) -> Source {
        let name = file
            .strip_prefix(root())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let text = fs::read_to_string(file).unwrap();
        Source::new(name, &text)
    }

    fn new(name: String, text: &str) -> Source {
        let tokens = text
            .parse()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        Source { name, tokens }
    }

    /// Its path below the workspace.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Lines of code: without blank ones, comments and the test module, which is the end of a file.
    pub(crate) fn lines_of_code(&self) -> usize {
        let text = fs::read_to_string(root().join(&self.name)).unwrap();
        lines_of_code(&text)
    }

    /// Whether the whole file is a test module.
    pub(crate) fn is_test(&self) -> bool {
        self.name.ends_with("/tests.rs") || self.name.contains("/tests/")
    }

    /// Every path that it names, groups of a `use` spelt out.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        paths(self.tokens.clone(), "", &mut found);
        found
    }

    /// Every identifier, also those in attributes.
    pub(crate) fn idents(&self) -> Vec<String> {
        let mut found = Vec::new();
        each(self.tokens.clone(), &mut |tree| {
            if let TokenTree::Ident(ident) = tree {
                found.push(ident.to_string());
            }
        });
        found
    }

    /// Every string literal, without its quotes.
    pub(crate) fn literals(&self) -> Vec<String> {
        let mut found = Vec::new();
        each(self.tokens.clone(), &mut |tree| found.extend(text(tree)));
        found
    }

    /// Every string literal inside the parentheses of a `join(…)` or `push(…)`, outside of tests.
    pub(crate) fn joined(&self) -> Vec<String> {
        let mut found = Vec::new();
        joined(without_tests(self.tokens.clone()), &mut found);
        found
    }
}

fn lines_of_code(text: &str) -> usize {
    let lines = text.lines().map(str::trim);
    lines
        .take_while(|line| *line != "#[cfg(test)]")
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

fn each(tokens: TokenStream, visit: &mut impl FnMut(&TokenTree)) {
    for tree in tokens {
        visit(&tree);
        if let TokenTree::Group(group) = tree {
            each(group.stream(), visit);
        }
    }
}

fn text(tree: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = tree else {
        return None;
    };
    let literal = literal.to_string();
    let inner = literal
        .trim_start_matches(['b', 'c', 'r', '#'])
        .trim_end_matches('#');
    Some(inner.strip_prefix('"')?.strip_suffix('"')?.to_owned())
}

fn is_punct(tree: Option<&TokenTree>, sign: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

/// Collects `a::b::c`; after `a::{` the paths in the braces begin with `a::`.
fn paths(tokens: TokenStream, prefix: &str, found: &mut Vec<String>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    // Within a group of a `use`, each comma begins a path anew below the prefix.
    let mut path = prefix.to_owned();
    let mut follows = !prefix.is_empty();
    while at < trees.len() {
        match &trees[at] {
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                path = if follows && !path.is_empty() {
                    format!("{path}::{name}")
                } else {
                    name
                };
                follows = false;
                let goes_on = is_punct(trees.get(at + 1), ':') && is_punct(trees.get(at + 2), ':');
                if goes_on {
                    at += 2;
                    follows = true;
                }
                let braces = matches!(trees.get(at + 1), Some(TokenTree::Group(group))
                    if group.delimiter() == Delimiter::Brace);
                if !(goes_on && (braces || matches!(trees.get(at + 1), Some(TokenTree::Ident(_)))))
                {
                    found.push(path.trim_start_matches("r#").to_owned());
                }
            }
            TokenTree::Group(group) => {
                let braces = group.delimiter() == Delimiter::Brace;
                paths(
                    group.stream(),
                    if follows && braces { &path } else { "" },
                    found,
                );
                follows = false;
            }
            TokenTree::Punct(punct) if punct.as_char() == ',' && !prefix.is_empty() => {
                path = prefix.to_owned();
                follows = true;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => follows = false,
        }
        at += 1;
    }
}

fn joined(tokens: TokenStream, found: &mut Vec<String>) {
    let mut joins = false;
    for tree in tokens {
        if let TokenTree::Group(group) = &tree {
            if joins {
                each(group.stream(), &mut |tree| found.extend(text(tree)));
            } else {
                joined(group.stream(), found);
            }
        }
        joins = matches!(&tree, TokenTree::Ident(ident) if ident == "join" || ident == "push");
    }
}

/// Leaves out `#[cfg(test)] mod … { … }`.
fn without_tests(tokens: TokenStream) -> TokenStream {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while at < trees.len() {
        let is_test = is_punct(trees.get(at), '#')
            && matches!(trees.get(at + 1), Some(TokenTree::Group(group))
                if group.stream().to_string().replace(' ', "") == "cfg(test)");
        if is_test {
            at += trees[at..]
                .iter()
                .position(|tree| {
                    is_punct(Some(tree), ';')
                        || matches!(tree, TokenTree::Group(group)
                            if group.delimiter() == Delimiter::Brace)
                })
                .unwrap_or(trees.len() - at - 1);
        } else {
            kept.push(trees[at].clone());
        }
        at += 1;
    }
    kept.into_iter().collect()
}

/// The checks can fail: each finds what it looks for.
mod finds {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new("x.rs".into(), text)
    }

    #[test]
    fn paths_however_they_are_imported() {
        let file = source(
            "//! std::process\n/// tokio\nuse std::{fs::{self, File}, time::{Duration, Instant}};\n\
             fn f() { assert!(::rustix::fs::open(1, std::process::id()) == now(a, b)); }",
        );
        let paths = file.paths();
        for path in [
            "std::fs::File",
            "std::time::Instant",
            "rustix::fs::open",
            "std::process::id",
        ] {
            assert!(paths.contains(&path.to_owned()), "{path} in {paths:?}");
        }
        assert!(
            !paths.iter().any(|path| path.contains("tokio")),
            "{paths:?}"
        );
        assert!(is_below("std::fs::self", "std::fs") && !is_below("std::fsx", "std::fs"));
        assert!(is_below("std::time::Instant::now", "Instant"));
    }

    #[test]
    fn lines_that_do_something() {
        let text =
            "//! x\n\nfn f() {\n    // y\n    g(); // z\n}\n\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(lines_of_code(text), 3);
    }

    #[test]
    fn joined_names_outside_of_tests() {
        let file = source(
            "fn f() { state.join(\"slugs\").join(format!(\"{id}.new\")); say(\"releases\") }\n\
             #[cfg(test)]\nmod tests { fn g() { state.join(\"logs\"); } }",
        );
        assert_eq!(file.joined(), ["slugs", "{id}.new"]);
    }
}
