use super::*;

#[test]
fn what_is_served() {
    let git = |service, path: &str| Request::Git {
        service,
        path: path.into(),
    };
    let wharf = |words: &[&str]| Request::Wharf(words.iter().map(ToString::to_string).collect());
    for (command, request) in [
        ("", Request::Greeting),
        ("   ", Request::Greeting),
        (
            "git-receive-pack '/srv/git/shop.git'",
            git("receive-pack", "/srv/git/shop.git"),
        ),
        (
            "git receive-pack 'shop.git'",
            git("receive-pack", "shop.git"),
        ),
        (
            "git-upload-pack '~/it'\\''s.git'",
            git("upload-pack", "~/it's.git"),
        ),
        (
            "git-upload-archive shop.git",
            git("upload-archive", "shop.git"),
        ),
        ("git-upload-pack 'a;id'", git("upload-pack", "a;id")),
        ("wharf status", wharf(&["--here", "status"])),
        (
            "wharf '--repository=shop.git' -e main log 4f2a -f",
            wharf(&[
                "--here",
                "--repository=shop.git",
                "--environment=main",
                "log",
                "--follow",
                "--",
                "4f2a",
            ]),
        ),
        (
            "wharf project list --json",
            wharf(&["--here", "--json", "project", "list"]),
        ),
    ] {
        assert_eq!(read(command).unwrap(), request, "{command}");
    }
}

#[test]
fn what_is_refused() {
    for command in [
        "sh",
        "git",
        "git-shell",
        "git upload-pack",
        "git-upload-pack",
        "git-upload-pack a b",
        "git-upload-pack --advertise-refs",
        "git-upload-pack ''",
        "git -c core.pager=id log",
        "git-receive-pack 'open",
        "/usr/bin/git-upload-pack shop.git",
        "wharf init",
        "wharf check",
        "wharf key list",
        "wharf hook uninstall shop.git",
        "wharf project add shop shop.git",
        "wharf start --detached",
        "wharf doctor",
    ] {
        assert_eq!(read(command).unwrap_err().exit, Exit::Refused, "{command}");
    }
    assert_eq!(read(&"x".repeat(MAX + 1)).unwrap_err().exit, Exit::Refused);
}

#[test]
fn usage_and_help_are_said() {
    assert!(matches!(read("wharf --help").unwrap(), Request::Say(_, 0)));
    assert!(matches!(
        read("wharf nonsense").unwrap(),
        Request::Say(_, 2)
    ));
}
