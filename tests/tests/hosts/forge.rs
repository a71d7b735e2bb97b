//! Moves of branches that Wharf makes itself, on a git host: by a real push of Wharf's own account,
//! which the host's rules hold for and its hooks see.

use std::fs;

use wharf_tests::{Gitolite, Tree, World};

use crate::house::{PAGE, add, declare, executable, newest, page};

const RULES: &str = "\nrepo shop\n    RW+ =   ada\n    RW main = wharf\n    \
    RW idea = wharf\n    RW release = wharf\n    -   protected = wharf\n    RW+ = wharf\n";
/// What a host might do with each push: tell its database.
const DATABASE: &str =
    "#!/bin/sh\nwhile read old new ref; do echo \"$GL_USER $ref $new\" >>$HOME/database; done\n";

struct Forge<'w> {
    world: &'w World,
    gitolite: Gitolite<'w>,
    shop: Tree<'w>,
}

impl<'w> Forge<'w> {
    fn new(world: &'w World) -> Forge<'w> {
        let (gitolite, admin) = Gitolite::start(world, "ada");
        let wharf = gitolite.admit(&admin, "wharf");
        let rules = fs::read_to_string(admin.path().join("conf/gitolite.conf")).unwrap();
        admin.write("conf/gitolite.conf", &format!("{rules}{RULES}"));
        gitolite.apply(&admin);
        let repository = gitolite.repository("shop");
        executable(&repository.join("hooks/post-receive"), DATABASE);
        add(world, &repository);
        let push = format!(
            "[push]\nremote = \"{}/shop\"\nssh_command = \"{}\"\n",
            wharf.host, wharf.ssh
        );
        declare(world, &push);
        let mut shop = world.site("shop", &[PAGE]);
        gitolite.give(&gitolite.laptop("ada"), &mut shop, "wharf", "shop");
        Forge {
            world,
            gitolite,
            shop,
        }
    }

    fn database(&self) -> Vec<String> {
        let text = fs::read_to_string(self.gitolite.home().join("database")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// As somebody on the host asks, who is its operator.
    fn wharf(&self, words: &[&str]) -> wharf_tests::Said {
        self.world
            .wharf(&[&["--here", "--project", "shop"], words].concat())
    }

    fn tip(&self, branch: &str) -> String {
        let said = self
            .shop
            .git(&["ls-remote", "wharf", &format!("refs/heads/{branch}")]);
        said.ok().out.chars().take(40).collect()
    }
}

#[test]
fn the_host_sees_what_wharf_merges_branches_and_deletes() {
    let world = World::new();
    let forge = Forge::new(&world);
    forge.shop.push(&["main", "main:idea"]).ok();
    forge.shop.write("index.html", "two\n");
    forge.shop.commit("two");
    forge.shop.push(&["main:idea"]).ok();
    forge
        .shop
        .git(&["reset", "--quiet", "--hard", "HEAD^"])
        .ok();
    forge.shop.write("other.html", "three\n");
    forge.shop.commit("three");
    forge.shop.push(&["main"]).ok();
    let before = forge.database().len();

    // A merge that makes a commit.
    forge
        .wharf(&["merge", "-e", "idea"])
        .ok()
        .has("main now serves");
    assert_eq!(page(&world), "two\n");
    let merged = forge.tip("main");
    let told = forge.database().split_off(before);
    assert_eq!(told, [format!("wharf refs/heads/main {merged}")]);
    // It is recorded once, as what it is and whose it is, not as a push of that account.
    let (who, by, kind) = newest(&world);
    assert_eq!((by.as_str(), kind.as_str()), ("uid", "merge"), "{who}");
    let words = ["--json", "activities"];
    let all: serde_json::Value = serde_json::from_str(&forge.wharf(&words).ok().out).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 5, "{all}");

    // A new branch, one that moves forward, and one that goes.
    forge.wharf(&["branch", "release", "-e", "main"]).ok();
    let created = forge.database().pop().unwrap();
    assert_eq!(created, format!("wharf refs/heads/release {merged}"));
    forge.wharf(&["sync", "code", "-e", "idea"]).ok();
    let synced = forge.database().pop().unwrap();
    assert_eq!(synced, format!("wharf refs/heads/idea {merged}"));
    forge.wharf(&["delete", "-e", "release"]).ok();
    let gone = forge.database().pop().unwrap();
    assert_eq!(gone, format!("wharf refs/heads/release {}", "0".repeat(40)));
    assert_eq!(forge.tip("release"), "");
    let log = world.logs();
    assert!(!log.contains("bell did not ring"), "{log}");
}

#[test]
fn what_the_host_refuses_does_not_happen_and_is_said() {
    let world = World::new();
    let forge = Forge::new(&world);
    forge.shop.push(&["main"]).ok();
    let before = forge.database();
    let said = forge.wharf(&["branch", "protected", "-e", "main"]).exits(6);
    said.has("the git host refuses it")
        .has("DENIED by refs/heads/protected");
    assert_eq!(
        (forge.tip("protected").as_str(), forge.database()),
        ("", before)
    );
    let code = forge
        .wharf(&["branch", "protected", "-e", "main", "--json"])
        .exits(6);
    code.has("\"host-refuses\"");

    // Nobody there: it says so, and nothing is left half done.
    let file = world.home().join("config/projects.d/shop.toml");
    let text = fs::read_to_string(&file).unwrap();
    let (start, _) = text.split_once("[push]").unwrap();
    fs::write(
        &file,
        format!("{start}[push]\nremote = \"file:///nowhere\"\n"),
    )
    .unwrap();
    world.wharf(&["reload"]).ok();
    let said = forge
        .wharf(&["branch", "later", "-e", "main", "--json"])
        .exits(6);
    said.has("\"host-unreachable\"")
        .has("does not appear to be a git repository");
    assert_eq!(forge.tip("later"), "");
}

/// The branch that follows production is the host's to know of, too.
#[test]
fn the_host_sees_the_mirror_of_production() {
    let world = World::new();
    let forge = Forge::new(&world);
    let file = world.home().join("config/projects.d/shop.toml");
    let text = fs::read_to_string(&file).unwrap();
    let production = "type = \"production\"\n";
    let mirrored = format!("{production}mirror_to = \"stable\"\n");
    fs::write(&file, text.replacen(production, &mirrored, 1)).unwrap();
    world.wharf(&["reload"]).ok();
    forge.shop.push(&["main"]).ok().has("stable is at");
    let tip = forge.tip("stable");
    assert_eq!(tip, forge.tip("main"));
    assert!(
        forge
            .database()
            .contains(&format!("wharf refs/heads/stable {tip}"))
    );
    forge
        .shop
        .git(&["commit", "--quiet", "--amend", "--message", "Again"])
        .ok();
    forge
        .shop
        .push(&["--force", "main"])
        .ok()
        .has("stable is at");
    assert_eq!(forge.tip("stable"), forge.tip("main"));
}
