//! A host with one account for several people, in roles.

use std::fs;

use wharf_tests::{Said, Sshd, Tree, World, lines_obey_the_rules};

use crate::laptop::PAGE;

/// main (production) <- staging <- everything else; `master` follows main.
pub(crate) const TREE: &str = r#"
[environments.production]
branch = "main"
type = "production"
mirror_to = "master"
[environments.staging]
branch = "staging"
parent = "production"
type = "staging"
[environments."*"]
parent = "staging"
type = "development"
[roles]
"olga" = "admin"
"dan" = { staging = "contributor", development = "contributor", production = "viewer" }
"#;
/// Sees development only.
pub(crate) const VERA: &str = "\"vera\" = { development = \"viewer\" }\n";

/// A host with one account, and the same work tree on everybody's laptop.
pub(crate) struct House<'w> {
    pub(crate) world: &'w World,
    pub(crate) sshd: Sshd<'w>,
    pub(crate) shop: Tree<'w>,
}

impl<'w> House<'w> {
    pub(crate) fn new(world: &'w World, roles: &str) -> House<'w> {
        let sshd = Sshd::start(world);
        let shop = world.site("shop", &[PAGE]);
        shop.init();
        let house = House { world, sshd, shop };
        house.declare(&format!("{TREE}{roles}"));
        house
    }

    pub(crate) fn declare(&self, text: &str) {
        let file = self.world.home().join("config/projects.d/shop.toml");
        let repository = self.world.repository("shop");
        let text = format!("repository = \"{}\"\n{text}", repository.display());
        fs::write(file, text).unwrap();
        self.world.wharf(&["reload"]).ok();
    }

    /// From now on the work tree is that person's.
    pub(crate) fn is(&mut self, person: &str) {
        let laptop = match self.world.path(&format!("sshd/{person}.conf")).exists() {
            true => self.sshd.laptop(person),
            false => self.sshd.admit(person),
        };
        self.sshd.give(&laptop, &mut self.shop, "shop");
    }

    pub(crate) fn change(&self, text: &str) {
        self.shop.write("index.html", text);
        self.shop.commit(text.trim());
    }

    pub(crate) fn tip(&self, branch: &str) -> String {
        let said = self
            .shop
            .git(&["ls-remote", "wharf", &format!("refs/heads/{branch}")]);
        said.ok().out.chars().take(40).collect()
    }

    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str], reasons: &[&str]) -> Said {
        let said = self.shop.push(words).exits(1);
        let text = said.transcript();
        lines_obey_the_rules(&text);
        let flat = text.replace("\n  ", " ");
        assert_eq!(flat.matches("error: ").count(), reasons.len(), "{text}");
        for reason in reasons {
            assert!(
                flat.contains(&format!("error: {reason}")),
                "{reason}\n{text}"
            );
        }
        said
    }
}
