//! The story that Wharf is made for, as three people live it: branch from integration, push, merge to
//! integration and to staging, promote to production, which `master` follows; and what is refused on
//! the way. `docs/story.md` tells it with what they read.

use std::fs;

use wharf_tests::{Page, Said, Sshd, Tree, World};

use crate::laptop::{PAGE, reads_as};

/// Development -> Staging -> Production, as the operator declares it.
const POLICY: &str = r#"
plan = "starter"
[environments.production]
branch    = "production"
type      = "production"
accept    = "merge"
mirror_to = "master"
[environments.staging]
branch = "staging"
parent = "production"
type   = "staging"
[environments.integration]
branch = "integration"
parent = "staging"
[environments."*"]
parent = "integration"
[roles]
olga = "admin"
dan  = { production = "viewer", staging = "contributor", development = "contributor" }
vera = "viewer"
"#;

/// A host, one account, a laptop that goes from hand to hand; and what was said.
pub(crate) struct Story<'w> {
    pub(crate) world: &'w World,
    sshd: Sshd<'w>,
    pub(crate) shop: Tree<'w>,
    pub(crate) told: String,
}

impl<'w> Story<'w> {
    fn begin(world: &'w World) -> Story<'w> {
        let story = Story::of(world, world.site("shop", &[PAGE]), &["olga", "dan", "vera"]);
        let file = world.home().join("config/projects.d/shop.toml");
        let said = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{said}{POLICY}")).unwrap();
        world.wharf(&["reload"]).ok();
        story
    }

    /// One about a project that nobody has pushed yet, with a laptop for each person.
    pub(crate) fn of(world: &'w World, shop: Tree<'w>, people: &[&str]) -> Story<'w> {
        let sshd = Sshd::start(world);
        shop.init();
        for person in people {
            sshd.admit(person);
        }
        Story {
            world,
            sshd,
            shop,
            told: String::new(),
        }
    }

    /// Another chapter, and whose laptop it is.
    pub(crate) fn chapter(&mut self, title: &str, person: &str) {
        let laptop = self.sshd.laptop(person);
        self.sshd.give(&laptop, &mut self.shop, "shop");
        self.told.push_str(&format!("# {title} ({person})\n\n"));
    }

    /// Types a line, and keeps what comes of it.
    #[track_caller]
    pub(crate) fn types(&mut self, line: &str, code: i32) -> Said {
        let said = self.shop.sh(line).exits(code);
        self.told.push_str(&format!("$ {line}\n"));
        match said.transcript() {
            hooks if hooks.is_empty() => self.told.push_str(&format!("{}{}", said.out, said.err)),
            hooks => self.told.push_str(&hooks),
        }
        self.told.push('\n');
        said
    }

    /// A change, committed.
    fn changes(&self, file: &str, text: &str) {
        self.shop.write(file, text);
        self.shop.commit(&format!("Change {file}"));
    }

    fn page(&self, environment: &str) -> Page {
        let host = format!("{environment}--shop.localhost");
        self.world.get(&host, "/")
    }

    fn tip(&self, branch: &str) -> Option<String> {
        self.world.tips("shop").remove(branch)
    }
}

#[test]
fn from_a_feature_to_production() {
    let world = World::new();
    let mut story = Story::begin(&world);

    story.chapter("The tree begins", "olga");
    for branch in ["production", "staging", "integration"] {
        let line = format!("git push wharf main:{branch}");
        story
            .types(&line, 0)
            .has(&format!("{branch} now serves r1"));
    }
    assert_eq!(story.tip("master"), story.tip("production"), "the mirror");

    story.chapter("A feature", "dan");
    story.types("wharf branch cart integration --title 'A cart'", 0);
    story.types("git fetch --quiet wharf && git switch --quiet cart", 0);
    story.changes("index.html", "two\n");
    story
        .types("git push wharf cart", 0)
        .has("cart now serves r2");
    assert_eq!(story.page("cart").ok(), "two\n");
    assert_eq!(story.page("integration").ok(), "one\n");
    story
        .types("wharf merge", 0)
        .has("integration now serves r2");
    story
        .types("wharf merge -e integration", 0)
        .has("staging now serves r2");
    assert_eq!(story.page("staging").ok(), "two\n");

    story.chapter("To production", "olga");
    story
        .types("wharf promote -e staging", 0)
        .has("production now serves r2 (was r1)");
    assert_eq!(story.page("production").ok(), "two\n");
    assert_eq!(story.tip("production"), story.tip("cart"));
    assert_eq!(story.tip("master"), story.tip("production"), "the mirror");
    story.types("wharf environments", 0).has("A cart");

    refused(&mut story);
    reads_as("story", &story.told);
}

/// What nobody may, and what not everybody may.
fn refused(story: &mut Story<'_>) {
    let before = story.world.tips("shop");
    story.chapter("What is refused", "olga");
    story.changes("index.html", "three\n");
    story
        .types("git push wharf cart:production", 1)
        .has("takes");
    story
        .types("wharf branch hotfix master", 6)
        .has("nobody branches from it");
    story
        .types("wharf delete -e production", 6)
        .has("is production");
    story
        .types("wharf sync data -e production", 6)
        .has("data never goes up");

    story.chapter("What a viewer may", "vera");
    story
        .types("git push wharf cart:integration", 1)
        .has("vera may not push to integration");
    story.types("wharf merge -e integration", 6);
    assert_eq!(story.world.tips("shop"), before, "nothing moved");

    story.chapter("Two changes of one line", "dan");
    story.types("git push --quiet wharf cart", 0);
    story.types("git switch --quiet -c other wharf/integration", 0);
    story.changes("index.html", "another\n");
    // Four live already, with production: that is the plan.
    story
        .types("git push wharf other", 0)
        .has("4 of 4 environments are active on plan starter");
    assert_eq!(story.page("other").status, 404);
    story.types("wharf merge -e cart", 0);
    let integration = story.tip("integration");
    story
        .types("wharf merge -e other", 6)
        .has("index.html")
        .has("nothing was changed");
    assert_eq!(story.tip("integration"), integration);
    story.types("wharf delete -e cart", 0);
    story
        .types("wharf activate -e other", 0)
        .has("other now serves r1");
}
