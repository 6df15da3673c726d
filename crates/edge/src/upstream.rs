//! Connections to endpoints: opened when needed, kept a while for the next request.
//!
//! Each core has its own pool, so nothing is locked. Last in, first out: the connections in use
//! stay few and warm, and the rest age out.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use model::Moment;
use runtime::net::TcpStream;

use crate::meters::CoreMeters;

/// Idle connections that one core keeps to one endpoint; more are closed. They never outnumber the
/// requests that were there at once a moment ago, and age out, so the bound is for bursts: a lower
/// one makes a busy core open and close connections all the time.
pub(crate) const IDLE_PER_ENDPOINT_MAX: usize = 512;

/// An open connection to an endpoint.
pub(crate) struct Upstream {
    pub(crate) stream: TcpStream,
    /// It has carried a request before, so it may have died while it was idle.
    pub(crate) is_reused: bool,
    meters: Arc<CoreMeters>,
}

/// One core's idle connections.
pub(crate) struct Pool {
    /// By endpoint, ascending. A core has few endpoints and asks twice per request, so a search in
    /// one short list beats hashing.
    idle: RefCell<Vec<(u64, Vec<Idle>)>>,
    per_endpoint_max: Cell<usize>,
    meters: Arc<CoreMeters>,
}

struct Idle {
    upstream: Upstream,
    since: Moment,
}

impl Upstream {
    /// Takes charge of a fresh connection.
    pub(crate) fn new(stream: TcpStream, meters: &Arc<CoreMeters>) -> Self {
        meters.connections.upstream_opened.add(1);
        meters.connections.upstream_open.add(1);
        Self { stream, is_reused: false, meters: Arc::clone(meters) }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.meters.connections.upstream_open.sub(1);
    }
}

impl Pool {
    pub(crate) fn new(meters: Arc<CoreMeters>) -> Self {
        let per_endpoint_max = Cell::new(IDLE_PER_ENDPOINT_MAX);
        Self { idle: RefCell::default(), per_endpoint_max, meters }
    }

    /// The idle connection used last, if it is still good. `careful` asks the kernel and not only
    /// the reactor: worth a system call when the request must not be sent twice.
    pub(crate) fn take(&self, endpoint: u64, careful: bool) -> Option<Upstream> {
        let mut idle = self.idle.borrow_mut();
        let place = idle.binary_search_by_key(&endpoint, |(id, _)| *id).ok()?;
        let (_, stack) = idle.get_mut(place)?;
        while let Some(Idle { mut upstream, .. }) = stack.pop() {
            self.meters.connections.upstream_idle.sub(1);
            let stream = &upstream.stream;
            if if careful { stream.is_quiet_now() } else { stream.is_quiet() } {
                upstream.is_reused = true;
                return Some(upstream);
            }
        }
        None
    }

    /// Keeps a connection whose last answer was read to its very end.
    pub(crate) fn put(&self, endpoint: u64, upstream: Upstream, now: Moment) {
        let mut idle = self.idle.borrow_mut();
        let place = match idle.binary_search_by_key(&endpoint, |(id, _)| *id) {
            Ok(place) => place,
            Err(place) => {
                idle.insert(place, (endpoint, Vec::new()));
                place
            }
        };
        let Some((_, stack)) = idle.get_mut(place) else { return };
        if stack.len() < self.per_endpoint_max.get() {
            stack.push(Idle { upstream, since: now });
            self.meters.connections.upstream_idle.add(1);
        }
    }

    /// Closes what was idle for `idle_max` or was closed by the other side.
    pub(crate) fn sweep(&self, now: Moment, idle_max: Duration) {
        self.retain(|_, idle| now - idle.since < idle_max && idle.upstream.stream.is_quiet());
    }

    /// Closes connections to endpoints that are gone.
    pub(crate) fn retain_endpoints(&self, keep: impl Fn(u64) -> bool) {
        self.retain(|endpoint, _| keep(endpoint));
    }

    fn retain(&self, keep: impl Fn(u64, &Idle) -> bool) {
        let counter = &self.meters.connections.upstream_idle;
        self.idle.borrow_mut().retain_mut(|(endpoint, stack)| {
            stack.retain(|idle| {
                let keeps = keep(*endpoint, idle);
                if !keeps {
                    counter.sub(1);
                }
                keeps
            });
            !stack.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use runtime::control::block_on;
    use runtime::net::Listener;

    use super::*;

    async fn link(pool: &Pool) -> (Upstream, TcpStream) {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Upstream::new(near, &pool.meters), listener.accept().await.unwrap().0)
    }

    #[test]
    fn the_connection_used_last_comes_back_first_and_dead_ones_never() {
        block_on(async {
            let pool = Pool::new(Arc::default());
            let ((first, _far1), (second, far2)) = (link(&pool).await, link(&pool).await);
            let near2 = second.stream.local_addr().unwrap();
            pool.put(7, first, Moment::START);
            pool.put(7, second, Moment::START);
            assert!(pool.take(8, false).is_none());
            let again = pool.take(7, true).unwrap();
            assert_eq!(again.stream.local_addr().unwrap(), near2);
            assert!(again.is_reused);
            pool.put(7, again, Moment::START);
            drop(far2);
            let live = pool.take(7, true).unwrap();
            assert_ne!(live.stream.local_addr().unwrap(), near2);
            assert!(pool.take(7, true).is_none());
            assert_eq!(pool.meters.connections.upstream_idle.get(), 0);
        })
        .unwrap();
    }

    #[test]
    fn as_many_as_allowed_are_kept_and_the_next_is_closed() {
        block_on(async {
            let pool = Pool::new(Arc::default());
            pool.per_endpoint_max.set(2);
            let mut far = Vec::new();
            for _ in 0..3 {
                let (near, other) = link(&pool).await;
                far.push(other);
                pool.put(1, near, Moment::START);
            }
            assert_eq!(pool.meters.connections.upstream_idle.get(), 2);
            assert_eq!(pool.meters.connections.upstream_open.get(), 2);
        })
        .unwrap();
    }

    #[test]
    fn old_connections_and_those_of_removed_endpoints_are_closed() {
        block_on(async {
            let pool = Pool::new(Arc::default());
            let ((old, _far1), (young, _far2)) = (link(&pool).await, link(&pool).await);
            pool.put(1, old, Moment::from_millis(0));
            pool.put(2, young, Moment::from_millis(50));
            pool.sweep(Moment::from_millis(100), Duration::from_millis(100));
            assert!(pool.take(1, true).is_none());
            pool.retain_endpoints(|endpoint| endpoint != 2);
            assert!(pool.take(2, true).is_none());
            assert_eq!(pool.meters.connections.upstream_open.get(), 0);
        })
        .unwrap();
    }
}
