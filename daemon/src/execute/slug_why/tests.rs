use std::collections::BTreeSet;
use std::process::Command;

use wharf_config::name::VariableName;

use super::*;
use crate::execute::slug_key::FORMAT;
use crate::plan::variables::{Hidden, One};

/// All that a deployment is made of.
#[derive(Debug, Clone)]
struct All {
    ingredients: Ingredients,
    commit: String,
    given: Given,
    rebuilt: bool,
}

fn base() -> All {
    let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    let mut given = Given::default();
    given.run.insert(name("LOG"), one("info", false));
    All {
        ingredients: Ingredients {
            format: FORMAT,
            tree: "a".repeat(40),
            patches: list(&["patches/1.patch 0000"]),
            steps: list(&["npm ci", "npm run build"]),
            assets: list(&["bin/assets", "into pub/static"]),
            mounts: list(&["data"]),
            runtimes: [("node".into(), "20.1.0".into())].into(),
            variables: [("MODE".into(), "production".into())].into(),
            secrets: [("TOKEN".into(), "0000".into())].into(),
            trust_domain: "protected".into(),
        },
        commit: "1".repeat(40),
        given,
        rebuilt: false,
    }
}

fn name(text: &str) -> VariableName {
    VariableName::parse(text).unwrap()
}

fn one(value: &str, secret: bool) -> One {
    One {
        value: Hidden(value.into()),
        secret,
    }
}

fn made(all: &All) -> Made<'_> {
    Made {
        ingredients: &all.ingredients,
        commit: &all.commit,
        given: Some(&all.given),
        rebuilt: all.rebuilt,
    }
}

/// The fields of the key, and what else a release is made of, that differ; then all there are. A field
/// that is new does not compile here, and fails below until the table has a row for it.
fn fields(old: &All, new: &All) -> (BTreeSet<&'static str>, BTreeSet<&'static str>) {
    let All {
        ingredients,
        commit,
        given: Given { build, run },
        rebuilt,
    } = old;
    let Ingredients {
        format,
        tree,
        patches,
        steps,
        assets,
        mounts,
        runtimes,
        variables,
        secrets,
        trust_domain,
    } = ingredients;
    let now = &new.ingredients;
    let all = [
        ("format", *format != now.format),
        ("tree", *tree != now.tree),
        ("patches", *patches != now.patches),
        ("steps", *steps != now.steps),
        ("assets", *assets != now.assets),
        ("mounts", *mounts != now.mounts),
        ("runtimes", *runtimes != now.runtimes),
        ("variables", *variables != now.variables),
        ("secrets", *secrets != now.secrets),
        ("trust_domain", *trust_domain != now.trust_domain),
        ("commit", *commit != new.commit),
        ("given.build", *build != new.given.build),
        ("given.run", *run != new.given.run),
        ("rebuilt", *rebuilt != new.rebuilt),
    ];
    let differ = all.iter().filter(|(_, differs)| *differs);
    let differ = differ.map(|(field, _)| *field).collect();
    (differ, all.into_iter().map(|(field, _)| field).collect())
}

/// The rows and the effect of a change, where the store holds the slugs of these.
fn weigh(old: &All, new: &All, store: &[&All]) -> (Vec<ChangeKind>, Effect) {
    let compared = compare(Path::new("/nowhere"), &made(old), &made(new));
    let key = new.ingredients.key();
    // What somebody asks to be built is built, whatever is there.
    let found = !new.rebuilt && store.iter().any(|all| all.ingredients.key() == key);
    let kinds = compared.rows.iter().map(|row| row.kind).collect();
    (kinds, effect(&compared.rows, found))
}

type Edit = fn(&mut All);

