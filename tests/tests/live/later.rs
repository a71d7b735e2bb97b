//! Deployments that wait: for an approval, for a window, for a time of the day.

use serde_json::Value;
use wharf_tests::{Said, Tree, Watched, World, lines_obey_the_rules, run};
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::Activity;

use crate::app::{CONFIG, deployed, host};
use crate::restarts::wait_for_log;

/// An application, deployed once, whose production is declared with more words; each build counts.
fn shop<'w>(world: &'w World, policy: &str) -> Tree<'w> {
    let shop = deployed(world, "shop");
    let build = "build = \"echo built >> /cache/count\"\n";
    shop.write("wharf.toml", &format!("{build}{}", CONFIG.1));
    declare(world, policy);
    shop
}

fn declare(world: &World, policy: &str) {
    let file = world.home().join("config/projects.d/shop.toml");
    let repository = world.repository("shop");
    let text = format!(
        "repository = \"{}\"\ntimezone = \"UTC\"\n[environments.main]\ntype = \"production\"\n{policy}",
        repository.display()
    );
    std::fs::write(file, text).unwrap();
    world.wharf(&["reload"]).ok();
}

fn builds(world: &World) -> usize {
    let count = world
        .home()
        .join("state/caches/shop/protected/shared/count");
    std::fs::read_to_string(count).unwrap().lines().count()
}

/// Pushes another version, which is built and waits; returns the activity's id.
fn parked(shop: &Tree<'_>, version: &str) -> (String, Said) {
    shop.write("version", &format!("{version}\n"));
    shop.commit(version);
    let said = shop.push(&["main"]).ok().has("success: built; ");
    let text = said.transcript();
    lines_obey_the_rules(&text);
    let last = text.trim_end().lines().last();
    assert!(last.unwrap().starts_with("main still serves r"), "{text}");
    let id = text.split_once("Log: wharf log ").unwrap().1;
    (id.split_whitespace().next().unwrap().to_owned(), said)
}

/// Each time that somebody let an activity go on.
fn words_for(world: &World, id: &str) -> Vec<Activity> {
    let mut all = world.activities(Some("shop"), 1000).unwrap();
    all.retain(|one| {
        let named = one.reason.iter().any(|why| why.message.starts_with(id));
        one.kind == Kind::Approve && named
    });
    all
}

/// The only time.
#[track_caller]
fn the_word_for(world: &World, id: &str) -> Activity {
    let mut words = words_for(world, id);
    assert_eq!(words.len(), 1, "{words:?}");
    words.remove(0)
}

fn activity(shop: &Tree<'_>, id: &str) -> Value {
    let shown = shop.wharf(&["activity", "show", id, "--json"]).ok().out;
    serde_json::from_str(&shown).unwrap()
}

/// A window of a minute, three days from now.
pub(crate) fn far_away(world: &World) -> String {
    let mut date = world.command("date");
    let day = run(date.args(["-u", "-d", "+3 days", "+%a"]).env("LC_ALL", "C"));
    format!("{} 09:00-09:01", day.ok().out.trim())
}

