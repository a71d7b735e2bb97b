//! Commands that people run by hand. What they type and read does not pass through here.

use std::sync::Arc;

use wharf_wire::ask::{Scope, Terminal};
use wharf_wire::outcome::Exit;
use wharf_wire::{FromDaemon, Refusal};

use super::super::Session;
use super::super::peer::Broken;
use super::super::scope::missing;
use crate::execute::Failure;
use crate::execute::by_hand::{self, Outcome, Wanted, What};
use crate::execute::hands::NoPlace;
use crate::plan::by_hand::check;
use crate::plan::rights::Act;
use crate::store::environment::EnvironmentKey;

impl Session {
    pub(super) async fn run(
        &mut self,
        scope: &Scope,
        what: What,
        terminal: Option<Terminal>,
    ) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        self.may_in(Act::Run, &record)?;
        let actor = self.actor(&self.project_of(&record)?);
        if let What::Program(words) = &what {
            check(words).map_err(|error| {
                let hint = "such as: wharf run -- php -v";
                refused("no-command", error.to_string(), Some(hint))
            })?;
        }
        let place = self.world.hands.take(&record.key);
        let place = place.map_err(|error| no_place(&record.key, &error))?;
        // As it is once nobody takes it down any more without waiting for this.
        let environment = self.recorded_environment(&record.key).await?;
        let environment =
            environment.ok_or_else(|| missing("unknown-environment", "it is gone"))?;
        let wanted = Wanted {
            environment,
            actor,
            what,
            terminal,
        };
        let world = Arc::clone(&self.world);
        let (by_hand, streams) = by_hand::begin(&world, wanted, place)
            .await
            .map_err(not_begun)?;
        // Its end is recorded, whatever becomes of its caller.
        let told = self.peer.pass(streams).await;
        let gone = async {
            if told.is_ok() {
                self.peer.gone().await;
            }
        };
        match by_hand.attend(gone).await {
            Outcome::Code(code) => self.peer.send(&FromDaemon::Ran { code }).await,
            Outcome::Stopped(reason) => Err(refused(
                &reason.code,
                format!("it was ended: {}", reason.message),
                reason.hint.as_deref(),
            )),
        }
    }
}

pub(super) fn no_place(key: &EnvironmentKey, error: &NoPlace) -> Broken {
    let (code, hint) = match error {
        NoPlace::Full(_) | NoPlace::HostFull(_) => (
            "too-many-commands",
            "see them: wharf activities; wharf cancel ID ends one",
        ),
        NoPlace::Closed => ("environment-ends", "see why: wharf activities"),
    };
    refused(code, format!("{}: {error}", key.id), Some(hint))
}

/// Nothing that is there is missing; anything else is the host's trouble.
fn not_begun(failure: Failure) -> Broken {
    let reason = failure.or_full().reason;
    Broken::Refused(Refusal {
        exit: match reason.code.as_str() {
            "not-live" | "no-database" => Exit::NotFound,
            _ => Exit::Failed,
        },
        code: reason.code,
        message: reason.message,
        hint: reason.hint,
    })
}

fn refused(code: &str, message: String, hint: Option<&str>) -> Broken {
    Broken::Refused(Refusal {
        code: code.into(),
        message,
        hint: hint.map(str::to_owned),
        exit: Exit::Refused,
    })
}
