//! How many environments of a project may live at a time.

use std::collections::BTreeMap;

use super::Kind;

/// How many environments may be active or paused at a time; inactive ones are unlimited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaxActive {
    /// The plan's name, where it is a named one.
    pub plan: Option<&'static str>,
    /// Of all types together.
    pub total: Option<u32>,
    /// Of one type.
    pub by_kind: BTreeMap<Kind, u32>,
}

/// The named plans.
pub const PLANS: [&str; 4] = ["starter", "pro-8", "pro-5", "pro-2"];

impl MaxActive {
    /// What a named plan allows: the starter plan four environments with production; the others so
    /// many for development, beside staging and production.
    pub(crate) fn of_plan(name: &str) -> Option<Self> {
        let plan = PLANS.into_iter().find(|plan| *plan == name);
        let development = |most| Self {
            plan,
            total: None,
            by_kind: [(Kind::Development, most)].into(),
        };
        match name {
            "starter" => Some(Self {
                plan,
                total: Some(4),
                by_kind: BTreeMap::new(),
            }),
            "pro-8" => Some(development(8)),
            "pro-5" => Some(development(5)),
            "pro-2" => Some(development(2)),
            _ => None,
        }
    }
}
