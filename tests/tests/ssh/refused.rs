//! Pushes that are refused, and people who are.

use wharf_tests::{Sshd, World, lines_obey_the_rules, run};

use crate::laptop::{PAGE, on_every_git, on_one_git, reads_as};

#[test]
fn every_reason_is_given() {
    on_every_git(&[PAGE], |_, shop| {
        shop.push(&["main"]).ok();
        shop.write(
            "wharf.toml",
            "pubic = \"out\"\n\n[web]\nstrat = \"node .\"\n\n[deploy]\nhealth = { path = \"health\", within = \"1 day\" }\n",
        );
        shop.write("index.html", "two\n");
        shop.commit("Mistakes");
        let said = shop.push(&["main"]).exits(1);
        let text = said.transcript();
        lines_obey_the_rules(&text);
        reads_as("refused", &text);
        for reason in ["pubic", "strat", "^"] {
            assert!(text.contains(reason), "{reason}\n{text}");
        }
        let last = text.lines().last().unwrap();
        assert_eq!(last, "main still serves r1; nothing was changed.");
        assert_eq!(shop.get("/").ok(), "one\n");
    });
}

#[test]
fn a_first_push_may_be_refused_too() {
    on_one_git(&[PAGE, ("wharf.toml", "public = 7\n")], |_, shop| {
        let text = shop.push(&["main"]).exits(1).transcript();
        lines_obey_the_rules(&text);
        reads_as("refused first push", &text);
    });
}

#[test]
fn a_branch_that_cannot_be_an_environment() {
    on_one_git(&[PAGE], |_, shop| {
        for branch in ["-rf", "a\u{a0}b", "f\u{f6}hn", "a;b", "$(id)"] {
            let refspec = format!("HEAD:refs/heads/{branch}");
            let text = shop.push(&[&refspec]).exits(1).transcript();
            lines_obey_the_rules(&text);
            assert!(text.starts_with("error: "), "{text}");
            assert!(text.contains("\nhint: rename it"), "{text}");
        }
        // Two at once: each is named.
        let text = shop
            .push(&["HEAD:refs/heads/a;b", "HEAD:refs/heads/c;d"])
            .exits(1)
            .transcript();
        reads_as("refused names", &text);
    });
}

#[test]
fn a_stranger_is_not_let_in_and_nobody_gets_a_shell() {
    let world = World::new();
    let sshd = Sshd::start(&world);
    let mut shop = world.site("shop", &[PAGE]);
    shop.init();
    let eve = sshd.stranger("eve");
    sshd.give(&eve, &mut shop, "shop");
    shop.push(&["main"]).exits(128).has("Permission denied");

    let ada = sshd.admit("ada");
    sshd.give(&ada, &mut shop, "shop");
    let (host, port) = ada
        .host
        .strip_prefix("ssh://")
        .and_then(|host| host.rsplit_once(':'))
        .unwrap();
    let ssh = |command: &str| {
        let line = format!("{} -p {port} {host} {command}", ada.ssh);
        run(shop.command("sh").args(["-c", &line]))
    };
    ssh("").ok().has("Hello ada!");
    for command in [
        "id",
        "sh",
        "wharf key list",
        "wharf doctor",
        "\"git-upload-pack /etc; id\"",
        "\"git receive-pack --help\"",
        "'sh -c id'",
    ] {
        let said = ssh(command).exits(6).has("error: ");
        assert_eq!(said.out, "", "{said}");
    }
    // A key opens what wharf asks, and says whose it is.
    shop.push(&["main"]).ok();
    shop.wharf(&["activities", "--json"]).ok().has("\"ada\"");
    // A key that was taken away opens nothing.
    let keys = world.path("sshd/authorized_keys");
    run(world
        .command("wharf")
        .args(["key", "remove", "ada", "--authorized-keys"])
        .arg(&keys))
    .ok();
    ssh("wharf status").exits(255);
}
