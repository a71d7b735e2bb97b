//! Whether the daemon can work with each project's repository.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};
use rustix::process::{getegid, geteuid, getgroups};
use wharf_config::project::Project;
use wharf_wire::view::Finding;

use crate::disk;
use crate::execute::failure::chain;
use crate::execute::forge;
use crate::execute::owner::Writer;
use crate::execute::refs;
use crate::execute::repository::irregular;
use crate::report;
use crate::settings::Settings;

/// What is read of a repository, beside what its refs and objects are.
const READ: [&str; 6] = ["", "HEAD", "config", "refs", "packed-refs", "objects"];
/// Where a repository says whose objects it borrows.
const ALTERNATES: &str = "objects/info/alternates";
/// More of that file than is looked at.
const MOST: u64 = 64 << 10;
/// How long all may take; whoever asks waits for a minute.
const PATIENCE: Duration = Duration::from_secs(12);
/// How long one may take.
const LONGEST: Duration = Duration::from_secs(4);

/// Looks at all of them. Blocks, though never for long: whoever owns a repository may have put a pipe where
/// a file belongs, which keeps whoever reads it.
pub(super) fn findings(settings: &Settings) -> Vec<Finding> {
    let projects: Vec<Project> = settings.projects.values().cloned().collect();
    let names: Vec<_> = projects.iter().map(|one| one.name.clone()).collect();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for project in &projects {
            if tell.send(of_project(project)).is_err() {
                // Nobody waits any more.
                return;
            }
        }
    });
    let until = Instant::now() + PATIENCE;
    let mut found = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        match told.recv_timeout(left.min(LONGEST)) {
            Ok(of) => found.extend(of),
            Err(_) => {
                let text = format!(
                    "{name}: looking at its repository takes too long, and {} after it were not looked at",
                    report::count((names.len() - at - 1) as u64, "project")
                );
                let hint = "see what is no regular file there, or on which disk it is";
                found.push(Finding::error("repository-unreadable", text, hint));
                break;
            }
        }
    }
    found
}

fn of_project(project: &Project) -> Vec<Finding> {
    let (name, repository) = (&project.name, &project.repository);
    let unreadable = |text: String, hint: String| {
        vec![Finding::error(
            "repository-unreadable",
            format!("{name}: {text}"),
            hint,
        )]
    };
    let shown = repository.display();
    if let Some((path, error)) = shut(repository).or_else(|| irregular(repository)) {
        let text = format!("{}: {error}", path.display());
        return unreadable(text, opens(repository, &path, &error));
    }
    let borrowed = borrowed(project);
    if !borrowed.is_empty() {
        // Nothing is to be read from there.
        return borrowed;
    }
    let elsewhere = || {
        format!(
            "make it anew (git init --bare {}), or say in {name}.toml where it is",
            quoted(repository)
        )
    };
    match refs::tips(repository) {
        Err(error) => return unreadable(chain(&error), elsewhere()),
        Ok(_) if refs::head(repository).is_none() => {
            let text = format!("{shown}: its HEAD names no branch");
            let fix = format!(
                "git --git-dir {} symbolic-ref HEAD refs/heads/main",
                quoted(repository)
            );
            return unreadable(text, fix);
        }
        Ok(_) => {}
    }
    let mut found = Vec::new();
    if project.remote.is_none() && forge::is_forge(repository) {
        let text = format!(
            "{name}: its git host is not told of merges, promotions and deletions that Wharf makes"
        );
        let hint = "have them pushed there: push.remote in the project's file";
        found.push(Finding::warning("host-unaware", text, hint));
    } else if let Err(error) = Writer::of(repository) {
        let text = format!("{name}: no merge, promotion or deletion can be made: {error}");
        let hint = "systemctl start wharf-helper.socket";
        found.push(Finding::warning("repository-unwritable", text, hint));
    }
    found
}

