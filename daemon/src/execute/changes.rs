//! What the commands of a deployment may have changed, said where it then failed.

use std::collections::BTreeMap;

use wharf_wire::view::Step as Row;

use super::failure::Failure;
use crate::plan::deployment::Outcome;
use crate::plan::step::Step;
use crate::report::WIDTH;
use crate::store::release::ReleaseRecord;

/// The commands that have begun, in order.
#[derive(Debug, Default)]
pub(super) struct Changes {
    done: Vec<String>,
    broken: Option<String>,
}

impl Changes {
    /// Notes how a command ended, and hands that on.
    ///
    /// # Errors
    /// The command's own.
    pub(super) fn of(&mut self, name: &str, ended: Result<(), Failure>) -> Result<(), Failure> {
        match &ended {
            Ok(()) => self.done.push(name.to_owned()),
            Err(_) => self.broken = Some(name.to_owned()),
        }
        ended
    }

    /// Those that began in any attempt of an activity, by its recorded steps: what a daemon that died
    /// had seen.
    pub(super) fn recorded(steps: &[Row], release: &ReleaseRecord) -> Changes {
        let mut ends: BTreeMap<(u8, u32), (&str, bool)> = BTreeMap::new();
        for row in steps {
            let step = row.name.parse::<Step>();
            let Some((place, name)) = step.ok().and_then(|step| command(&step, release)) else {
                continue;
            };
            let is_done = row.result.as_deref() == Some(Outcome::Succeeded.word());
            ends.insert(place, (name, is_done));
        }
        let names = |done: bool| {
            let those = ends.values().filter(move |(_, is_done)| *is_done == done);
            those.map(|(name, _)| (*name).to_owned())
        };
        Changes {
            done: names(true).collect(),
            broken: names(false).next_back(),
        }
    }

    /// Adds to a failure what the commands before it did.
    pub(super) fn told(&self, failure: Failure, release: &ReleaseRecord) -> Failure {
        if self.done.is_empty() && self.broken.is_none() {
            return failure;
        }
        let services = release.application.services.keys();
        let mounts = release.application.mounts.keys();
        let services = services.map(|name| name.as_str());
        let places: Vec<&str> = services.chain(mounts.map(|path| path.as_str())).collect();
        failure.details(self.lines(&places))
    }

    /// With the services and mounts that they may have written into.
    fn lines(&self, places: &[&str]) -> Vec<String> {
        let mut lines = Vec::new();
        let done = self
            .done
            .iter()
            .map(|name| format!("ran to its end: {name}"));
        let broken = self.broken.iter().map(|name| format!("stopped in: {name}"));
        for text in done.chain(broken) {
            lines.extend(wrapped(&text));
        }
        let data = match places {
            [] => "what they wrote outside of the release is not undone".to_owned(),
            places => format!("data may have changed in {}", places.join(", ")),
        };
        lines.extend(wrapped(&data));
        lines
    }
}

/// A deploy command of a release by its recorded step, with its place among them.
fn command<'r>(step: &Step, release: &'r ReleaseRecord) -> Option<((u8, u32), &'r str)> {
    let application = &release.application;
    let deploy = &application.deploy;
    let (kind, number, steps) = match step {
        Step::Assets(number) => (0, *number, &application.assets.as_ref()?.run),
        Step::Install(number) => (1, *number, &deploy.install.as_ref()?.run),
        Step::Command(number) => (2, *number, &deploy.run),
        _ => return None,
    };
    let at = usize::try_from(number).ok()?.checked_sub(1)?;
    steps
        .get(at)
        .map(|step| ((kind, number), step.name.as_str()))
}

fn wrapped(text: &str) -> Vec<String> {
    let ascii: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() || c == ' ' {
                c
            } else {
                '?'
            }
        })
        .collect();
    let options = textwrap::Options::new(WIDTH)
        .initial_indent("  ")
        .subsequent_indent("    ")
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let lines = textwrap::wrap(&ascii, options);
    lines.into_iter().map(|line| line.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_and_what_did_not_is_said_with_the_data_that_it_may_have_changed() {
        let mut changes = Changes::default();
        changes.of("bin/one", Ok(())).unwrap();
        let failed = changes.of("bin/two", Err(Failure::new("deploy-failed", "no")));
        assert!(failed.is_err());
        let lines = changes.lines(&["pub/media", "var"]);
        insta::assert_snapshot!(lines.join("\n"), @r"
          ran to its end: bin/one
          stopped in: bin/two
          data may have changed in pub/media, var
        ");
        let long = vec!["a/long/directory"; 9];
        assert!(changes.lines(&long).iter().all(|line| line.len() <= WIDTH));
    }
}
