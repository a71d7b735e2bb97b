//! What an entry is about.

use wharf_config::project::Kind as Type;
use wharf_wire::outcome::Kind;
use wharf_wire::view::{Activity, Actor};

use crate::execute::activity::Act;
use crate::store::activity::{NewActivity, RECONCILE};
use crate::store::environment::EnvironmentKey;
use crate::store::status::{POLICY, REQUEST};

/// The fields of an entry, by the names that they have everywhere. What is not known is not said.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// `WHARF_PROJECT`.
    pub project: Option<String>,
    /// `WHARF_ENVIRONMENT`: its id.
    pub environment: Option<String>,
    /// `WHARF_ENVIRONMENT_TYPE`: `production`, `staging`, `development`.
    pub environment_type: Option<String>,
    /// `WHARF_BRANCH`.
    pub branch: Option<String>,
    /// `WHARF_ACTIVITY`: its id.
    pub activity: Option<String>,
    /// `WHARF_ACTIVITY_KIND`.
    pub kind: Option<Kind>,
    /// `WHARF_TRIGGER`: what set it off, see [`trigger`].
    pub trigger: Option<&'static str>,
    /// `WHARF_ACTOR` and `WHARF_ACTOR_SOURCE`.
    pub actor: Option<Actor>,
    /// `WHARF_COMMIT`: the tip, in hex.
    pub commit: Option<String>,
    /// `WHARF_RELEASE`: the number of the one that it makes or chooses.
    pub release: Option<u32>,
    /// `WHARF_RELEASE_LIVE`: the number of the one that serves now.
    pub live: Option<u32>,
    /// `WHARF_STAGE`.
    pub stage: Option<&'static str>,
    /// `WHARF_STEP`.
    pub step: Option<String>,
    /// `WHARF_RESULT`: how it ended, in a word.
    pub result: Option<&'static str>,
    /// `WHARF_EXIT_CODE` of a command.
    pub exit_code: Option<i32>,
    /// `WHARF_DURATION_USEC`: microseconds.
    pub duration: Option<u64>,
    /// `WHARF_MAINTENANCE_MS`: for how many milliseconds visitors were kept away.
    pub maintenance: Option<u64>,
    /// `WHARF_URL`: where to look at it.
    pub url: Option<String>,
    /// `WHARF_ERROR`: stable codes, with commas between them.
    pub error: Option<String>,
}

impl Facts {
    /// Of an environment.
    pub fn of_environment(key: &EnvironmentKey) -> Facts {
        Facts {
            project: Some(key.project.to_string()),
            environment: Some(key.id.to_string()),
            ..Facts::default()
        }
    }

    /// Of an activity that is not recorded yet, or just now.
    pub fn of_new(activity: &NewActivity) -> Facts {
        Facts {
            environment_type: match &activity.environment {
                Some(record) => Some(record.kind.clone()),
                None => activity
                    .production
                    .then(|| Type::Production.as_str().to_owned()),
            },
            branch: Some(activity.branch.to_string()),
            kind: Some(activity.kind),
            trigger: Some(trigger(activity.kind, &activity.actor)),
            actor: Some(activity.actor.clone()),
            commit: activity.commit.new.clone(),
            release: activity.target,
            ..Facts::of_environment(&activity.key)
        }
    }

    /// Of what somebody wanted and did not get, with the codes of why.
    pub fn of_refusal(actor: Actor, codes: impl Into<String>) -> Facts {
        Facts {
            actor: Some(actor),
            result: Some("refused"),
            error: Some(codes.into()),
            ..Facts::default()
        }
    }

    /// Of an activity that is carried out.
    pub fn of_act(act: &Act) -> Facts {
        let (kind, actor) = (act.task.kind, act.task.actor.as_ref());
        Facts {
            trigger: actor.map(|actor| trigger(kind, actor)),
            actor: actor.cloned(),
            environment_type: Some(act.environment.kind.as_str().to_owned()),
            branch: Some(act.task.branch.to_string()),
            activity: Some(act.task.id.clone()),
            kind: Some(kind),
            commit: act.task.commit.new.clone(),
            release: act.task.release,
            ..Facts::of_environment(act.key())
        }
    }

    /// Of an activity as the record has it.
    pub fn of_record(activity: &Activity, environment_type: Option<String>) -> Facts {
        Facts {
            project: Some(activity.project.clone()),
            environment: Some(activity.environment.clone()),
            environment_type,
            branch: Some(activity.branch.clone()),
            activity: Some(activity.id.clone()),
            kind: Some(activity.kind),
            trigger: Some(trigger(activity.kind, &activity.actor)),
            actor: Some(activity.actor.clone()),
            commit: activity.commit.new.clone(),
            release: activity.release,
            ..Facts::default()
        }
    }
}

/// What set an activity off: somebody's `push`, their `command`, a `policy` of the operator's, a visitor's
/// `request`, or `refs` that moved without anybody saying so.
fn trigger(kind: Kind, actor: &Actor) -> &'static str {
    match (actor.source.as_str(), kind) {
        (POLICY, _) => "policy",
        (REQUEST, _) => "request",
        (RECONCILE, _) => "refs",
        (_, Kind::Push | Kind::Check | Kind::Delete) => "push",
        _ => "command",
    }
}
