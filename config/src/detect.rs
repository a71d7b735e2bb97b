//! What a repository is, by the files that are there anyway.

mod package;
mod procfile;

pub(crate) use package::{Package, package};
pub(crate) use procfile::{Procfile, procfile};

use crate::{files::Files, name::RelPath};

/// How Python dependencies are installed into `/app/.venv`, and the file that says so.
pub(crate) fn python(files: &Files) -> Option<(&'static str, &'static str)> {
    if files.has_file("requirements.txt") {
        let install = "/app/.venv/bin/pip install -r requirements.txt";
        return Some(("requirements.txt", install));
    }
    // Many projects keep the settings of linters only in pyproject.toml.
    let text = files.text("pyproject.toml").ok()??;
    let lines = || text.lines().map(str::trim);
    let package = lines().any(|line| matches!(line, "[project]" | "[build-system]"));
    package.then_some(("pyproject.toml", "/app/.venv/bin/pip install ."))
}

/// The static site that is there without a build.
pub(crate) fn public(files: &Files) -> Option<(&'static str, RelPath)> {
    if files.has_file("index.html") {
        return Some(("index.html", RelPath::top()));
    }
    let public = || RelPath::parse("public").expect("a good path");
    files
        .has_file("public/index.html")
        .then(|| ("public/index.html", public()))
}
