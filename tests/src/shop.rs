//! What a test of input begins with: a project whose first release serves a page.

use std::{collections::BTreeSet, fs};

use crate::{Said, Tree, World, lines_obey_the_rules, obeys_the_rules};

/// The page of the first release.
pub const PAGE: (&str, &str) = ("index.html", "one\n");

/// A project on a host, and a work tree of it.
#[derive(Debug)]
pub struct Shop<'world> {
    world: &'world World,
    /// The work tree.
    pub tree: Tree<'world>,
    /// The first commit, which serves.
    good: String,
    /// What stands where builds and jobs leave nothing.
    left: BTreeSet<String>,
}

impl<'world> Shop<'world> {
    /// A shop whose first release serves [`PAGE`].
    pub fn open(world: &'world World) -> Shop<'world> {
        let tree = world.site("shop", &[PAGE]);
        tree.init();
        tree.push(&["main"]).ok().has("main now serves r1.");
        assert_eq!(tree.get("/").ok(), PAGE.1);
        let good = tree.git(&["rev-parse", "HEAD"]).ok().out.trim().to_owned();
        Shop {
            world,
            tree,
            good,
            left: left(world),
        }
    }

    /// A path of the work tree.
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.tree.path().join(name)
    }

    /// Commits and pushes what pre-receive must refuse; back at the good commit after it.
    #[track_caller]
    pub fn refused(&self) -> Said {
        self.tree.commit("Wrong");
        let said = self.tree.push(&["--force", "main"]).exits(1);
        lines_obey_the_rules(&said.transcript());
        self.unharmed(said, "nothing was changed.")
    }

    /// Pushes one `wharf.toml` after the other; each must be refused for its reason, in few words.
    #[track_caller]
    pub fn all_refused(&self, cases: &[(&[u8], &str)]) {
        let mut surprises = String::new();
        for (text, reason) in cases {
            fs::write(self.path("wharf.toml"), text).expect("a file can be written");
            let said = self.refused();
            if !said.transcript().contains(reason) {
                surprises.push_str(&format!("nothing says `{reason}`\n{said}\n"));
            }
            let lines = said.transcript().lines().count();
            assert!(lines < 200, "{lines} lines\n{said}");
        }
        assert!(surprises.is_empty(), "{surprises}");
    }

    /// Commits and pushes what is accepted and must fail; back at the good commit after it.
    #[track_caller]
    pub fn failed(&self) -> Said {
        self.failed_saying("nothing was changed.")
    }

    /// The same, with what the last line says of the environment's data.
    #[track_caller]
    pub fn failed_saying(&self, changed: &str) -> Said {
        self.tree.commit("Wrong");
        let said = self.tree.push(&["--force", "main"]).ok();
        obeys_the_rules(&said.transcript());
        self.unharmed(said, changed)
    }

    /// Commits and pushes what must go live.
    #[track_caller]
    pub fn live(&self) -> Said {
        self.tree.commit("Right");
        let said = self.tree.push(&["--force", "main"]).ok().has("success: r");
        obeys_the_rules(&said.transcript());
        said
    }

    /// What was accepted has failed: it says why and what to do, and nothing was changed.
    #[track_caller]
    pub fn failed_by(&self, said: Said) -> Said {
        obeys_the_rules(&said.transcript());
        self.unharmed(said, "nothing was changed.")
    }

    /// What served serves, and nothing is left where builds and jobs leave something.
    #[track_caller]
    pub fn serves_on(&self, said: &Said) {
        assert_eq!(self.tree.get("/").ok(), PAGE.1, "{said}");
        assert_eq!(left(self.world), self.left, "{said}");
    }

    #[track_caller]
    fn unharmed(&self, said: Said, changed: &str) -> Said {
        let transcript = said.transcript();
        let last = transcript.lines().last().unwrap_or_default();
        assert_eq!(last, format!("main still serves r1; {changed}"), "{said}");
        assert!(transcript.contains("error: "), "{said}");
        assert!(transcript.contains("hint: "), "{said}");
        self.serves_on(&said);
        self.tree
            .git(&["reset", "--quiet", "--hard", &self.good])
            .ok();
        self.tree.git(&["clean", "-ffdxq"]).ok();
        said
    }
}

fn left(world: &World) -> BTreeSet<String> {
    let state = world.home().join("state");
    let names = |place: &str| {
        let entries = fs::read_dir(state.join(place)).expect("the state is there");
        entries
            .map(|entry| {
                format!(
                    "{place}/{}",
                    entry
                        .expect("a directory can be read")
                        .file_name()
                        .display()
                )
            })
            .collect::<Vec<_>>()
    };
    ["builds", "jobs"].into_iter().flat_map(names).collect()
}
