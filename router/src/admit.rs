//! Who comes in: through the doors, and after a wait where an environment wakes or is in maintenance.

use std::{net::IpAddr, sync::Arc};

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep_until};
use wharf_wire::route::Unavailable;

use crate::{
    body::Body,
    doors::Passed,
    forward::Asked,
    maintenance::{self, Maintenance},
    page::Page,
    places::Place,
    serve::{Shared, Visitor},
    site::Site,
    table::Found,
};

/// What a request finds behind the doors.
enum Behind<'a> {
    /// Whatever serves.
    Open,
    /// Nothing, as this page says.
    Closed(Page),
    /// What it may wait for.
    Held(&'a Maintenance),
    /// What it waits for and may have begun.
    Waking,
}

/// What a request that waits has.
#[derive(Default)]
struct Waits {
    /// Places, and when the wait for each kind is over.
    woken: Option<(Place, Instant)>,
    held: Option<(Place, Instant)>,
}

/// Lets a request through the doors, and waits where its environment wakes for it or holds it. What
/// comes then is a route of its own, with doors of its own.
///
/// # Errors
/// The answer to who does not come in.
pub(crate) async fn admit(
    shared: &Shared,
    visitor: &Visitor,
    request: &Request<Incoming>,
    asked: Asked<'_>,
    mut found: Found,
) -> Result<Found, Response<Body>> {
    let mut waits = Waits::default();
    let peer = visitor.peer.ip();
    loop {
        let site = Arc::clone(&found.site);
        let passwords = &shared.passwords;
        let passed = site.doors.pass(passwords, peer, request).await?;
        if passed == Passed::Visitor {
            site.last_use.touch(shared.table.clock);
        }
        let answer = || match &site.maintenance {
            Some(maintenance) => maintenance.answer(request.headers()),
            None => Page::waking().answer(request.headers()),
        };
        let until = match behind(&site, passed, peer, request, waits.woken.is_some()) {
            Behind::Open => return Ok(found),
            Behind::Closed(page) => return Err(page.answer(request.headers())),
            Behind::Held(maintenance) => waits.hold(shared, &site, maintenance),
            Behind::Waking => waits.wake(shared, &site),
        };
        let Some(until) = until else {
            return Err(answer());
        };
        // Who waits is in flight to nobody: the old process may end meanwhile.
        found.flight = None;
        tokio::select! {
            biased;
            () = site.replaced.cancelled() => {}
            () = sleep_until(until) => return Err(answer()),
            // Nobody reads it, or another router soon answers better.
            () = visitor.line.gone() => return Err(answer()),
            () = visitor.lives.over() => return Err(answer()),
        }
        found = match shared.table.find(asked.host, asked.path) {
            Some(found) => found,
            None => return Err(Page::unknown_host(asked.host).answer(request.headers())),
        };
    }
}

/// What this request finds. Authorities' challenges meet no maintenance, and wake nobody.
fn behind<'a>(
    site: &'a Site,
    passed: Passed,
    peer: IpAddr,
    request: &Request<Incoming>,
    has_woken: bool,
) -> Behind<'a> {
    if let Some(maintenance) = &site.maintenance
        && passed == Passed::Visitor
        && !maintenance.lets_pass(site.doors.from(peer, request.headers()))
    {
        return Behind::Held(maintenance);
    }
    match site.unavailable {
        None => Behind::Open,
        Some(Unavailable::Paused { wake: true }) if passed == Passed::Visitor => Behind::Waking,
        Some(Unavailable::Paused { .. }) => Behind::Closed(Page::paused()),
        // It was waited for, and is on its way.
        Some(Unavailable::Starting) if has_woken => Behind::Waking,
        Some(Unavailable::Starting) => Behind::Closed(Page::starting()),
    }
}

impl Waits {
    /// Until when this request may wait for the end of a maintenance; none where too many do.
    fn hold(&mut self, shared: &Shared, site: &Site, maintenance: &Maintenance) -> Option<Instant> {
        let now = Instant::now();
        if maintenance.until <= now {
            return None;
        }
        if self.held.is_none() {
            let bounds = maintenance::bounds(shared.hold_most);
            let place = shared.table.held.place(&site.name, bounds)?;
            self.held = Some((place, now + maintenance::LONGEST));
        }
        let (_, longest) = self.held.as_ref()?;
        Some(maintenance.until.min(*longest))
    }

    /// The same for an environment that wakes; it is wanted from now on.
    fn wake(&mut self, shared: &Shared, site: &Site) -> Option<Instant> {
        let waking = &shared.table.waking;
        if self.woken.is_none() {
            let place = waking.place(&site.name)?;
            self.woken = Some((place, Instant::now() + shared.wake_within));
        }
        if site.unavailable != Some(Unavailable::Starting) {
            waking.want(site);
        }
        self.woken.as_ref().map(|(_, until)| *until)
    }
}