/// What rebuilds, what only redeploys, what needs nothing: each field of the key, and each kind of
/// change beside it.
#[test]
fn each_kind_of_change_has_its_effect() {
    use ChangeKind as K;
    use Effect::{Nothing, Rebuild, Redeploy};
    let table: [(&str, Edit, &[ChangeKind], Effect); 32] = [
        ("nothing", |_| (), &[], Nothing),
        // The key, field by field.
        (
            "layout",
            |all| all.ingredients.format += 1,
            &[K::Format],
            Rebuild,
        ),
        (
            "tree",
            |all| all.ingredients.tree = "b".repeat(40),
            &[K::Tree],
            Rebuild,
        ),
        (
            "patch added",
            |all| all.ingredients.patches.push("b 1".into()),
            &[K::Patch],
            Rebuild,
        ),
        (
            "patch edited",
            |all| all.ingredients.patches[0] = "patches/1.patch 1".into(),
            &[K::Patch],
            Rebuild,
        ),
        (
            "no patch",
            |all| all.ingredients.patches.clear(),
            &[K::Patch],
            Rebuild,
        ),
        (
            "patches later",
            |all| all.ingredients.patches.insert(0, "after step 1".into()),
            &[K::Patch],
            Rebuild,
        ),
        (
            "step added",
            |all| all.ingredients.steps.push("x".into()),
            &[K::Step],
            Rebuild,
        ),
        (
            "step gone",
            |all| drop(all.ingredients.steps.pop()),
            &[K::Step],
            Rebuild,
        ),
        (
            "steps in another order",
            |all| all.ingredients.steps.swap(0, 1),
            &[K::Step, K::Step],
            Rebuild,
        ),
        (
            "a step beside another",
            |all| all.ingredients.steps[1].insert_str(0, "& "),
            &[K::Step, K::Step],
            Rebuild,
        ),
        (
            "assets' command",
            |all| drop(all.ingredients.assets.remove(0)),
            &[K::Assets],
            Rebuild,
        ),
        (
            "assets' place",
            |all| all.ingredients.assets[1] = "into pub/other".into(),
            &[K::Assets, K::Assets],
            Rebuild,
        ),
        (
            "where assets are made",
            |all| all.ingredients.assets.insert(0, "when config.php".into()),
            &[K::Assets],
            Rebuild,
        ),
        (
            "no mount",
            |all| all.ingredients.mounts.clear(),
            &[K::Mount],
            Rebuild,
        ),
        (
            "mount",
            |all| all.ingredients.mounts.push("var".into()),
            &[K::Mount],
            Rebuild,
        ),
        (
            "runtime's version",
            |all| {
                drop(
                    all.ingredients
                        .runtimes
                        .insert("node".into(), "20.1.1".into()),
                )
            },
            &[K::Runtime],
            Rebuild,
        ),
        (
            "another runtime",
            |all| all.ingredients.runtimes = [("php".into(), "8.3.1".into())].into(),
            &[K::Runtime, K::Runtime],
            Rebuild,
        ),
        (
            "build variable's value",
            |all| drop(all.ingredients.variables.insert("MODE".into(), "x".into())),
            &[K::Variable],
            Rebuild,
        ),
        (
            "build variable added",
            |all| drop(all.ingredients.variables.insert("A".into(), String::new())),
            &[K::Variable],
            Rebuild,
        ),
        (
            "build variable gone",
            |all| all.ingredients.variables.clear(),
            &[K::Variable],
            Rebuild,
        ),
        (
            "build secret gone",
            |all| all.ingredients.secrets.clear(),
            &[K::Secret],
            Rebuild,
        ),
        (
            "build secret's value",
            |all| drop(all.ingredients.secrets.insert("TOKEN".into(), "1".into())),
            &[K::Secret],
            Rebuild,
        ),
        (
            "a plain variable becomes a secret",
            |all| {
                all.ingredients.variables.clear();
                all.ingredients.secrets.insert("MODE".into(), "2".into());
            },
            &[K::Variable, K::Secret],
            Rebuild,
        ),
        (
            "trust domain",
            |all| all.ingredients.trust_domain = "open".into(),
            &[K::TrustDomain],
            Rebuild,
        ),
        (
            "a variable that builds and runs see",
            |all| {
                drop(all.ingredients.variables.insert("BOTH".into(), "x".into()));
                drop(all.given.build.insert(name("BOTH"), one("x", false)));
                drop(all.given.run.insert(name("BOTH"), one("x", false)));
            },
            &[K::Variable],
            Rebuild,
        ),
        (
            "a rebuild",
            |all| all.rebuilt = true,
            &[K::Rebuild],
            Rebuild,
        ),
        // Beside the key.
        (
            "commit of the same tree",
            |all| all.commit = "2".repeat(40),
            &[K::Commit],
            Redeploy,
        ),
        (
            "run variable added",
            |all| drop(all.given.run.insert(name("NEW"), one("x", false))),
            &[K::RunVariable],
            Redeploy,
        ),
        (
            "run variable's value",
            |all| drop(all.given.run.insert(name("LOG"), one("x", false))),
            &[K::RunVariable],
            Redeploy,
        ),
        (
            "a run variable becomes a secret",
            |all| drop(all.given.run.insert(name("LOG"), one("info", true))),
            &[K::RunVariable],
            Redeploy,
        ),
        (
            "run variable gone",
            |all| all.given.run.clear(),
            &[K::RunVariable],
            Redeploy,
        ),
    ];
    let old = base();
    let mut seen = BTreeSet::new();
    for (what, edit, kinds, comes_to) in table {
        let mut new = old.clone();
        edit(&mut new);
        seen.extend(fields(&old, &new).0);
        let told = weigh(&old, &new, &[&old]);
        assert_eq!(told, (kinds.to_vec(), comes_to), "{what}");
        // What was built before is not built again, whatever it was for.
        let (_, again) = weigh(&old, &new, &[&old, &new]);
        let wanted = if comes_to == Rebuild && !new.rebuilt {
            Redeploy
        } else {
            comes_to
        };
        assert_eq!(again, wanted, "{what}");
        // Without a slug nothing is deployed that is not built first.
        assert_eq!(weigh(&old, &new, &[]).1, Rebuild, "{what}");
    }
    assert_eq!(seen, fields(&old, &old).1, "each field has a row");
}

