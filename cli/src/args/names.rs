//! Names as other platforms write them: `environment:merge` is `merge`.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};

/// Each such name and the words that mean the same here.
pub(super) const NAMES: [(&str, &[&str]); 47] = [
    ("environment:list", &["environments"]),
    ("environment:branch", &["branch"]),
    ("environment:merge", &["merge"]),
    ("environment:promote", &["promote"]),
    ("environment:sync", &["sync"]),
    ("environment:synchronize", &["sync"]),
    ("environment:info", &["info"]),
    ("environment:delete", &["delete"]),
    ("environment:deploy", &["deploy"]),
    ("environment:redeploy", &["redeploy"]),
    ("environment:rollback", &["rollback"]),
    ("environment:releases", &["releases"]),
    ("environment:approve", &["approve"]),
    ("environment:url", &["url"]),
    ("environment:ssh", &["shell"]),
    ("environment:logs", &["log", "--app"]),
    ("environment:activate", &["activate"]),
    ("environment:deactivate", &["deactivate"]),
    ("environment:pause", &["pause"]),
    ("environment:resume", &["resume"]),
    ("environment:maintenance:on", &["maintenance", "on"]),
    ("environment:maintenance:off", &["maintenance", "off"]),
    ("maintenance:on", &["maintenance", "on"]),
    ("maintenance:off", &["maintenance", "off"]),
    ("activity:list", &["activities"]),
    ("activity:get", &["activity", "show"]),
    ("activity:log", &["activity", "log"]),
    ("activity:cancel", &["cancel"]),
    ("activity:wait", &["activity", "wait"]),
    ("activity:approve", &["approve"]),
    ("project:list", &["project", "list"]),
    ("slug:list", &["slugs"]),
    ("slug:why", &["slug", "why"]),
    ("slug:export", &["slug", "export"]),
    ("slug:import", &["slug", "import"]),
    ("cron:list", &["crons"]),
    ("cron:run", &["crons", "run"]),
    ("mount:list", &["mount", "list"]),
    ("mount:size", &["mount", "size"]),
    ("mount:download", &["mount", "download"]),
    ("mount:upload", &["mount", "upload"]),
    ("variable:list", &["variable", "list"]),
    ("variable:get", &["variable", "get"]),
    ("variable:set", &["variable", "set"]),
    ("variable:delete", &["variable", "delete"]),
    ("config:dump", &["config", "dump"]),
    ("config:diff", &["config", "diff"]),
];

/// Options before the command whose value is a word of its own.
const WITH_VALUE: [&str; 5] = ["-p", "--project", "-e", "--environment", "--repository"];

/// The same command line by our own names: only the command itself is looked at.
pub(super) fn plain(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let mut place = 1;
    while let Some(word) = words.get(place).and_then(|word| word.to_str()) {
        if WITH_VALUE.contains(&word) {
            place += 2;
        } else if word.starts_with('-') {
            place += 1;
        } else {
            let known = NAMES.iter().find(|(name, _)| *name == word);
            if let Some((_, plain)) = known {
                words.splice(place..=place, plain.iter().map(OsString::from));
            }
            return words;
        }
    }
    words
}

/// How near a name must be to be meant.
const NEAR: f64 = 0.7;

/// The same error with the name that may have been meant, where it is about one of these.
pub(super) fn meant(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return error;
    };
    if !word.contains(':') {
        return error;
    }
    let near = NAMES
        .iter()
        .map(|(name, _)| (strsim::jaro_winkler(word, name), *name))
        .filter(|(nearness, _)| *nearness >= NEAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    if let Some((_, name)) = near {
        let suggested = ContextValue::Strings(vec![name.to_owned()]);
        error.insert(ContextKind::SuggestedSubcommand, suggested);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;

    fn of(line: &str) -> String {
        let words = plain(line.split(' ').map(OsString::from));
        let words = words.into_iter().map(|word| word.into_string().unwrap());
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn only_the_command_is_read_anew() {
        assert_eq!(of("wharf -e x environment:merge"), "wharf -e x merge");
        assert_eq!(
            of("wharf --json activity:get 4f2a"),
            "wharf --json activity show 4f2a"
        );
        let title = "wharf info --title environment:merge";
        assert_eq!(of(title), title);
        assert_eq!(
            of("wharf -e environment:merge url"),
            "wharf -e environment:merge url"
        );
        assert_eq!(of("wharf"), "wharf");
    }

    #[test]
    fn a_slip_of_the_pen_is_told_what_was_meant() {
        let said = |line: &str| {
            let words = line.split(' ').map(OsString::from);
            args::parse(words).unwrap_err().to_string()
        };
        for (line, name) in [
            ("wharf environment:brunch", "'environment:branch'"),
            ("wharf -e x environments:merge", "'environment:merge'"),
            ("wharf activity:lst", "'activity:list'"),
        ] {
            let said = said(line);
            assert!(
                said.contains(&format!("subcommand exists: {name}")),
                "{said}"
            );
        }
        assert!(said("wharf merg").contains("'merge'"));
    }

    #[test]
    fn every_name_means_a_command_that_is_there() {
        let command = args::command();
        for (name, words) in NAMES {
            let mut found = Some(&command);
            let values = ["on", "off"];
            let names = words.iter().filter(|word| !values.contains(word));
            for word in names.take_while(|word| !word.starts_with('-')) {
                found = found.and_then(|command| command.find_subcommand(word));
            }
            assert!(found.is_some(), "{name}");
        }
    }
}