#[test]
fn what_needs_an_approval_is_built_once_and_waits_for_it() {
    let world = World::new();
    let shop = shop(&world, "approve = true\n");
    let (first, said) = parked(&shop, "two");
    said.has(&format!("hint: an admin runs: wharf approve {first}"));
    assert_eq!(shop.get("/").ok(), "one\n");
    // Nothing is held up by it, and a newer push takes its place.
    shop.push(&["main:side"]).ok().has("side now serves r1.");
    let (second, _) = parked(&shop, "three");
    assert_eq!(activity(&shop, &first)["state"], "superseded");
    let listed = activity(&shop, &second);
    assert_eq!(
        (&listed["state"], &listed["reason"]["code"]),
        (&"waiting".into(), &"approval".into())
    );
    shop.wharf(&["activities"])
        .ok()
        .has("waits for approval")
        .lacks("waiting: waits");
    shop.wharf(&["approve", &first])
        .exits(6)
        .has("has ended: superseded");
    // A redeploy would deploy the same commit without it.
    let redeploy = shop
        .wharf(&["redeploy"])
        .ok()
        .has("built; waits for approval");
    let id = redeploy.err.split_once("wharf approve ").unwrap().1;
    let id = id.split_whitespace().next().unwrap();
    shop.wharf(&["cancel", id]).ok().has("before it went live");

    let built = builds(&world);
    world.kill_daemon();
    world.start();
    let approved = shop.wharf(&["activity", "approve", &second]).ok();
    approved
        .lacks("checkout")
        .has("approved by ")
        .has("main now serves r2 (was r1).");
    assert_eq!(shop.get("/").ok(), "three\n");
    assert_eq!(builds(&world), built, "it was built before");
    let listed = activity(&shop, &second);
    assert_eq!(listed["approved_by"], listed["actor"]["name"]);
    // Whose act that was is an activity of its own.
    let act = the_word_for(&world, &second);
    assert_eq!(act.state, State::Succeeded);
    assert_eq!(act.actor.name, listed["actor"]["name"]);
    assert_eq!(act.commit.new.as_deref(), listed["commit"]["new"].as_str());
    assert_eq!(act.reason.unwrap().message, format!("{second} is approved"));
    shop.wharf(&["activities"])
        .ok()
        .has("approve")
        .has(&format!("succeeded: {second} is approved"));
    wait_for_log(&world, "approve by ");
    shop.wharf(&["log", &act.id])
        .ok()
        .has("approved by ")
        .has(&format!("success: {second} is approved"))
        .has("main still serves r1.");
    shop.wharf(&["log"]).ok().lacks("is approved");
    shop.wharf(&["activity", "wait", &second])
        .ok()
        .has("main now serves r2");
    shop.wharf(&["approve", &second])
        .exits(6)
        .has("has ended: succeeded");
    the_word_for(&world, &second);

    // What serves, and what served, needs nobody.
    shop.wharf(&["redeploy"]).ok().has("main now serves r3");
    shop.wharf(&["rollback"]).ok().has("rolled back to r2");
}

#[test]
fn a_slug_that_is_gone_meanwhile_is_built_again() {
    let world = World::new();
    let shop = shop(&world, "approve = true\n");
    let (id, _) = parked(&shop, "two");
    let slugs = world.home().join("state/slugs");
    shop.sh(&format!("chmod -R u+w {0} && rm -r {0}/*", slugs.display()))
        .ok();
    let built = builds(&world);
    shop.wharf(&["approve", &id]).ok().has("main now serves r2");
    assert_eq!(shop.get("/").ok(), "two\n");
    assert_eq!(builds(&world), built + 1);
}

#[test]
fn a_window_is_waited_for_unless_somebody_says_now() {
    let world = World::new();
    let window = far_away(&world);
    let shop = shop(&world, &format!("deploy_window = \"{window}\"\n"));
    let (id, said) = parked(&shop, "two");
    said.has("success: built; goes live ")
        .has(&format!("(deploy window {window} UTC)"));
    assert_eq!(activity(&shop, &id)["reason"]["code"], "window");
    assert!(activity(&shop, &id)["due"].as_u64().is_some());
    shop.wharf(&["approve", &id])
        .exits(6)
        .has("waits for its deploy window, not for approval")
        .has(&format!(
            "hint: to deploy it without waiting: wharf approve {id} --now"
        ));
    assert!(words_for(&world, &id).is_empty());
    shop.wharf(&["approve", &id, "--now"])
        .ok()
        .has("main now serves r2 (was r1).");
    let said = the_word_for(&world, &id).reason.unwrap();
    assert_eq!(
        (said.code.as_str(), said.message),
        (
            "approved",
            format!("{id} goes live without waiting for its window")
        )
    );
    shop.wharf(&["redeploy"]).ok().has("built; goes live ");
    shop.wharf(&["redeploy", "--now"])
        .ok()
        .has("main now serves r3");
    // What people write counts at once. The redeploy that waits gives way to the push.
    let (_, _) = parked(&shop, "four");
    declare(&world, "");
    wait_for_log(&world, "main now serves r4");
    assert_eq!(shop.get("/").ok(), "four\n");
}

#[test]
fn what_is_due_goes_live_by_itself_also_under_another_daemon() {
    let world = World::new();
    let mut date = world.command("date");
    let later = run(date.args(["-u", "-d", "+5 hours", "+%H:%M"])).ok().out;
    let shop = shop(&world, &format!("deploy_at = \"{}\"\n", later.trim()));
    let (id, said) = parked(&shop, "two");
    said.has(&format!("(deploy time {} UTC)", later.trim()));
    world.kill_daemon();
    // As if its time came two seconds from now.
    let mut python = world.command("python3");
    let change = "import sqlite3, sys, time\n\
        store = sqlite3.connect(sys.argv[1])\n\
        due = int(time.time() * 1000) + 2000\n\
        changed = store.execute('UPDATE activity SET due = ? WHERE id = ?', (due, sys.argv[2]))\n\
        assert changed.rowcount == 1\n\
        store.commit()\n";
    let store = world.home().join("state/wharf.db");
    run(python.args(["-c", change]).arg(store).arg(&id)).ok();
    world.start();
    assert_eq!(activity(&shop, &id)["state"], "waiting");
    shop.wharf(&["activity", "wait", &id])
        .ok()
        .has("main now serves r2 (was r1).");
    assert_eq!(world.get(&host("shop"), "/").ok(), "two\n");
}

