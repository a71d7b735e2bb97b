//! `examples/shop`: it sells through every kind of change, and after each that fails.

use wharf_tests::{Tree, Visitor, World};

use crate::app::host;
use crate::load::visited;

/// Gross, as the patch of VAT's rounding makes it; without it a cent less.
const PRICE: &str = "Buoy: 59.49 EUR";

/// The shop, deployed once: installed, with its static content made in the build.
fn installed(world: &World) -> Tree<'_> {
    let shop = world.example("shop", "shop");
    shop.init().ok();
    let said = shop.push(&["main"]).ok().has("main now serves r1.");
    said.has("  patches    1 applied")
        .has("  install    php bin/install")
        .has("installed with 3 products")
        .has("static content for 2 of 2 languages")
        .lacks("maintenance")
        .lacks("in the deploy");
    shop
}

/// Somebody buys: the page, and an order that the database takes.
#[track_caller]
fn sells(world: &World, shop: &Tree<'_>) {
    let page = shop.get("/").ok();
    assert!(page.contains(PRICE), "{page}");
    let visitor = Visitor::new(world.port());
    let order = visitor.post(&host("shop"), "/order", b"").unwrap().ok();
    assert!(order.contains("<p>Order "), "{order}");
}

/// Pushes while somebody goes through the shop all the time, who notices nothing.
#[track_caller]
fn push(world: &World, shop: &Tree<'_>, what: &str) -> wharf_tests::Said {
    shop.commit(what);
    let mut said = None;
    let seen = visited(world.port(), &host("shop"), || {
        said = Some(shop.push(&["main"]));
    });
    for (status, page) in &seen {
        assert!(
            *status == 200 && page.contains(PRICE),
            "{what}: {status} {page}"
        );
    }
    sells(world, shop);
    said.unwrap()
}

fn change(shop: &Tree<'_>, file: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(shop.path().join(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    shop.write(file, &text.replace(from, to));
}

#[test]
fn it_sells_through_each_change() {
    let world = World::new();
    let shop = installed(&world);
    sells(&world, &shop);
    assert!(shop.get("/static/de/style.css").ok().contains("de */"));

    // What somebody set in the environment becomes code, as the README says.
    shop.sh("wharf run -e main php bin/config-dump > config/shop.php")
        .ok();
    let settings = std::fs::read_to_string(shop.path().join("config/shop.php")).unwrap();
    assert!(settings.starts_with("<?php"), "{settings}");
    shop.git(&["diff", "--exit-code", "config/shop.php"]).ok();
    shop.wharf(&["run", "php", "bin/migrate", "--status"]).ok();

    change(&shop, "pub/index.php", "Into the cart", "Add");
    push(&world, &shop, "Code only")
        .ok()
        .has("  maintenance not needed")
        .lacks("lifted")
        .has("main now serves r2 (was r1).");

    change(&shop, "themes/harbour/style.css", "#0a6", "#048");
    push(&world, &shop, "Static content, its configuration committed")
        .ok()
        .lacks("in the deploy")
        .has("main now serves r3 (was r2).");
    assert!(shop.get("/static/en/style.css").ok().contains("#048"));

    shop.git(&["rm", "--quiet", "config/shop.php"]).ok();
    change(&shop, "themes/harbour/style.css", "#048", "#840");
    push(
        &world,
        &shop,
        "Static content, its configuration not committed",
    )
    .ok()
    .has("in the deploy: config/shop.php is not committed")
    .has("hint: commit config/shop.php")
    .has("main now serves r4 (was r3).");
    assert!(shop.get("/static/en/style.css").ok().contains("#840"));

    shop.write(
        "migrations/003-notes.sql",
        "CREATE TABLE note (text TEXT) STRICT;\n",
    );
    push(&world, &shop, "A migration")
        .ok()
        .has("requests wait 30s")
        .has("migrated to 3")
        .has("lifted; it was on for")
        .has("main now serves r5 (was r4).");
}

#[test]
fn it_sells_after_each_failure() {
    let world = World::new();
    let shop = installed(&world);

    let patch = "m2-hotfixes/002-free.patch";
    let text = "--- a/lib/Price.php\n+++ b/lib/Price.php\n@@ -7,3 +7,3 @@\n {\n-    private const VAT = 7;\n+    private const VAT = 0;\n \n";
    shop.write(patch, text);
    push(&world, &shop, "A patch that does not apply")
        .has(patch)
        .has("lib/Price.php")
        .has("main still serves r1; nothing was changed.");
    shop.git(&["rm", "--quiet", patch]).ok();

    let migration = "migrations/003-broken.sql";
    shop.write(
        migration,
        "CREATE TABLE note (text TEXT) STRICT;\nSELECT nonsense;\n",
    );
    push(&world, &shop, "A migration that fails")
        .has("no such column: nonsense")
        .has("lifted; it was on for")
        .has("data may have changed in")
        .has("main still serves r1; deploy commands may have changed its data.");
    shop.git(&["rm", "--quiet", migration]).ok();

    change(
        &shop,
        "pub/index.php",
        "$note = '';",
        "$path === '/cart' && exit; $note = '';",
    );
    push(&world, &shop, "A check that fails")
        .has("error: check 1 of 2 failed (checkout)")
        .has("main still serves r1");
    change(&shop, "pub/index.php", "$path === '/cart' && exit; ", "");
    push(&world, &shop, "All mended")
        .ok()
        .has("main now serves r");
}
