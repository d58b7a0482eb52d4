//! Accepts connections, and sees them off at the end.

use std::{fmt, io, mem, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    Service,
    connection::Shared,
    lifecycle::{Drained, OpenCount, ServerStats, Shutdown},
    options::ServerOptions,
};

/// Connections the kernel completes while we are busy. 1,024: a quarter of Linux' own cap
/// (`net.core.somaxconn`), and a burst of that size is accepted within milliseconds.
const BACKLOG: i32 = 1024;

/// The pause after a failed accept, doubling up to the second figure. Taste: the first goes
/// unnoticed, the second is how late a freed descriptor is noticed at worst.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A bound server that has not begun to serve.
pub struct Server {
    listener: TcpListener,
    options: ServerOptions,
    stats: Arc<ServerStats>,
}

impl Server {
    /// Binds and listens; from here on clients can connect, and wait.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn bind(address: SocketAddr, options: ServerOptions) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restarted server must not wait for its predecessor's closed connections.
        socket.set_reuse_address(true)?;
        // Accepted sockets inherit it, which saves a call for each.
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        Ok(Self { listener, options, stats: Arc::default() })
    }

    /// Where it listens: tells the port when 0 was asked for.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What it counts; stays valid while it runs and after.
    pub fn stats(&self) -> Arc<ServerStats> {
        Arc::clone(&self.stats)
    }

    /// Serves until `shutdown`, then drains. Dropping the future cuts every connection.
    pub async fn run<S: Service>(self, service: Arc<S>, shutdown: Shutdown) -> Drained {
        let Self { listener, options, stats } = self;
        let (pre_drain, grace, deadline) =
            (options.pre_drain, options.drain_grace, options.drain_deadline);
        let mut acceptor = Acceptor::new(listener, options.connections_max, Arc::clone(&stats));
        let (drain, draining) = watch::channel(false);
        let stop = async {
            shutdown.draining().await;
            if !pre_drain.is_zero() {
                sleep(pre_drain).await;
            }
        };
        let shared =
            Arc::new(Shared::new(service, options, Arc::clone(&stats), shutdown.clone(), draining));

        let mut connections = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                accepted = acceptor.accept() => accepted.serve(&shared, &mut connections),
            }
        }
        // Its error says that nobody is waiting any more, or that nobody can be accepted.
        let _ = acceptor.accept_waiting(|accepted| accepted.serve(&shared, &mut connections));
        if !all_end_within(grace, &mut connections).await {
            drain.send_replace(true);
        }
        let completed = all_end_within(deadline, &mut connections).await;
        let connections_aborted = connections.len();
        stats.aborted_total.add(connections_aborted as u64);
        connections.shutdown().await;
        Drained { completed, connections_aborted }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// Waits for the connections to end; false when some have not in time.
async fn all_end_within(limit: Duration, connections: &mut JoinSet<()>) -> bool {
    let all_end = async { while connections.join_next().await.is_some() {} };
    timeout(limit, all_end).await.is_ok()
}

/// A connection and its share of what it counts against.
struct Accepted {
    stream: TcpStream,
    address: SocketAddr,
    permit: OwnedSemaphorePermit,
    open: OpenCount,
}

impl Accepted {
    fn new(
        stream: TcpStream,
        address: SocketAddr,
        permit: OwnedSemaphorePermit,
        stats: &Arc<ServerStats>,
    ) -> Self {
        stats.accepted_total.increment();
        Self { stream, address, permit, open: OpenCount::new(Arc::clone(stats)) }
    }

    fn serve<S: Service>(self, shared: &Arc<Shared<S>>, connections: &mut JoinSet<()>) {
        let Self { stream, address, permit, open } = self;
        let shared = Arc::clone(shared);
        connections.spawn(async move {
            let _held = (permit, open);
            shared.serve(stream, address).await;
        });
    }
}

/// The listener, the connection limit, and patience with an exhausted system.
struct Acceptor {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    full: bool,
    backoff: Backoff,
    stats: Arc<ServerStats>,
}

impl Acceptor {
    fn new(listener: TcpListener, connections_max: usize, stats: Arc<ServerStats>) -> Self {
        let permits = Arc::new(Semaphore::new(connections_max));
        Self { listener, permits, full: false, backoff: Backoff::default(), stats }
    }

    /// The next connection, once there is room for it. Cancel-safe.
    async fn accept(&mut self) -> Accepted {
        let permit = self.permit().await;
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    self.backoff = Backoff::default();
                    return Accepted::new(stream, address, permit, &self.stats);
                }
                Err(error) => self.recover(&error).await,
            }
        }
    }

    /// Closes the listener, after accepting what the kernel has connected already: closing would
    /// reset those clients, and some have sent a request.
    fn accept_waiting(self, mut serve: impl FnMut(Accepted)) -> io::Result<()> {
        let Self { listener, permits, stats, .. } = self;
        let listener = listener.into_std()?;
        while let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            let (stream, address) = listener.accept()?;
            stream.set_nonblocking(true)?;
            let stream = TcpStream::from_std(stream)?;
            serve(Accepted::new(stream, address, permit, &stats));
        }
        Ok(())
    }

    async fn permit(&mut self) -> OwnedSemaphorePermit {
        let now_full = self.permits.available_permits() == 0;
        if !mem::replace(&mut self.full, now_full) && now_full {
            self.stats.saturated_total.increment();
        }
        let permits = Arc::clone(&self.permits);
        permits.acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Waits as long as the error asks for. Nothing `accept` reports is a reason to stop serving.
    async fn recover(&mut self, error: &io::Error) {
        self.stats.accept_errors_total.increment();
        if concerns_one_connection(error) {
            return;
        }
        // Out of descriptors or memory. The first failure of a burst speaks for all of it.
        let pause = self.backoff.next_pause();
        if pause == PAUSE_MIN {
            tracing::warn!(%error, "cannot accept connections; trying again");
        }
        sleep(pause).await;
    }
}

/// The pauses of one burst of failures.
struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(PAUSE_MIN)
    }
}

impl Backoff {
    fn next_pause(&mut self) -> Duration {
        let doubled = (self.0 * 2).min(PAUSE_MAX);
        mem::replace(&mut self.0, doubled)
    }
}

/// Whether the error is about a client that gave up before it was accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_10_ms_to_1_s() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..9).map(|_| backoff.next_pause().as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }

    #[tokio::test]
    async fn an_exhausted_system_is_waited_for_and_a_lost_client_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mut acceptor = Acceptor::new(listener, 1, Arc::default());
        acceptor.recover(&io::ErrorKind::ConnectionAborted.into()).await;
        assert_eq!(acceptor.backoff.0, PAUSE_MIN);
        // EMFILE.
        acceptor.recover(&io::Error::from_raw_os_error(24)).await;
        assert_eq!(acceptor.backoff.0, PAUSE_MIN * 2);
        assert_eq!(acceptor.stats.accept_errors_total.get(), 2);
    }
}
