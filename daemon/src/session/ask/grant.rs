//! Links that let somebody look for a time.

use std::time::{SystemTime, UNIX_EPOCH};

use wharf_wire::Refusal;
use wharf_wire::ask::Scope;
use wharf_wire::outcome::Exit;
use wharf_wire::view::{self, Item};

use super::super::peer::Broken;
use super::super::scope::missing;
use super::super::{Session, host};
use crate::execute::Failure;
use crate::execute::grant::{self, Link};
use crate::plan::rights::Act;

/// How long a link may open, in seconds: from a minute to 30 days.
const TIMES: std::ops::RangeInclusive<u64> = 60..=30 * 24 * 60 * 60;

impl Session {
    pub(super) async fn grant(&mut self, scope: &Scope, seconds: u64) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        self.may_in(Act::Grant, &record)?;
        let (key, id) = (&record.key, &record.key.id);
        if !TIMES.contains(&seconds) {
            return Err(Broken::Refused(Refusal {
                code: "grant-time".into(),
                message: "a link opens for 1m to 30d".into(),
                hint: Some(format!("try: wharf url --grant 1h -e {id}")),
                exit: Exit::Refused,
            }));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let expires = now.map_err(|error| host(error.to_string()))?.as_secs() + seconds;
        let failed = |failure: Failure| host(failure.reason.message);
        let (url, public) = match grant::link(&self.world, key, expires)
            .await
            .map_err(failed)?
        {
            Link::Url(url) => (url, false),
            Link::Public(url) => (url, true),
            Link::NothingServes => {
                let text = format!("nothing serves {id} yet");
                return Err(
                    missing("not-live", &text).hint(format!("see why with: wharf log -e {id}"))
                );
            }
            Link::Closed => {
                return Err(Broken::Refused(Refusal {
                    code: "no-grant".into(),
                    message: format!("{id} opens from some networks only, not by a link"),
                    hint: Some("ask the operator: `access` in the project's file".into()),
                    exit: Exit::Refused,
                }));
            }
        };
        if !public {
            let actor = self.actor(&self.project_of(&record)?);
            tracing::info!(
                WHARF_PROJECT = %key.project,
                WHARF_ENVIRONMENT = %key.id,
                WHARF_ACTOR = actor.name,
                WHARF_ACTOR_SOURCE = actor.source,
                seconds,
                "a link lets others look"
            );
        }
        let item = Item::Grant(view::Grant {
            project: key.project.to_string(),
            environment: id.to_string(),
            url,
            public,
            expires: (!public).then_some(expires * 1000),
        });
        self.item(item).await?;
        self.end(Exit::Ok).await
    }
}
