//! What people commit, and what operators write.

use std::{fs, path::Path};

use wharf_config::{
    application, files::Files, host::Host, place::Place, problem::Problems, project,
};

use crate::fuzz;

/// As a terminal is wide.
const WIDTH: usize = 80;
/// A problem says what is wrong in some lines; of each entry of a file there may be one.
const MOST: usize = 4 << 20;

#[test]
fn an_application_s_file() {
    fuzz("application", |bytes| commit("wharf.toml", bytes));
}

#[test]
fn committed_variables() {
    fuzz("committed", |bytes| commit("wharf.config.toml", bytes));
}

#[test]
fn a_procfile() {
    fuzz("procfile", |bytes| commit("Procfile", bytes));
}

#[test]
fn a_package() {
    fuzz("package", |bytes| commit("package.json", bytes));
}

#[test]
fn a_project_s_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shop.toml");
    fuzz("project", |bytes| {
        fs::write(&file, bytes).unwrap();
        shown(project::read_one(&file))
    });
}

#[test]
fn the_host_s_file() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::below(directory.path());
    let file = place.host_file();
    fs::create_dir_all(file.parent().unwrap_or(Path::new("/"))).unwrap();
    fuzz("host", |bytes| {
        fs::write(&file, bytes).unwrap();
        shown(Host::load(&place))
    });
}

fn commit(path: &str, bytes: &[u8]) -> bool {
    let mut files = Files::default();
    files.insert("index.html", "");
    files.insert(path, bytes);
    shown(application::read(&files))
}

/// What is wrong is also to be said.
fn shown<T>(read: Result<T, Problems>) -> bool {
    if let Err(problems) = &read {
        let text = problems.render(WIDTH);
        assert!(text.len() < MOST, "{} bytes of problems", text.len());
        assert!(
            text.bytes()
                .all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)),
            "it shows what it read: {text:?}"
        );
    }
    read.is_ok()
}
