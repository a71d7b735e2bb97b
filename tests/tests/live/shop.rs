//! `examples/shop`: it sells through every kind of change, and after each that fails.

use std::fs;
use std::time::Instant;

use wharf_tests::{Tree, Visitor, World, pause};

use crate::app::host;
use crate::load::visited;

/// Gross, as the patch of VAT's rounding makes it; without it a cent less.
const PRICE: &str = "Buoy: 59.49 EUR";
/// The cart of somebody who comes again and again.
const CART: &str = "cart=0123456789abcdef0123456789abcdef";

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

/// Somebody buys a buoy and a rope: the page, the cart, and an order that the database takes; returns its number.
#[track_caller]
fn sells(world: &World, shop: &Tree<'_>) -> u32 {
    let page = shop.get("/").ok();
    assert!(page.contains(PRICE), "{page}");
    buys(world, "main", &["buoy", "rope", "rope"], "Total: 89.25 EUR")
}

#[track_caller]
fn buys(world: &World, environment: &str, skus: &[&str], total: &str) -> u32 {
    let (visitor, host) = (
        Visitor::new(world.port()),
        format!("{environment}--shop.localhost"),
    );
    let headers = [
        ("Cookie", CART),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    let post = |path: &str, form: &str| {
        visitor
            .post_with(&host, path, form.as_bytes(), &headers)
            .unwrap()
    };
    for sku in skus {
        assert_eq!(post("/cart", &format!("sku={sku}")).status, 303);
    }
    let cart = visitor.get_with(&host, "/cart", &headers).unwrap().ok();
    assert!(cart.contains(total), "{cart}");
    let order = post("/order", "email=ada@example.com").ok();
    let number = order.split("<p>Order ").nth(1).and_then(|rest| {
        let digits = rest.split('<').next()?;
        digits.parse().ok()
    });
    assert_eq!(post("/order", "email=ada@example.com").status, 422, "again");
    number.unwrap_or_else(|| panic!("{order}"))
}

/// Waits for the invoice that a worker writes.
fn invoice(world: &World, environment: &str, number: u32) -> String {
    let mounts = world.home().join("state/mounts/shop").join(environment);
    let name = format!("{number:06}.txt");
    let began = Instant::now();
    loop {
        for mount in fs::read_dir(&mounts).unwrap() {
            if let Ok(text) = fs::read_to_string(mount.unwrap().path().join(&name)) {
                return text;
            }
        }
        assert!(began.elapsed() < wharf_tests::LIMIT, "there is no {name}");
        pause();
    }
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
    let number = sells(world, shop);
    invoice(world, "main", number);
    said.unwrap()
}

fn change(shop: &Tree<'_>, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(shop.path().join(file)).unwrap();
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
    let settings = fs::read_to_string(shop.path().join("config/shop.php")).unwrap();
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
        "CREATE TABLE IF NOT EXISTS note (text TEXT);\n",
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
        "CREATE TABLE IF NOT EXISTS note (text TEXT);\nALTER TABLE sale ADD COLUMN total INT;\n",
    );
    push(&world, &shop, "A migration that fails")
        .has("003-broken.sql: SQLSTATE[42S21]: Column already exists: 1060 Duplicate column name 'total'")
        .has("lifted; it was on for")
        .has("stopped invoices while commands run")
        .has("data may have changed in database, redis, invoices, var")
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

#[test]
fn it_works_beside_its_pages_and_each_environment_for_itself() {
    let world = World::new();
    let shop = installed(&world);
    let number = sells(&world, &shop);
    assert!(invoice(&world, "main", number).contains("  2 Rope, 10 m"));
    // Where everybody sells, nothing is sampled.
    shop.wharf(&["seed"])
        .exits(3)
        .has("no sample data for production");
    let front = |environment: &str| {
        let page = world.get(&format!("{environment}--shop.localhost"), "/");
        let page = page.ok();
        page.find("Rope").unwrap() < page.find("Buoy").unwrap()
    };
    assert!(!front("main"), "by name");
    shop.wharf(&["crons", "run", "rank"])
        .ok()
        .has("Rope, 10 m: 2 sold\n")
        .has("Buoy: 1 sold\n");
    shop.wharf(&["crons"]).ok().has("rank").has("succeeded");
    assert!(front("main"), "by what was sold");

    shop.push(&["main:feature"])
        .ok()
        .has("installed with 3 products")
        .has("3 sample orders");
    assert!(invoice(&world, "feature", 3).contains("cleo@example.com"));
    assert!(!front("feature"), "nothing was counted there");
    // A cart stays over releases and a restart, and is nobody else's.
    let line = "echo keys cart:* | wharf db shell redis";
    assert_eq!(shop.sh(line).ok().out.trim(), "");
    let number = buys(&world, "feature", &["lamp"], "Total: 35.64 EUR");
    assert_eq!(number, 4);
    shop.sh("echo 'SELECT COUNT(*) FROM sale' | wharf db shell database")
        .ok()
        .has("1");
}
