//! git in a project's repository, as a unit: as the repository's owner, who may write there and
//! nowhere else.
//!
//! The rest of the host can be read as far as they may, since a repository may take objects from
//! others. Nothing can be reached: no network, no socket.

use super::{ALLOWED, Property, REFUSED, Value, calls, kernel, labels, privileges, text, words};
use crate::{
    ask::STATE,
    git::{Git, environment, identity},
};

/// Where the git is that root trusts.
const GIT: &str = "/usr/bin/git";
/// Where it finds its own programs.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Processes and threads: it packs with one a processor.
const TASKS: u64 = 1_024;

/// A repository, as it lies on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Where.
    pub path: String,
    /// Whose.
    pub user: u32,
    /// Its group, which what is new in it gets.
    pub group: u32,
    /// Its directory's mode: what is new in it is as private.
    pub mode: u32,
}

/// Renders it for systemd.
#[must_use]
pub fn properties(asked: &Git, repository: &Repository) -> Vec<Property> {
    let yes = |name| (name, Value::Flag(true));
    let (verb, of) = (asked.operation.name(), &asked.project);
    let mut argv = vec!["git", "--git-dir", &repository.path];
    argv.extend(asked.operation.words());
    // systemd would look for variables.
    let argv = argv.iter().map(|word| word.replace('$', "$$")).collect();
    let patience = asked.operation.patience().as_micros();
    let mut all = vec![
        ("Description", text(format!("Wharf: git {verb} in {of}"))),
        // What fails stays until it was asked how.
        ("CollectMode", text("inactive")),
        ("Type", text("exec")),
        (
            "ExecStart",
            Value::Commands(vec![(GIT.to_owned(), argv, false)]),
        ),
        ("Environment", Value::Words(variables(asked, repository))),
        ("WorkingDirectory", text("/")),
        ("UMask", Value::Mode(!repository.mode & 0o077)),
        (
            "RuntimeMaxUSec",
            Value::Number(u64::try_from(patience).unwrap_or(u64::MAX)),
        ),
        ("TimeoutStopUSec", Value::Number(super::PATIENCE)),
        ("LimitCORE", Value::Number(0)),
        ("TasksMax", Value::Number(TASKS)),
    ];
    all.extend(labels(Some(&asked.project), None));
    all.extend(privileges(repository.user, repository.group));
    all.extend([
        ("SystemCallFilter", calls(true, &ALLOWED[..1])),
        ("SystemCallFilter", calls(false, &REFUSED)),
        ("ProtectSystem", text("strict")),
        (
            "ReadWritePaths",
            Value::Words(vec![repository.path.clone()]),
        ),
        // It may lie in its owner's home.
        ("ProtectHome", text("read-only")),
        (
            "InaccessiblePaths",
            Value::Words(
                words(&["/sys"])
                    .into_iter()
                    .chain([format!("-{STATE}")])
                    .collect(),
            ),
        ),
        // No socket of anybody's.
        (
            "TemporaryFileSystem",
            Value::Memory(vec![(
                "/run".to_owned(),
                "mode=0755,nosuid,nodev".to_owned(),
            )]),
        ),
        yes("PrivateTmp"),
        yes("PrivateDevices"),
        yes("PrivateNetwork"),
        ("RestrictAddressFamilies", calls(true, &["AF_UNIX"])),
        ("ProtectProc", text("invisible")),
    ]);
    all.extend(kernel());
    all.push(yes("MemoryDenyWriteExecute"));
    all
}

fn variables(asked: &Git, repository: &Repository) -> Vec<String> {
    let mut all = vec![format!("PATH={PATH}")];
    for (name, value) in environment(repository.path.as_ref()) {
        all.push(format!("{name}={}", value.to_string_lossy()));
    }
    if let Some(author) = &asked.author {
        let identity = identity(author.name.as_str(), author.email.as_str());
        all.extend(identity.map(|(name, value)| format!("{name}={value}")));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        git::{Author, Line, Operation},
        id::Id,
    };

    fn line(text: &str) -> Line {
        Line::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn the_rendering_is_known_property_by_property() {
        let repository = Repository {
            path: "/srv/git/a $HOME b.git".into(),
            user: 1_001,
            group: 1_002,
            mode: 0o750,
        };
        let author = Author {
            name: line("Ann $x %n"),
            email: line("ann@shop"),
        };
        let mut asked = Git {
            job: Id::parse("git.shop.1").unwrap(),
            project: Id::parse("shop").unwrap(),
            operation: Operation::Update {
                why: line("wharf $merge"),
            },
            author: Some(author),
        };
        let rendered = |asked: &Git| {
            let all = properties(asked, &repository);
            let lines = all
                .iter()
                .map(|(name, value)| format!("{name} = {value:?}"));
            lines.collect::<Vec<_>>()
        };
        insta::assert_snapshot!(rendered(&asked).join("\n"));
        // The others differ in this.
        asked.author = None;
        let others = [Operation::Take, Operation::Collect, Operation::PackRefs].map(|operation| {
            asked.operation = operation;
            let differs = |line: &String| {
                ["Description", "ExecStart", "RuntimeMax"]
                    .iter()
                    .any(|name| line.starts_with(name))
            };
            let lines: Vec<String> = rendered(&asked).into_iter().filter(differs).collect();
            lines.join("\n")
        });
        insta::assert_snapshot!(others.join("\n\n"));
    }
}
