use proptest::prelude::*;

use super::*;

#[test]
fn ids() {
    let id =
        |branch: &str| EnvironmentId::from_branch(&BranchName::parse(branch).unwrap()).to_string();
    assert_eq!(id("main"), "main");
    assert_eq!(id("a"), "a");
    assert_eq!(id("feature-1"), "feature-1");
    for hashed in [
        "Main",
        "feature/cart",
        "a--b",
        "x-abcdef",
        &"a".repeat(37),
        "a-",
        "v1.2",
    ] {
        let id = id(hashed);
        assert!(
            id.rsplit_once("-").is_some_and(|(_, hash)| hash.len() == 6),
            "{id}"
        );
    }
    assert!(id("feature/cart").starts_with("feature-cart-"));
}

#[test]
fn refused() {
    for bad in [
        "", "HEAD", "-rf", ".x", "a b", "a\u{a0}b", "é", "a..b", "a//b", "a/", "a/.b", "x.lock",
    ] {
        assert!(BranchName::parse(bad).is_err(), "{bad}");
    }
    for bad in [
        "",
        "Shop",
        "1shop",
        "a--b",
        "a-",
        "-a",
        &"a".repeat(24),
        "a_b",
    ] {
        assert!(ProjectName::parse(bad).is_err(), "{bad}");
    }
    for bad in [
        "", "/a", "a//b", "../a", "a/..", "./a", "a/./b", ".git", "a/.GIT/x", "a\0b", "~/x",
    ] {
        assert!(RelPath::parse(bad).is_err(), "{bad}");
    }
    for bad in ["", "1A", "A-B", "A=B"] {
        assert!(VariableName::parse(bad).is_err(), "{bad}");
    }
    for bad in ["", "a..b", "-a.b", "a_b.c", "a/b"] {
        assert!(Domain::parse(bad).is_err(), "{bad}");
    }
    let error = BranchName::parse("a\u{1b}b").unwrap_err().to_string();
    assert!(error.contains(r"`\u{1b}`"), "{error}");
}

proptest! {
    #[test]
    fn an_id_is_a_label_and_reads_back(branch in "[A-Za-z0-9][A-Za-z0-9/._@#=+-]{0,199}") {
        if let Ok(branch) = BranchName::parse(&branch) {
            let id = EnvironmentId::from_branch(&branch);
            prop_assert!(id.as_str().len() <= EnvironmentId::MAX);
            prop_assert_eq!(EnvironmentId::parse(id.as_str()).unwrap(), id);
        }
    }

    #[test]
    fn no_path_leaves(text in any::<String>()) {
        if let Ok(path) = RelPath::parse(&text) {
            use std::path::Component;
            let inside = |c| matches!(c, Component::Normal(_) | Component::CurDir);
            prop_assert!(path.as_path().components().all(inside));
        }
    }

    #[test]
    fn errors_are_ascii(text in any::<String>()) {
        let errors = [
            BranchName::parse(&text).err(), ProjectName::parse(&text).err(),
            RelPath::parse(&text).err(), Domain::parse(&text).err(), VariableName::parse(&text).err(),
        ];
        for error in errors.into_iter().flatten() {
            prop_assert!(error.to_string().bytes().all(|b| (b' '..=b'~').contains(&b)));
        }
    }
}
