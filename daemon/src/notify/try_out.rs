//! Tries a destination: a message that tells of nothing, sent at once and once.

use std::time::Instant;

use wharf_wire::notification::Tried;

use super::{Letter, Listener, message};
use crate::execute::World;
use crate::execute::failure::chain;
use crate::store::now;

/// Sends a test to a destination and says what came of it. Where it is taken, what waits for the
/// destination is sent at once.
pub async fn try_out(world: &World, listener: &Listener) -> Tried {
    let test = message::test(&listener.shown(), now());
    let body = serde_json::to_string(&test).expect("a message is plain data");
    let id = format!("msg_{:032x}", rand::random::<u128>());
    let letter = Letter {
        id: &id,
        body: &body,
    };
    let mail = world.settings().host.mail.clone();
    let began = Instant::now();
    let sent = listener.send(&mail, &letter).await;
    let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (scope, name) = (listener.scope.as_str(), listener.notify.name.as_str());
    if sent.is_ok() {
        if let Err(error) = world.recorder.destination_answers(scope, name).await {
            tracing::warn!(error = chain(&error), "that it answers is not recorded");
        }
        world.telling.notify_one();
    }
    let waiting = world.recorder.destinations().await.unwrap_or_default();
    let is_it =
        |one: &&crate::store::notification::Standing| one.scope == scope && one.name == name;
    let waiting = waiting.iter().find(is_it).map_or(0, |one| one.waiting);
    let (taken, message, hint) = match sent {
        Ok(said) => (true, said, None),
        Err(untold) => (false, untold.message, untold.hint),
    };
    Tried {
        name: name.to_owned(),
        project: Some(scope.to_owned()).filter(|scope| !scope.is_empty()),
        to: listener.notify.shown(),
        taken,
        message,
        hint,
        milliseconds,
        waiting,
    }
}