#[test]
fn a_variable_of_builds_and_runs_is_told_once() {
    let old = base();
    let mut new = old.clone();
    new.ingredients
        .variables
        .insert("LOG".into(), "debug".into());
    new.given.run.insert(name("LOG"), one("debug", false));
    new.given.build.insert(name("LOG"), one("debug", false));
    let (kinds, _) = weigh(&old, &new, &[]);
    assert_eq!(kinds, [ChangeKind::Variable]);
}

#[test]
fn what_is_told_is_bounded() {
    let old = base();
    let mut new = old.clone();
    let steps = (0..500).map(|number| format!("{number} {}", "\u{1}".repeat(600)));
    new.ingredients.steps.extend(steps);
    let compared = compare(Path::new("/nowhere"), &made(&old), &made(&new));
    let text = serde_json::to_string(&compared.rows).unwrap();
    assert!(text.len() <= BYTES + MOST, "{}", text.len());
    assert_eq!(compared.rows.len() as u64 + compared.left_out, 500);
    assert!(compared.rows.iter().all(|row| row.name.ends_with("...")));
}

#[test]
fn files_are_told_by_path_last_and_at_most_200() {
    let directory = tempfile::tempdir().unwrap();
    let git = |words: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            .args(words)
            .current_dir(directory.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "--quiet"]);
    let write = |file: &str, text: &str| {
        let path = directory.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let tree = || {
        git(&["add", "--all"]);
        git(&["write-tree"])
    };
    write("a", "1");
    write("deep/er/gone", "1");
    write("kept", "1");
    let (mut old, mut new) = (base(), base());
    old.ingredients.tree = tree();
    write("a", "2");
    write("b \u{e9}", "2");
    std::fs::remove_dir_all(directory.path().join("deep")).unwrap();
    new.ingredients.tree = tree();
    new.ingredients.steps.clear();
    let told =
        |old: &All, new: &All| compare(&directory.path().join(".git"), &made(old), &made(new));
    let compared = told(&old, &new);
    let rows = compared
        .rows
        .iter()
        .map(|row| (row.kind, row.how, row.name.as_str()));
    assert_eq!(
        rows.collect::<Vec<_>>(),
        [
            (ChangeKind::Step, How::Removed, "npm ci"),
            (ChangeKind::Step, How::Removed, "npm run build"),
            (ChangeKind::File, How::Changed, "a"),
            (ChangeKind::File, How::Added, "b \u{e9}"),
            (ChangeKind::File, How::Removed, "deep/er/gone"),
        ]
    );
    for number in 0..300 {
        write(&format!("many/{number:03}"), "x");
    }
    new.ingredients.steps.clone_from(&old.ingredients.steps);
    new.ingredients.tree = tree();
    let compared = told(&old, &new);
    assert_eq!((compared.rows.len(), compared.left_out), (200, 103));
    assert_eq!(compared.rows[199].name, "many/196");
}
