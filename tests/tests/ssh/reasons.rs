//! What a command may not do is refused for every reason at once, as a push is.

use serde_json::Value;
use wharf_tests::World;

use crate::house::{House, VERA};

/// Asserts that a command line is refused for just these reasons, for people and for programs.
#[track_caller]
fn refused(house: &House<'_>, line: &str, codes: &[&str], reasons: &[&str]) {
    let said = house.shop.sh(&format!("{line} --json")).exits(6);
    let flat = said.err.replace("\n  ", " ");
    assert_eq!(flat.matches("error: ").count(), reasons.len(), "{said}");
    for reason in reasons {
        assert!(
            flat.contains(&format!("error: {reason}")),
            "{reason}\n{said}"
        );
    }
    assert!(flat.matches("hint: ").count() >= reasons.len(), "{said}");
    let told: Value = serde_json::from_str(&said.out).unwrap();
    let error = &told["error"];
    let told: Vec<&str> = match error["reasons"].as_array() {
        Some(reasons) if !reasons.is_empty() => {
            let codes = reasons.iter().filter_map(|one| one["code"].as_str());
            codes.collect()
        }
        _ => error["code"].as_str().into_iter().collect(),
    };
    assert_eq!(told, codes, "{said}");
}

#[test]
fn a_command_is_refused_for_every_reason_at_once() {
    let world = World::new();
    let mut house = House::new(&world, VERA);
    house.is("olga");
    house.shop.push(&["main", "main:staging"]).ok();

    house.is("dan");
    refused(
        &house,
        "wharf delete -e main",
        &["denied", "production-stays", "has-children"],
        &[
            "dan may not delete main",
            "branch main is production and cannot be deleted",
            "main has children: staging",
        ],
    );
    refused(
        &house,
        "wharf branch main master",
        &["denied", "branch-name", "branch-exists", "mirror"],
        &[
            "dan may not make main",
            "main has its own place in the project's file",
            "branch main is there already",
            "master only follows production",
        ],
    );
    refused(
        &house,
        "wharf pause -e main",
        &["denied", "production"],
        &[
            "dan may not pause main",
            "main is production, which is never paused",
        ],
    );
    refused(
        &house,
        "wharf redeploy --now -e main",
        &["denied", "denied"],
        &[
            "dan may not redeploy main",
            "dan may not pass by the deploy window of main",
        ],
    );
    refused(
        &house,
        &format!(
            "wharf info --title {} --parent staging -e staging",
            "x".repeat(81)
        ),
        &["denied", "title", "parent-ring"],
        &[
            "dan may not change the settings of staging",
            "that is no title",
            "staging is staging itself",
        ],
    );
    refused(
        &house,
        "wharf deploy --commit main -e main",
        &["denied", "bad-commit"],
        &["dan may not push to main", ""],
    );
    // Whoever may not look learns nothing further.
    house.is("vera");
    refused(
        &house,
        "wharf delete -e main",
        &["denied"],
        &["vera may not delete main"],
    );
}
