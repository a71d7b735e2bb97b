//! Changes of variables, as their activity's log and who made them read it: never a value.

use wharf_wire::Refusal;
use wharf_wire::outcome::Exit;

use crate::plan::variables::{Level, TooMuch};
use crate::store::variable::Change;

/// What a change makes of it. `environment` is where its record lies.
pub(super) fn notes(change: &Change, environment: &str) -> Vec<String> {
    let (level, what) = match change {
        Change::Set(variable) => {
            let mut what = format!(
                "{} is set for {}; visible: {}",
                variable.name,
                variable.level,
                variable.visible.word()
            );
            for (is_so, word) in [
                (variable.secret, "secret"),
                (variable.inheritable, "inheritable"),
                (variable.json, "JSON"),
            ] {
                if is_so {
                    what.push_str(&format!(", {word}"));
                }
            }
            (&variable.level, what)
        }
        Change::Delete(level, name) => (level, format!("{name} is no longer set for {level}")),
    };
    let then = match level {
        Level::Environment(_) => format!("it counts with: wharf redeploy -e {environment}"),
        Level::Project | Level::Type(_) => {
            "it counts with each environment's next deployment".to_owned()
        }
    };
    vec![what, then]
}

/// A bound that the change would break.
pub(crate) fn too_much(too_much: &TooMuch) -> Refusal {
    Refusal {
        code: "variable-limit".into(),
        message: too_much.to_string(),
        hint: Some("take away what is not needed: wharf variable delete NAME".into()),
        exit: Exit::Refused,
    }
}
