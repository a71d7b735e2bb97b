//! One hook's or client's conversation. A caller can only end its own.

mod admit;
mod ask;
mod dry_run;
mod family;
mod follow;
mod hook;
mod idle;
mod peer;
mod propose;
mod rights;
mod room;
mod scope;
mod variables;

use std::sync::Arc;

use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use wharf_wire::hook::{ASKS_AS, ASKS_WITH, CLAIMS, Claim, KEY};
use wharf_wire::outcome::Exit;
use wharf_wire::{FromDaemon, Refusal, ToDaemon, VERSION, Welcome};

use crate::dispatch::{Desk, Event};
use crate::execute::World;
use crate::execute::failure::chain;
use crate::identity::Account;
use crate::store::activity::NewActivity;
use crate::store::{Fault, StoreError};
use peer::{Broken, Peer};

/// What a conversation works with.
#[derive(Debug)]
pub struct Session {
    world: Arc<World>,
    desk: Desk,
    peer: Peer,
    /// Who is on the other side, as the kernel says.
    account: Account,
    /// On whose behalf, as they say.
    claims: Vec<Claim>,
    /// When the daemon started.
    since: std::time::Instant,
}

/// A caller who has said what it wants.
#[derive(Debug)]
pub struct Heard {
    session: Session,
    request: ToDaemon,
}

/// Hears who calls and what for; none where it is no conversation, which the caller has been told.
pub async fn hear(
    world: Arc<World>,
    desk: Desk,
    stream: UnixStream,
    uid: u32,
    since: std::time::Instant,
) -> Option<Heard> {
    // A user database may be on another host.
    let account = tokio::task::block_in_place(|| Account::of(uid));
    let mut session = Session {
        world,
        desk,
        peer: Peer::new(stream),
        account,
        claims: Vec::new(),
        since,
    };
    match session.hear().await {
        Ok(request) => Some(Heard { session, request }),
        Err(broken) => {
            session.tell(broken).await;
            None
        }
    }
}

impl Heard {
    /// Whether all it wants is to see what goes on without it, for as long as that takes.
    pub fn only_watches(&self) -> bool {
        use wharf_wire::ask::Ask;
        matches!(
            self.request,
            ToDaemon::Watch(_) | ToDaemon::Ask(Ask::Log { follow: true, .. } | Ask::Wait { .. })
        )
    }

    /// Talks until the caller or the daemon is done, or its place is needed.
    pub async fn talk(self, needed: CancellationToken) {
        let Heard {
            mut session,
            request,
        } = self;
        let talked = needed.run_until_cancelled(session.converse(request)).await;
        if let Err(broken) = talked.unwrap_or_else(|| Err(too_many())) {
            session.tell(broken).await;
        }
    }
}

impl Session {
    /// Who calls and what for.
    async fn hear(&mut self) -> Result<ToDaemon, Broken> {
        let ToDaemon::Hello(hello) = self.peer.receive().await? else {
            return Err(unexpected("Hello"));
        };
        if hello.wharf != VERSION {
            return Err(Broken::Refused(Refusal {
                code: "version".into(),
                message: format!(
                    "{} speaks version {} of the protocol, this daemon {VERSION}",
                    hello.client.escape_default(),
                    hello.wharf
                ),
                hint: Some("install the same release of Wharf everywhere: wharf doctor".into()),
                exit: Exit::Failed,
            }));
        }
        self.claims = claims(&hello.client);
        let daemon = env!("CARGO_PKG_VERSION").into();
        self.peer
            .send(&FromDaemon::Welcome(Welcome {
                wharf: VERSION,
                daemon,
            }))
            .await?;
        self.peer.receive().await
    }

    async fn converse(&mut self, request: ToDaemon) -> Result<(), Broken> {
        match request {
            ToDaemon::Admit(push) => self.admit(push).await,
            ToDaemon::Propose(push) => self.propose(push).await,
            ToDaemon::Ring(push) => self.ring(push).await,
            ToDaemon::Watch(watch) => self.watch_on(watch).await,
            ToDaemon::Ask(ask) => self.answer(ask).await,
            _ => Err(unexpected("Admit, Propose, Ring, Watch or Ask")),
        }
    }

    /// Tells a caller why its conversation ends.
    async fn tell(&mut self, broken: Broken) {
        let told = match broken {
            Broken::Gone => return,
            Broken::Refused(refusal) => {
                self.note(std::slice::from_ref(&refusal));
                self.peer.send(&FromDaemon::Refused(refusal)).await
            }
            Broken::Several(refusals) => {
                self.note(&refusals);
                self.refuse(refusals).await
            }
        };
        // Whoever went away meanwhile cannot be told.
        if let Err(error) = told {
            tracing::debug!(%error, "not told");
        }
    }

    /// Has activities recorded and queued; returns their ids.
    async fn ordered(&self, activities: Vec<NewActivity>) -> Result<Vec<String>, Broken> {
        let ordered = self.desk.ask(|reply| Event::Order { activities, reply });
        let ordered = ordered.await;
        let ordered = ordered.ok_or_else(|| host("the daemon is stopping".into()))?;
        ordered.map_err(Broken::Refused)
    }

    /// What somebody was refused, for whoever looks for it.
    fn note(&self, refusals: &[Refusal]) {
        for refusal in refusals {
            tracing::debug!(
                WHARF_ERROR = refusal.code,
                uid_name = self.account.actor().name,
                "refused: {}",
                refusal.message
            );
        }
    }

    async fn end(&mut self, exit: Exit) -> Result<(), Broken> {
        self.peer.send(&FromDaemon::End { exit }).await
    }
}

/// Behind a shared git account `wharf-shell` says whose key it was, or with which, as to the hooks.
fn claims(client: &str) -> Vec<Claim> {
    let said = |prefix, source: &str| {
        client.strip_prefix(prefix).map(|name: &str| Claim {
            source: source.to_owned(),
            name: name.to_owned(),
        })
    };
    let claim = said(ASKS_AS, CLAIMS[0]).or_else(|| said(ASKS_WITH, KEY));
    claim.into_iter().collect()
}

fn unexpected(wanted: &str) -> Broken {
    Broken::Refused(Refusal {
        code: "protocol".into(),
        message: format!("a message that is not expected here; {wanted} is"),
        hint: None,
        exit: Exit::Failed,
    })
}

/// Somebody who watches makes room.
fn too_many() -> Broken {
    Broken::Refused(Refusal {
        code: "too-many-watchers".into(),
        message: "more people watch than there is room for".into(),
        hint: Some("what you watched goes on: ask again, or wharf activities".into()),
        exit: Exit::Failed,
    })
}

/// Something of the host's own failed.
fn host(message: String) -> Broken {
    Broken::Refused(Refusal {
        code: "host".into(),
        message,
        hint: Some("this is the host's trouble: tell its operator".into()),
        exit: Exit::Failed,
    })
}

/// The record cannot be read or written.
fn store(error: StoreError) -> Broken {
    match error {
        StoreError::Fault(fault) => faulty(&fault),
        other => host(chain(&other)),
    }
}

/// The record as a whole is no good, and stays so until a person mends it.
fn faulty(fault: &Fault) -> Broken {
    Broken::Refused(Refusal {
        code: fault.code().into(),
        message: "Wharf's record on this host is damaged".into(),
        hint: Some("tell the host's operator: wharf doctor says what to do".into()),
        exit: Exit::Failed,
    })
}
