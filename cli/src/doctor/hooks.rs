//! The hooks of all projects: whether they are there, as they should be, and run.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use wharf_config::{host::OnFailure, place::Place};
use wharf_wire::{
    outcome::Exit,
    view::{Finding, Severity},
};

use crate::{
    failure::Failure,
    hook::{self, Checked, Options},
    hooks,
};

/// How long all of them may take; what is left then is said.
const PATIENCE: Duration = Duration::from_secs(15);
/// Looks at the same time.
const AT_A_TIME: usize = 4;
/// Findings of each severity that are said.
const MOST: usize = 20;
/// The settings without which a push is not judged as it should be.
const NEEDED: [&str; 2] = ["receive.fsckObjects", "receive.procReceiveRefs"];

/// What came of one look.
enum Seen {
    Fine,
    Found(Vec<Finding>),
    /// Whoever asks may not look there.
    Hidden,
    /// There was no time left.
    Not,
}

/// Looks at the hooks of each project, and of a repository beside them.
pub(super) fn findings(place: &Place, beside: Option<&Path>) -> Vec<Finding> {
    // The daemon says what is wrong with the host's files, and so does `wharfd check`.
    let Ok(all) = hooks::wanted(place, beside) else {
        return Vec::new();
    };
    let seen = look(all);
    let count = |is: fn(&Seen) -> bool| seen.iter().filter(|one| is(one)).count();
    let fine = count(|one| matches!(one, Seen::Fine));
    let hidden = count(|one| matches!(one, Seen::Hidden));
    let not = count(|one| matches!(one, Seen::Not));
    let mut found = Vec::new();
    if fine > 0 {
        found.push(Finding::good(
            "hooks",
            format!("the hooks of {} are in order", repositories(fine)),
        ));
    }
    if hidden > 0 {
        let text = format!("you may not look at the hooks of {}", repositories(hidden));
        found.push(Finding::warning("hooks", text, "sudo wharf doctor"));
    }
    if not > 0 {
        let text = format!(
            "there was no time to look at the hooks of {}",
            repositories(not)
        );
        found.push(Finding::warning("hooks", text, "wharf hook status --all"));
    }
    let each = seen.into_iter().flat_map(|one| match one {
        Seen::Found(findings) => findings,
        Seen::Fine | Seen::Hidden | Seen::Not => Vec::new(),
    });
    found.extend(few(each.collect()));
    found
}

fn repositories(count: usize) -> String {
    match count {
        1 => "1 repository".to_owned(),
        many => format!("{many} repositories"),
    }
}

/// Looks at several at a time: most of it is waiting for git. Nobody waits for whoever is kept by what a
/// repository's owner put where a file belongs.
fn look(all: Vec<(PathBuf, Options)>) -> Vec<Seen> {
    let until = Instant::now() + PATIENCE;
    let count = all.len();
    let all = Arc::new(Mutex::new(all.into_iter().enumerate()));
    let (tell, told) = mpsc::channel();
    for _ in 0..AT_A_TIME {
        let (all, tell) = (Arc::clone(&all), tell.clone());
        let take = move || all.lock().expect("no holder panics").next();
        thread::spawn(move || {
            while let Some((at, (repository, options))) = take() {
                if tell.send((at, judge(&repository, &options))).is_err() {
                    return;
                }
            }
        });
    }
    drop(tell);
    let mut seen: Vec<Seen> = (0..count).map(|_| Seen::Not).collect();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match told.recv_timeout(left) {
            Ok((at, one)) => seen[at] = one,
            Err(_) => return seen,
        }
    }
}

fn judge(repository: &Path, options: &Options) -> Seen {
    if let Err(error) = repository.join("HEAD").metadata() {
        return match error.kind() {
            io::ErrorKind::PermissionDenied => Seen::Hidden,
            // That it is not there is a finding of the daemon's.
            _ => Seen::Found(Vec::new()),
        };
    }
    let found = match hook::check(repository, options) {
        Ok(checked) => of(repository, options.on_failure, &checked),
        Err(error) => {
            let hint = error.hint().unwrap_or_else(|| install(repository));
            let shown = repository.display().to_string();
            let text = Failure::new(Exit::Failed, shown).because(error).to_string();
            vec![Finding::error("hooks", text, hint)]
        }
    };
    match found.is_empty() {
        true => Seen::Fine,
        false => Seen::Found(found),
    }
}

fn of(repository: &Path, on_failure: OnFailure, checked: &Checked) -> Vec<Finding> {
    let shown = repository.display();
    let status = &checked.status;
    if !status.is_begun() {
        let text = format!(
            "{shown} has no hooks of Wharf: nothing is refused before it is accepted, and who pushes sees nothing"
        );
        return vec![Finding::warning("hooks", text, install(repository))];
    }
    let named = |text: &str| match text.contains(&*repository.to_string_lossy()) {
        true => text.to_owned(),
        false => format!("{shown}: {text}"),
    };
    let mut found: Vec<Finding> = status
        .problems
        .iter()
        .map(|problem| Finding::error("hooks", named(&problem.message), &problem.hint))
        .collect();
    for setting in &status.settings {
        if setting.value.as_deref() == Some(setting.wanted) {
            continue;
        }
        let value = setting.value.as_deref().unwrap_or("not set");
        let key = setting.key;
        let text = format!(
            "{shown}: {key} is {value} and should be {}{}",
            setting.wanted,
            why(key)
        );
        let is_needed =
            NEEDED.contains(&key) && (key != NEEDED[1] || on_failure == OnFailure::Reject);
        found.push(match is_needed {
            true => Finding::error("hooks", text, install(repository)),
            false => Finding::warning("hooks", text, install(repository)),
        });
    }
    if found.is_empty() && !checked.changes.is_empty() {
        let changes: Vec<String> = checked.changes.iter().map(ToString::to_string).collect();
        let text = format!(
            "the hooks of {shown} are not what this release of Wharf and its files would have: it {}",
            changes.join(", ")
        );
        found.push(Finding::warning("hooks", text, install(repository)));
    }
    found
}

/// What comes of a setting that is not as it should be.
fn why(key: &str) -> &'static str {
    match key {
        "receive.advertisePushOptions" => ": git push -o fails",
        "receive.autogc" => ": pushes wait for a gc that the daemon does",
        "receive.unpackLimit" => ": accepting a push takes longer on a busy disk",
        "core.fsync" => ": a power cut can lose what was pushed",
        "receive.fsckObjects" => ": git takes trees that mislead",
        _ => "",
    }
}

fn install(repository: &Path) -> String {
    let path = repository.to_string_lossy();
    format!("wharf hook install {}", shell_words::quote(&path))
}

/// The first of each severity, with how many more there are.
fn few(found: Vec<Finding>) -> Vec<Finding> {
    let mut said = Vec::new();
    for severity in [Severity::Warning, Severity::Error] {
        let mut of: Vec<Finding> = found
            .iter()
            .filter(|one| one.severity == severity)
            .cloned()
            .collect();
        let fixes: BTreeSet<_> = of.iter().filter_map(|one| one.hint.clone()).collect();
        let more = of.len().saturating_sub(MOST);
        of.truncate(MOST);
        said.append(&mut of);
        if more > 0 {
            let all = fixes
                .iter()
                .all(|fix| fix.starts_with("wharf hook install "));
            let hint = match all {
                true => "wharf hook install --all",
                false => "mend these, then look again: wharf hook status --all",
            };
            said.push(Finding {
                severity,
                ..Finding::warning("hooks", format!("and {more} more like these"), hint)
            });
        }
    }
    said
}
