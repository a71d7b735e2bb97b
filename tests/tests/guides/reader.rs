//! Somebody who reads a guide and types what it says.

use std::{fs, path::PathBuf};

use wharf_tests::{
    Said, World,
    guide::{Typed, Where, place, typed},
    run,
};

/// What stands in the guides for an activity's id.
const ID: &str = "4f2a";

/// A reader at a host, whose directory stays from command to command.
pub(crate) struct Reader<'w> {
    world: &'w World,
    at: PathBuf,
    variables: Vec<(&'static str, String)>,
    /// What stands in a guide, and what it is here.
    words: Vec<(&'static str, String)>,
}

impl<'w> Reader<'w> {
    pub(crate) fn new(world: &'w World, at: PathBuf) -> Reader<'w> {
        Reader {
            world,
            at,
            variables: Vec::new(),
            words: Vec::new(),
        }
    }

    /// Has a variable.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Reader<'w> {
        self.variables.push((name, value.into()));
        self
    }

    /// Reads something of the guide as what it is here.
    pub(crate) fn reads(mut self, word: &'static str, as_this: impl Into<String>) -> Reader<'w> {
        self.words.push((word, as_this.into()));
        self
    }

    /// Types a command, which must end well unless the guide shows that it does not, and print what
    /// the guide shows.
    #[track_caller]
    pub(crate) fn types(&mut self, typed: &Typed) -> Said {
        let mut text = typed.text.clone();
        for (word, as_this) in &self.words {
            text = text.replace(word, as_this);
        }
        if text.contains(ID) {
            let newest = self.world.activities(Some("shop"), 1).unwrap();
            text = text.replace(ID, &newest[0].id);
        }
        let left = self.world.path("left");
        let script = format!(
            "exec 2>&1\n{text}\nstatus=$?\npwd >{}\nexit $status",
            left.display()
        );
        let mut sh = self.world.command("sh");
        sh.args(["-c", &script]).current_dir(&self.at);
        sh.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let said = run(&mut sh);
        let at = fs::read_to_string(left).unwrap();
        self.at = PathBuf::from(at.trim_end_matches('\n'));
        typed.came_to(said)
    }
}

/// The commands of a guide that any user can run.
pub(crate) fn commands(guide: &'static str) -> Vec<Typed> {
    let mut all = typed(guide);
    all.retain(|typed| place(typed) == Where::Here);
    assert!(all.len() > 5, "docs/{guide} has commands");
    all
}
