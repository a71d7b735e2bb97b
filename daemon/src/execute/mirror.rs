//! The branch that follows production: moved once a release serves there, as a copy to look at.

use std::time::Instant;

use wharf_config::name::BranchName;
use wharf_config::project::{Kind, Remote};
use wharf_sandbox::git::{Line, Operation};
use wharf_wire::event::Event;

use super::activity::Act;
use super::failure::Failure;
use super::forge;
use super::git::{self, Author, Input};
use super::refs::{self, HEADS};
use super::swap::{Swap, SwapError, Swapped};
use crate::plan::step::Step;

/// Moves it to the commit that serves now, wherever it was. Its trouble is a warning: production
/// serves all the same.
pub async fn follow(act: &Act, commit: &str) {
    let Some(mirror) = act.project.mirror.as_ref() else {
        return;
    };
    if act.environment.kind != Kind::Production {
        return;
    }
    let began = Instant::now();
    let moved = act.step(Step::Mirror, async {
        let name = format!("{HEADS}{mirror}");
        if let Some(remote) = &act.project.remote {
            return on_host(act, remote, mirror, commit).await;
        }
        let author = Author {
            name: "wharf".into(),
            email: format!("wharf@{}", act.project.name),
        };
        let why = format!("wharf: as {} serves it", act.key().id);
        let why = Line::try_from(why).expect("an id is short");
        let line = format!("update {name} {commit}\n");
        let (update, input) = (Operation::Update { why }, Input::Bytes(line.as_bytes()));
        let said = git::write(&act.project, &update, Some(&author), input).await;
        said.and_then(|said| said.good("update-ref"))
            .map(drop)
            .map_err(|error| Failure::host("the mirror cannot be moved", &error))
    });
    let short = commit.get(..8).unwrap_or(commit);
    match moved.await {
        Ok(_) => act.did("mirror", format!("{mirror} is at {short}"), began),
        Err(failure) => {
            let message = &failure.reason.message;
            let text = format!("{mirror} does not follow: {message}");
            act.log.event(Event::Warning { text });
        }
    }
}

/// The same where a git host is to know of it.
async fn on_host(
    act: &Act,
    remote: &Remote,
    mirror: &BranchName,
    commit: &str,
) -> Result<(), Failure> {
    let failed = |error: &SwapError| Failure::host("the mirror cannot be moved", error);
    let (at, name) = (act.project.repository.clone(), format!("{HEADS}{mirror}"));
    let tip = tokio::task::block_in_place(|| refs::find_tip(&at, &name));
    let old = tip.map_err(|error| failed(&error.into()))?;
    let swap = Swap {
        branch: mirror.clone(),
        old: old.and_then(|tip| tip.commit),
        new: Some(commit.to_owned()),
    };
    if swap.old == swap.new {
        return Ok(());
    }
    match forge::push(&act.world, &act.project, remote, &[swap]).await {
        Ok(Swapped::Yes) => Ok(()),
        Ok(Swapped::Lost) => {
            let lost = SwapError::Refused(format!("{mirror} was moved by somebody else"));
            Err(failed(&lost))
        }
        Err(error) => Err(failed(&error)),
    }
}