#[test]
fn what_waits_survives_every_death() {
    let world = World::new();
    let shop = shop(&world, "approve = true\n");
    let points = [
        ("record parking: before", false),
        ("record parking: after", false),
        ("record going on: before", true),
        ("record going on: after", true),
    ];
    for (serves, (point, approving)) in (1..).zip(points) {
        let id = match approving {
            true => {
                let (id, _) = parked(&shop, point);
                world.freeze_at(point);
                let approve = Watched::wharf(&shop, &["approve", &id]);
                world.wait_until_frozen();
                world.kill_daemon();
                approve.end();
                id
            }
            false => {
                shop.write("version", &format!("{point}\n"));
                shop.commit(point);
                world.freeze_at(point);
                let mut push = Watched::push(&shop, &["main"]);
                push.until("Log: wharf log ");
                let id = push.id();
                world.wait_until_frozen();
                world.kill_daemon();
                push.end();
                id
            }
        };
        world.start();
        if point == "record parking: before" {
            Watched::wharf(&shop, &["log", "--follow", &id]).until("success: built; waits");
        }
        // By the last of them somebody's word is recorded: it goes on by itself.
        if point != "record going on: after" {
            shop.wharf(&["approve", &id]).ok();
        }
        let serves_now = format!("main now serves r{} (was r{serves}).", serves + 1);
        shop.wharf(&["activity", "wait", &id]).ok().has(&serves_now);
        assert_eq!(shop.get("/").ok(), format!("{point}\n"));
        let listed = activity(&shop, &id);
        assert_eq!(listed["approved_by"], listed["actor"]["name"], "{point}");
        the_word_for(&world, &id);
    }
    let built = builds(&world);
    assert_eq!(built, 4, "each once");
}

/// Redeploys, which waits; returns the activity's id.
fn redeployed(shop: &Tree<'_>) -> String {
    let said = shop
        .wharf(&["redeploy"])
        .ok()
        .has("built; waits for approval");
    let id = said.err.split_once("Log: wharf log ").unwrap().1;
    id.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn who_approves_a_redeploy_lets_no_other_commit_go_live() {
    let world = World::new();
    let shop = shop(&world, "approve = true\n");
    parked(&shop, "seen");
    let redeploy = redeployed(&shop);
    let (unseen, _) = parked(&shop, "unseen");
    shop.wharf(&["approve", &redeploy])
        .exits(6)
        .has(&format!("{redeploy} has ended: superseded"));
    assert_eq!(shop.get("/").ok(), "one\n");

    // Nor does a word that is recorded when the branch moves and nobody is there.
    let again = redeployed(&shop);
    world.freeze_at("record going on: after");
    let approve = Watched::wharf(&shop, &["approve", &again]);
    world.wait_until_frozen();
    world.kill_daemon();
    approve.end();
    shop.write("version", "behind its back\n");
    shop.commit("Behind its back");
    let repository = world.repository("shop");
    shop.sh(&format!(
        "git fetch --quiet . && git -C {0} fetch --quiet $PWD main && \
         git -C {0} update-ref refs/heads/main FETCH_HEAD",
        repository.display()
    ))
    .ok();
    world.start();
    shop.wharf(&["activity", "wait", &unseen]).exits(3);
    let newest = world.activities(Some("shop"), 1).unwrap().remove(0);
    assert_eq!(newest.commit.subject, "Behind its back");
    Watched::wharf(&shop, &["log", "--follow", &newest.id]).until("success: built; waits");
    let said = shop.wharf(&["activity", "show", &again, "--json"]).ok();
    let again: Value = serde_json::from_str(&said.out).unwrap();
    assert_ne!(again["state"], "succeeded", "{said}");
    assert_eq!(shop.get("/").ok(), "one\n");
    shop.wharf(&["approve", &newest.id]).ok();
    assert_eq!(shop.get("/").ok(), "behind its back\n");
}
