//! One push of `examples/shop` through every step, and what the next ones do otherwise. `docs/shop.md`
//! tells it with what the developer read.

use std::fs;

use wharf_tests::World;

use crate::laptop::reads_as;
use crate::story::Story;

#[test]
fn every_step_of_a_push_is_explained() {
    let world = World::new();
    let mut story = Story::of(&world, world.example("shop", "shop"), &["dan"]);
    story.chapter("The first push installs", "dan");
    story
        .types("git push wharf main", 0)
        .has("installed with 3 products")
        .has("main now serves r1.");

    story.chapter("What runs beside the pages", "dan");
    story
        .types("wharf crons run rank", 0)
        .has("Storm lamp: 0 sold");
    story.types(
        "echo 'SELECT sku, net, sold FROM product' | wharf db shell database",
        0,
    );

    story.chapter("A change of the code is not noticed", "dan");
    change(&story, "pub/index.php", "Into the cart", "Add");
    story
        .types("git push wharf main", 0)
        .has("maintenance not needed")
        .has("main now serves r2");

    story.chapter("A migration lets visitors wait", "dan");
    story.shop.write(
        "migrations/003-notes.sql",
        "CREATE TABLE IF NOT EXISTS note (text TEXT);\n",
    );
    story.shop.commit("Notes");
    story
        .types("git push wharf main", 0)
        .has("requests wait 30s")
        .has("main now serves r3");

    story.chapter("A migration that fails leaves what served", "dan");
    let broken = "migrations/004-broken.sql";
    story.shop.write(
        broken,
        "ALTER TABLE sale ADD COLUMN IF NOT EXISTS note TEXT;\nALTER TABLE sale ADD COLUMN total INT;\n",
    );
    story.shop.commit("More notes");
    story
        .types("git push wharf main", 0)
        .has("stopped invoices while commands run")
        .has("main still serves r3");
    story.shop.git(&["rm", "--quiet", broken]).ok();

    story.chapter("Static content without its committed configuration", "dan");
    story.types(
        "git rm --quiet config/shop.php && git commit --quiet -m 'Ask the database'",
        0,
    );
    story
        .types("git push wharf main", 0)
        .has("config/shop.php is not committed")
        .has("main now serves r5");

    let file = world.home().join("config/projects.d/shop.toml");
    let said = fs::read_to_string(&file).unwrap();
    let scrub = "\n[data]\nsanitize = \"php bin/scrub\"\n";
    fs::write(&file, format!("{said}{scrub}")).unwrap();
    world.wharf(&["reload"]).ok();
    story.chapter("A branch begins with what production has, scrubbed", "dan");
    story
        .types("wharf branch summer main", 0)
        .has("hid who made 0 orders")
        .has("it begins with main's data")
        .lacks("sample orders")
        .has("summer now serves r1.");

    story.chapter("A failing check changes nothing", "dan");
    change(
        &story,
        "pub/index.php",
        "$note = '';",
        "$path === '/cart' && exit; $note = '';",
    );
    story
        .types("git push wharf main", 0)
        .has("main still serves r5");
    reads_as("shop", &story.told);
}

fn change(story: &Story<'_>, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(story.shop.path().join(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    story.shop.write(file, &text.replace(from, to));
    story.shop.commit(&format!("Change {file}"));
}
