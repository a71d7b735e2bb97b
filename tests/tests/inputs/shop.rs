//! What every test here begins with: a project whose first release serves a page.

use std::{collections::BTreeSet, fs};

use wharf_tests::{Said, Tree, World, lines_obey_the_rules, obeys_the_rules};

/// The page of the first release.
pub(crate) const PAGE: (&str, &str) = ("index.html", "one\n");

/// A project on a host, and a work tree of it.
pub(crate) struct Shop<'world> {
    world: &'world World,
    pub(crate) tree: Tree<'world>,
    /// The first commit, which serves.
    good: String,
    /// What stands where builds and jobs leave nothing.
    left: BTreeSet<String>,
}

impl<'world> Shop<'world> {
    /// A shop whose first release serves [`PAGE`].
    pub(crate) fn open(world: &'world World) -> Shop<'world> {
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
    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.tree.path().join(name)
    }

    /// Commits and pushes what pre-receive must refuse; back at the good commit after it.
    #[track_caller]
    pub(crate) fn refused(&self) -> Said {
        self.tree.commit("Wrong");
        let said = self.tree.push(&["--force", "main"]).exits(1);
        lines_obey_the_rules(&said.transcript());
        self.unharmed(said, "nothing was changed.")
    }

    /// Commits and pushes what is accepted and must fail; back at the good commit after it.
    #[track_caller]
    pub(crate) fn failed(&self) -> Said {
        self.failed_saying("nothing was changed.")
    }

    /// The same, with what the last line says of the environment's data.
    #[track_caller]
    pub(crate) fn failed_saying(&self, changed: &str) -> Said {
        self.tree.commit("Wrong");
        let said = self.tree.push(&["--force", "main"]).ok();
        obeys_the_rules(&said.transcript());
        self.unharmed(said, changed)
    }

    /// Commits and pushes what must go live.
    #[track_caller]
    pub(crate) fn live(&self) -> Said {
        self.tree.commit("Right");
        let said = self.tree.push(&["--force", "main"]).ok().has("success: r");
        obeys_the_rules(&said.transcript());
        said
    }

    #[track_caller]
    fn unharmed(&self, said: Said, changed: &str) -> Said {
        let transcript = said.transcript();
        let last = transcript.lines().last().unwrap_or_default();
        assert_eq!(last, format!("main still serves r1; {changed}"), "{said}");
        assert!(transcript.contains("error: "), "{said}");
        assert!(transcript.contains("hint: "), "{said}");
        assert_eq!(self.tree.get("/").ok(), PAGE.1, "{said}");
        assert_eq!(left(self.world), self.left, "{said}");
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
        let entries = fs::read_dir(state.join(place)).unwrap();
        entries
            .map(|entry| format!("{place}/{}", entry.unwrap().file_name().display()))
            .collect::<Vec<_>>()
    };
    ["builds", "jobs"].into_iter().flat_map(names).collect()
}
