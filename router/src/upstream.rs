//! The processes that answer: a pool of connections each, and how many requests are in flight.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::{sync::Notify, time::Instant};
use wharf_wire::route::{Protocol, Upstream};

use crate::{request_body::RequestBody, stream::Connector};

/// How long a connection waits for its next request. Common servers close theirs after two seconds
/// (gunicorn) or five (Node, uvicorn); a request that meets the closing is lost, so we close first.
const IDLE: Duration = Duration::from_millis(1_500);
/// Idle connections kept to one process.
const IDLE_CONNECTIONS: usize = 256;

/// A process and what it speaks.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pool: Arc<Pool>,
    pub(crate) protocol: Protocol,
}

/// One process: its connections, and the requests that it has not finished.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) upstream: Upstream,
    pub(crate) client: Client<Connector, RequestBody>,
    in_flight: AtomicU32,
    empty: Notify,
}

impl Pool {
    fn new(upstream: Upstream) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .set_host(false)
            .build(Connector::new(upstream.clone()));
        Self {
            upstream,
            client,
            in_flight: AtomicU32::new(0),
            empty: Notify::new(),
        }
    }

    /// Whether a request is in flight.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    /// Waits until no request is in flight, or the time; answers how many are left.
    async fn drained(&self, deadline: Instant) -> u32 {
        loop {
            let mut empty = std::pin::pin!(self.empty.notified());
            // Listen before looking, or the last one could leave in between.
            empty.as_mut().enable();
            let left = self.in_flight.load(Ordering::SeqCst);
            if left == 0 {
                return 0;
            }
            if tokio::time::timeout_at(deadline, empty).await.is_err() {
                return self.in_flight.load(Ordering::SeqCst);
            }
        }
    }
}

/// One request in flight, for as long as it exists: until the last byte of the answer has arrived,
/// or an upgraded connection has closed.
#[derive(Debug)]
pub(crate) struct Flight(Arc<Pool>);

impl Flight {
    /// Counts a request.
    pub(crate) fn begin(pool: &Arc<Pool>) -> Self {
        pool.in_flight.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(pool))
    }

    /// The process that it is for.
    pub(crate) fn pool(&self) -> &Pool {
        &self.0
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.empty.notify_waiters();
        }
    }
}

/// Every process that a route or a request in flight still knows. A route that is replaced drops its
/// pool, whose idle connections close with it.
#[derive(Debug, Default)]
pub(crate) struct Upstreams(Mutex<HashMap<Upstream, Weak<Pool>>>);

impl Upstreams {
    /// The pool of a process; the same one for as long as anybody holds it.
    pub(crate) fn pool(&self, upstream: &Upstream) -> Arc<Pool> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(upstream).and_then(Weak::upgrade) {
            return pool;
        }
        pools.retain(|_, pool| pool.strong_count() > 0);
        let pool = Arc::new(Pool::new(upstream.clone()));
        pools.insert(upstream.clone(), Arc::downgrade(&pool));
        pool
    }

    /// Waits until no request is in flight to a process, or the time; answers how many are left.
    pub(crate) async fn drained(&self, upstream: &Upstream, deadline: Instant) -> u32 {
        let pool = {
            let pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            pools.get(upstream).and_then(Weak::upgrade)
        };
        match pool {
            Some(pool) => pool.drained(deadline).await,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream() -> Upstream {
        Upstream::Tcp("127.0.0.1:1".parse().expect("an address"))
    }

    #[tokio::test(start_paused = true)]
    async fn drain_waits_for_the_last_request_only() {
        let upstreams = Arc::new(Upstreams::default());
        let pool = upstreams.pool(&upstream());
        let (first, second) = (Flight::begin(&pool), Flight::begin(&pool));
        drop(pool);
        let deadline = Instant::now() + Duration::from_secs(5);
        let waiting = tokio::spawn({
            let upstreams = Arc::clone(&upstreams);
            async move { upstreams.drained(&upstream(), deadline).await }
        });
        tokio::task::yield_now().await;
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        assert_eq!(waiting.await.unwrap(), 0);
        assert!(Instant::now() < deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn drain_says_what_is_left() {
        let upstreams = Upstreams::default();
        let _flight = Flight::begin(&upstreams.pool(&upstream()));
        let deadline = Instant::now() + Duration::from_secs(5);
        assert_eq!(upstreams.drained(&upstream(), deadline).await, 1);
    }

    #[test]
    fn a_pool_lives_as_long_as_somebody_holds_it() {
        let upstreams = Upstreams::default();
        let pool = upstreams.pool(&upstream());
        assert!(Arc::ptr_eq(&pool, &upstreams.pool(&upstream())));
        let weak = Arc::downgrade(&pool);
        drop(pool);
        assert!(weak.upgrade().is_none());
    }
}
