use super::*;

fn name(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}

fn names(names: &[&str]) -> BTreeSet<BranchName> {
    names.iter().map(|branch| name(branch)).collect()
}

/// One situation: the branch `x` beside production, which stays as it is.
struct Case {
    tip: Option<Tip>,
    known: Option<Option<&'static str>>,
    baseline: Option<&'static str>,
    scope: Scope,
    leftover: Leftover,
}

const PLAIN: fn() -> Case = || Case {
    tip: None,
    known: None,
    baseline: None,
    scope: Scope::AllBut(BTreeSet::new()),
    leftover: Leftover::Left,
};

/// What is said of `x`: old and new.
type Said = Option<(Option<String>, Option<String>)>;

fn said(case: &Case) -> Said {
    let mut tips = BTreeMap::from([(name("main"), Tip::At("m".into()))]);
    tips.extend(case.tip.clone().map(|tip| (name("x"), tip)));
    let mut known = vec![Known {
        branch: name("main"),
        tip: Some("m".into()),
        production: true,
    }];
    known.extend(case.known.map(|tip| Known {
        branch: name("x"),
        tip: tip.map(str::to_owned),
        production: false,
    }));
    let mut baseline = BTreeMap::new();
    baseline.extend(case.baseline.map(|tip| (name("x"), tip.to_owned())));
    let moved = moved(&Facts {
        tips: &tips,
        known: &known,
        baseline: &baseline,
        scope: &case.scope,
        leftover: case.leftover,
    });
    assert!(moved.len() <= 1, "{moved:?}");
    let x = moved.into_iter().next()?;
    assert_eq!(x.branch, name("x"));
    Some((x.old, x.new))
}

fn at(tip: &str) -> Option<Tip> {
    Some(Tip::At(tip.into()))
}

#[test]
fn what_moved_is_told_from_what_was_there() {
    let some = |tip: &str| Some(tip.to_owned());
    let table: [(&str, Case, Said); 13] = [
        ("nothing", PLAIN(), None),
        (
            "new",
            Case {
                tip: at("a"),
                ..PLAIN()
            },
            Some((None, some("a"))),
        ),
        (
            "recorded",
            Case {
                tip: at("a"),
                known: Some(Some("a")),
                ..PLAIN()
            },
            None,
        ),
        (
            "moved",
            Case {
                tip: at("b"),
                known: Some(Some("a")),
                ..PLAIN()
            },
            Some((some("a"), some("b"))),
        ),
        (
            "gone",
            Case {
                known: Some(Some("a")),
                ..PLAIN()
            },
            Some((some("a"), None)),
        ),
        (
            "its deletion is recorded",
            Case {
                known: Some(None),
                ..PLAIN()
            },
            None,
        ),
        (
            "its deletion failed, and the daemon starts",
            Case {
                known: Some(None),
                leftover: Leftover::Again,
                ..PLAIN()
            },
            Some((None, None)),
        ),
        (
            "deleted and made again",
            Case {
                tip: at("a"),
                known: Some(None),
                ..PLAIN()
            },
            Some((None, some("a"))),
        ),
        (
            "unreadable",
            Case {
                tip: Some(Tip::Unknown),
                known: Some(Some("a")),
                ..PLAIN()
            },
            None,
        ),
        (
            "there before Wharf was",
            Case {
                tip: at("a"),
                baseline: Some("a"),
                ..PLAIN()
            },
            None,
        ),
        (
            "there before, and moved",
            Case {
                tip: at("b"),
                baseline: Some("a"),
                ..PLAIN()
            },
            Some((None, some("b"))),
        ),
        (
            "somebody else is asked for",
            Case {
                tip: at("a"),
                scope: Scope::Only(names(&["y"])),
                ..PLAIN()
            },
            None,
        ),
        (
            "its bell may ring this moment",
            Case {
                tip: at("a"),
                scope: Scope::AllBut(names(&["x"])),
                ..PLAIN()
            },
            None,
        ),
    ];
    for (what, case, expected) in table {
        assert_eq!(said(&case), expected, "{what}");
    }
}

#[test]
fn a_repository_without_production_is_not_the_one_that_is_known() {
    let known = |branch: &str, production| Known {
        branch: name(branch),
        tip: Some("a".into()),
        production,
    };
    let all = [known("main", true), known("x", false)];
    let (baseline, scope) = (BTreeMap::new(), Scope::AllBut(BTreeSet::new()));
    let facts = |tips| Facts {
        tips,
        known: &all,
        baseline: &baseline,
        scope: &scope,
        leftover: Leftover::Again,
    };
    let none = BTreeMap::new();
    assert_eq!(moved(&facts(&none)), []);
    let other = BTreeMap::from([(name("y"), Tip::At("b".into()))]);
    let branches: Vec<_> = moved(&facts(&other))
        .into_iter()
        .map(|m| m.branch)
        .collect();
    assert_eq!(branches, [name("y")]);
    // One that never had production loses what its people delete.
    let facts = Facts {
        known: &all[1..],
        ..facts(&other)
    };
    assert_eq!(moved(&facts).len(), 2);
}
