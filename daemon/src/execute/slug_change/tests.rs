use super::*;
use crate::execute::slug_key::FORMAT;

fn base() -> Ingredients {
    let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    Ingredients {
        format: FORMAT,
        tree: "a".repeat(40),
        patches: list(&["patches/1.patch 0000", "patches/a b.patch 1111"]),
        steps: list(&["npm ci", "npm run build", "& npm test"]),
        assets: list(&["when config.php", "bin/assets", "into pub/static"]),
        mounts: list(&["data", "var"]),
        runtimes: [("node".into(), "20.1.0".into())].into(),
        variables: [("MODE".into(), "a-value".into())].into(),
        secrets: [("TOKEN".into(), "0000".into())].into(),
        trust_domain: "protected".into(),
    }
}

/// The rows as words.
fn rows(change: fn(&mut Ingredients)) -> Vec<String> {
    let (old, mut new) = (base(), base());
    change(&mut new);
    let rows = changes(&old, &new).into_iter().flat_map(|one| one.rows());
    rows.map(|row| {
        let values = match (&row.old, &row.new) {
            (None, None) => String::new(),
            (old, new) => format!(
                " {} -> {}",
                old.as_deref().unwrap_or("-"),
                new.as_deref().unwrap_or("-")
            ),
        };
        format!("{:?} {:?} {}{values}", row.kind, row.how, row.name)
    })
    .collect()
}

#[test]
fn each_field_is_told_entry_by_entry() {
    assert_eq!(rows(|i| i.tree = "b".repeat(40)), ["Tree Changed "]);
    assert_eq!(
        rows(|i| i.patches[0] = "patches/1.patch 2222".into()),
        ["Patch Changed patches/1.patch"]
    );
    assert_eq!(
        rows(|i| drop(i.patches.remove(1))),
        ["Patch Removed patches/a b.patch"]
    );
    assert_eq!(
        rows(|i| i.patches.insert(0, "after step 1".into())),
        ["Patch Added after step 1"]
    );
    assert_eq!(
        rows(|i| i.patches.swap(0, 1)),
        [
            "Patch Moved patches/a b.patch",
            "Patch Moved patches/1.patch"
        ]
    );
    assert_eq!(
        rows(|i| i.steps[1] = "npm run all".into()),
        ["Step Removed npm run build", "Step Added npm run all"]
    );
    assert_eq!(
        rows(|i| i.steps.push("npm ci".into())),
        ["Step Added npm ci"]
    );
    assert_eq!(
        rows(|i| i.steps.swap(0, 1)),
        ["Step Moved npm run build", "Step Moved npm ci"]
    );
    assert_eq!(
        rows(|i| i.assets[2] = "into pub/assets".into()),
        [
            "Assets Removed into pub/static",
            "Assets Added into pub/assets"
        ]
    );
    assert_eq!(rows(|i| drop(i.mounts.remove(0))), ["Mount Removed data"]);
    assert_eq!(
        rows(|i| drop(i.runtimes.insert("node".into(), "22.0.0".into()))),
        ["Runtime Changed node 20.1.0 -> 22.0.0"]
    );
    assert_eq!(
        rows(|i| i.runtimes = [("php".into(), "8.2.1".into())].into()),
        [
            "Runtime Removed node 20.1.0 -> -",
            "Runtime Added php - -> 8.2.1"
        ]
    );
    assert_eq!(
        rows(|i| drop(i.variables.insert("MODE".into(), "b".into()))),
        ["Variable Changed MODE"]
    );
    assert_eq!(
        rows(|i| drop(i.variables.insert("NEW".into(), "b".into()))),
        ["Variable Added NEW"]
    );
    assert_eq!(rows(|i| i.variables.clear()), ["Variable Removed MODE"]);
    assert_eq!(
        rows(|i| drop(i.secrets.insert("TOKEN".into(), "1".into()))),
        ["Secret Changed TOKEN"]
    );
    assert_eq!(
        rows(|i| i.trust_domain = "open".into()),
        ["TrustDomain Changed  protected -> open"]
    );
    assert_eq!(rows(|i| i.format = 0), ["Format Changed  2 -> 0"]);
    assert_eq!(rows(|_| ()), [""; 0]);
}

#[test]
fn no_value_is_told_and_a_name_once_in_short() {
    let (old, mut new) = (base(), base());
    new.variables.clear();
    new.secrets.insert("MODE".into(), "digest".into());
    assert_eq!(explain(&old, &new), ["MODE changed"]);
    let rows: Vec<_> = changes(&old, &new).iter().flat_map(Change::rows).collect();
    let text = format!("{rows:?}");
    assert!(
        !text.contains("a-value") && !text.contains("digest"),
        "{text}"
    );
    assert_eq!(rows.len(), 2);
}