/// The first path on the way to what is read that this user cannot pass, or that is not there.
fn shut(repository: &Path) -> Option<(PathBuf, io::Error)> {
    let mut above: Vec<&Path> = repository.ancestors().skip(1).collect();
    above.reverse();
    let above = above
        .into_iter()
        .map(|path| (path.to_owned(), Access::EXEC_OK));
    let inside = READ.iter().map(|name| {
        let path = repository.join(name);
        let rights = match path.is_dir() {
            true => Access::READ_OK | Access::EXEC_OK,
            false => Access::READ_OK,
        };
        // Without a slash behind it.
        (path.components().collect(), rights)
    });
    above.chain(inside).find_map(|(path, rights)| {
        let error = io::Error::from(access(&path, rights).err()?);
        // Refs need not be packed.
        let may_be_gone = path.ends_with("packed-refs") && error.kind() == io::ErrorKind::NotFound;
        (!may_be_gone).then_some((path, error))
    })
}

/// What lets the daemon in there.
fn opens(repository: &Path, path: &Path, error: &io::Error) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let at = quoted(repository);
    if error.kind() == io::ErrorKind::Other {
        return format!(
            "look yourself, and put a file of git's there: ls -lL {}",
            quoted(path)
        );
    }
    if error.kind() != io::ErrorKind::PermissionDenied {
        return format!(
            "it must be a bare repository: make it with git init --bare {at}, or say in the project's file \
             where it is"
        );
    }
    let own = geteuid().as_raw();
    let named = uzers::get_user_by_uid(own);
    let user = named.as_ref().map_or_else(
        || own.to_string(),
        |user| user.name().to_string_lossy().into_owned(),
    );
    let Ok(metadata) = path.symlink_metadata() else {
        return format!("look yourself: namei -l {at}");
    };
    let gid = metadata.gid();
    let group = uzers::get_group_by_gid(gid);
    let group = group.map_or_else(
        || gid.to_string(),
        |group| group.name().to_string_lossy().into_owned(),
    );
    let has = |groups: &[rustix::process::Gid]| groups.iter().any(|one| one.as_raw() == gid);
    let is_member = getegid().as_raw() == gid || getgroups().is_ok_and(|groups| has(&groups));
    let will_be = named.and_then(|user| user.groups());
    let will_be = will_be.is_some_and(|groups| groups.iter().any(|group| group.gid() == gid));
    let restart = "systemctl restart wharfd";
    let what = match path.starts_with(repository) {
        true => format!("chmod -R g+rX {at}"),
        false => format!("chmod g+x {}", quoted(path)),
    };
    let mut fixes = Vec::new();
    if !is_member && !will_be {
        fixes.push(format!(
            "usermod --append --groups {} {user}",
            shell_words::quote(&group)
        ));
    }
    let is_open = metadata.mode() & 0o010 != 0 && !path.is_file() || metadata.mode() & 0o040 != 0;
    if !is_open {
        fixes.push(what);
    }
    if !is_member {
        // A daemon has the groups of when it started.
        fixes.push(restart.to_owned());
    }
    match fixes.is_empty() {
        true => format!("look yourself: namei -l {at}"),
        false => fixes.join(" && "),
    }
}

/// Objects that are borrowed from elsewhere, and cannot be read there.
fn borrowed(project: &Project) -> Vec<Finding> {
    let file = project.repository.join(ALTERNATES);
    if file.symlink_metadata().is_err() {
        return Vec::new();
    }
    let shown = file.display();
    let name = &project.name;
    let say =
        |text: String, hint: String| Finding::error("alternates", format!("{name}: {text}"), hint);
    let text = match disk::read_left(&file, MOST) {
        Ok((bytes, _)) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => {
            return vec![say(
                chain(&error),
                format!("look yourself: ls -l {}", quoted(&file)),
            )];
        }
    };
    let paths = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let objects = project.repository.join("objects");
    paths
        .filter_map(|line| {
            let path = objects.join(line);
            let error = access(&path, Access::READ_OK | Access::EXEC_OK).err()?;
            let error = io::Error::from(error);
            Some(say(
                format!("{shown} borrows objects from {}: {error}", line.escape_debug()),
                format!(
                    "let the daemon read {path}, or copy what is borrowed: git -C {} repack -a -d && rm {}",
                    quoted(&project.repository),
                    quoted(&file),
                    path = quoted(&path),
                ),
            ))
        })
        .take(10)
        .collect()
}

fn quoted(path: &Path) -> String {
    shell_words::quote(&path.to_string_lossy()).into_owned()
}
