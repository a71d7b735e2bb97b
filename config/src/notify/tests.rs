use std::fs;

use super::*;
use crate::{host::Host, place::Place};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn host(text: &str) -> Result<Host, String> {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::below(dir.path());
    fs::create_dir_all(place.drop_ins_dir()).unwrap();
    fs::write(place.host_file(), text).unwrap();
    Host::load(&place).map_err(|problems| problems.render(100))
}

#[test]
fn destinations_are_read_and_nothing_secret_is_shown() {
    let host = host(&format!(
        "[[notify]]\nname = \"chat\"\nwebhook = \"https://hooks.example.com:8443/T0/secretpath\"\n\
         secret = \"{SECRET}\"\non = [\"live\", \"rolled-back\"]\ntypes = [\"production\"]\n\
         branches = [\"release/*\"]\n[[notify]]\nname = \"team\"\nemail = [\"a@example.com\"]\n\
         [mail]\nsendmail = \"/opt/sendmail\"\nfrom = \"wharf@example.com\""
    ))
    .unwrap();
    let [chat, team] = &host.notify[..] else {
        panic!("{:?}", host.notify);
    };
    let branch = |name: &str| BranchName::parse(name).unwrap();
    let production = Some(Kind::Production);
    assert!(chat.wants(Occasion::Live, &branch("release/1"), production));
    assert!(!chat.wants(Occasion::Failed, &branch("release/1"), production));
    assert!(!chat.wants(Occasion::Live, &branch("main"), production));
    assert!(!chat.wants(Occasion::Live, &branch("release/1"), Some(Kind::Staging)));
    assert!(!chat.wants(Occasion::Live, &branch("release/1"), None));
    assert!(team.wants(Occasion::Recovered, &branch("main"), None));
    assert!(!team.wants(Occasion::Live, &branch("main"), None));
    assert_eq!(host.mail.from.as_deref(), Some("wharf@example.com"));

    let shown = format!("{host:?}");
    assert!(!shown.contains("MfKQ9r8"), "{shown}");
    assert!(!shown.contains("secretpath"), "{shown}");
    let setting = host
        .settings
        .iter()
        .find(|one| one.key == "notify")
        .unwrap();
    assert_eq!(
        setting.value,
        "chat (webhook at https://hooks.example.com:8443), team (email to a@example.com)"
    );
}

/// Each with what is said of it; the secret itself never is.
#[test]
fn what_is_no_good_is_said_at_once() {
    let text = "[[notify]]\nwebhook = \"https://u:p@example.com/\"\nsecret = \"whsec_dG9vc2hvcnQ=\"\n\
                [[notify]]\nname = \"a b\"\nemail = [\"x\\r\\nBcc: y@example.com\"]\non = [\"lives\"]\n\
                [[notify]]\nname = \"c\"\n\
                [[notify]]\nname = \"d\"\nwebhook = \"ftp://example.com\"\n\
                [[notify]]\nname = \"e\"\nemail = [\"-f@example.com\"]\ntypes = []\n\
                [[notify]]\nname = \"f\"\nemail = [\"f@example.com\"]\n\
                [[notify]]\nname = \"f\"\nemail = [\"f@example.com\"]\n";
    let said = host(text).unwrap_err();
    for expected in [
        "`name` is missing",
        "no user and no password",
        "24 to 64 bytes",
        "letters, digits and",
        "must be an address such as team@example.com",
        "did you mean \"live\"",
        "neither `webhook` nor `email` is there",
        "https:// or http://",
        "nothing is in it",
        "another one of this file has that name",
    ] {
        assert!(said.contains(expected), "{expected}:\n{said}");
    }
    assert!(!said.contains("dG9vc2hvcnQ"), "{said}");
}

#[test]
fn a_drop_in_replaces_what_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::below(dir.path());
    fs::create_dir_all(place.drop_ins_dir()).unwrap();
    let one = |name: &str, to: &str| format!("[[notify]]\nname = \"{name}\"\nemail = [\"{to}\"]\n");
    let text = one("a", "a@example.com") + &one("b", "b@example.com");
    fs::write(place.host_file(), text).unwrap();
    let text = one("a", "other@example.com");
    fs::write(place.drop_ins_dir().join("x.toml"), text).unwrap();
    let host = Host::load(&place).unwrap();
    let shown: Vec<String> = host.notify.iter().map(Notify::shown).collect();
    assert_eq!(
        shown,
        ["email to b@example.com", "email to other@example.com"]
    );
}

/// Also where the secret stands behind a key that is misspelt, or in a line that is no TOML.
#[test]
fn no_problem_shows_a_secret() {
    for line in [
        format!("secrt = \"{SECRET}\""),
        format!("secret \"{SECRET}\""),
        format!("webhook = [\"{SECRET}\"]"),
        format!("secret = \"{SECRET}\"\nsecret_file = \"/x\""),
    ] {
        let text = format!("[[notify]]\nname = \"a\"\nemail = [\"a@example.com\"]\n{line}\n");
        let said = host(&text).unwrap_err();
        assert!(!said.contains("MfKQ9r8"), "{said}");
        assert!(said.contains("whsec_***"), "{said}");
    }
}
