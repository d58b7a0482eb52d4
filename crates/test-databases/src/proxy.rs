//! `FaultProxy`: a network in front of a server, which fails when a test says so.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::{Builder, Runtime},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use crate::blocking::block_on;

/// Passes everything on, until it is told otherwise. It works on a thread of its own, so that a
/// test that blocks holds up nothing.
pub struct FaultProxy {
    /// The address of the server, which may hold a password, and the two ports.
    url: String,
    server_port: u16,
    own_port: u16,
    flow: watch::Sender<Flow>,
    port: Mutex<Port>,
    /// Taken by `drop`.
    runtime: Option<Runtime>,
}

/// What becomes of the bytes.
#[derive(Clone, Copy, Debug)]
struct Flow {
    server: SocketAddr,
    held: bool,
    /// Whether only what the server says is held.
    answers_held: bool,
    /// By how much everything is late, on each way.
    delay: Duration,
    /// By how much a request to cancel is late.
    cancellation_delay: Duration,
}

/// Who has the port.
enum Port {
    /// Whoever connects is refused, and nobody else can take it.
    Reserved(TcpSocket),
    Open(JoinHandle<()>),
    /// For a moment, or for good after a failure.
    Lost,
}

/// Connections that the system accepts while nobody looks. Taste: more than a test opens.
const BACKLOG: u32 = 1024;

impl FaultProxy {
    /// Starts one in front of the server of a database of this crate, or of a Redis.
    ///
    /// # Panics
    /// When the machine has no port or thread left, here and where it is told what to do.
    pub fn in_front_of(url: &str) -> Self {
        let server_port = port_of(url);
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let socket = reserve(0).expect("a free port");
        let port = socket.local_addr().expect("a port").port();
        let flow = Flow {
            server: (Ipv4Addr::LOCALHOST, server_port).into(),
            held: false,
            answers_held: false,
            delay: Duration::ZERO,
            cancellation_delay: Duration::ZERO,
        };
        let proxy = Self {
            url: url.to_owned(),
            server_port,
            own_port: port,
            flow: watch::Sender::new(flow),
            port: Mutex::new(Port::Reserved(socket)),
            runtime: Some(runtime.expect("a thread")),
        };
        proxy.pass();
        proxy
    }

    /// The address of the same database through it.
    pub fn url(&self) -> String {
        let [server, own] = [self.server_port, self.own_port].map(|port| format!("{HOST}:{port}"));
        self.url.replacen(&server, &own, 1)
    }

    /// Passes everything on, beginning with what was held.
    pub fn pass(&self) {
        self.flow.send_modify(|flow| {
            flow.held = false;
            flow.answers_held = false;
        });
        self.open();
    }

    /// Cuts every connection, and refuses new ones: nobody listens.
    pub fn refuse(&self) {
        let mut port = self.port.lock().unwrap_or_else(PoisonError::into_inner);
        if let Port::Open(serving) = std::mem::replace(&mut *port, Port::Lost) {
            serving.abort();
            // It ends with the listener and every connection.
            let _ = block_on(self.runtime(), serving);
        }
        *port = Port::Reserved(reserve(self.own_port).expect("its port is free"));
    }

    /// Accepts connections and keeps those that are there, and passes nothing on either way, as a
    /// network that loses everything. Nothing is lost for good: see [`pass`](Self::pass).
    pub fn black_hole(&self) {
        self.flow.send_modify(|flow| flow.held = true);
        self.open();
    }

    /// Passes on what clients say, and nothing of what the server says, until it
    /// [passes](Self::pass) everything on.
    pub fn black_hole_answers(&self) {
        self.flow.send_modify(|flow| flow.answers_held = true);
        self.open();
    }

    /// Passes everything on so much later, on each way, from the next bytes on.
    pub fn delay(&self, delay: Duration) {
        self.flow.send_modify(|flow| flow.delay = delay);
    }

    /// Passes every `CancelRequest` on so much later, as a slow network may: each takes a
    /// connection of its own, which keeps no order with the one that it is about.
    pub fn delay_cancellations(&self, delay: Duration) {
        self.flow.send_modify(|flow| flow.cancellation_delay = delay);
    }

    fn open(&self) {
        let mut port = self.port.lock().unwrap_or_else(PoisonError::into_inner);
        *port = match std::mem::replace(&mut *port, Port::Lost) {
            Port::Reserved(socket) => {
                let runtime = self.runtime();
                let _within = runtime.enter();
                let listener = socket.listen(BACKLOG).expect("the port is its own");
                Port::Open(runtime.spawn(serve(listener, self.flow.subscribe())))
            }
            other => other,
        };
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("there until the drop")
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The drop may be within another runtime, where nobody may wait.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultProxy").field(&self.own_port).field(&*self.flow.borrow()).finish()
    }
}

/// The host of every server here, as it stands in addresses.
const HOST: &str = "127.0.0.1";

/// The port in an address that this crate has made.
fn port_of(url: &str) -> u16 {
    let (_, rest) = url.rsplit_once(&format!("{HOST}:")).expect("a server of this machine");
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().expect("a port")
}

/// A socket that has the port and does not listen.
fn reserve(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Connections that have just been cut still have the port.
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    Ok(socket)
}

async fn serve(listener: TcpListener, flow: watch::Receiver<Flow>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        // An error is a connection that was cut.
        connections.spawn(relay(client, flow.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Length and code of the packets that are told apart, from the protocol's description ("Message
/// Formats").
const CANCEL_REQUEST: [u8; 8] = [0, 0, 0, 16, 4, 210, 22, 46];
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

async fn relay(mut client: TcpStream, mut flow: watch::Receiver<Flow>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut first = [0; CANCEL_REQUEST.len()];
    client.read_exact(&mut first).await?;
    let Flow { server, cancellation_delay, .. } = passing(&mut flow).await?;
    let mut server = TcpStream::connect(server).await?;
    server.set_nodelay(true)?;
    if first == SSL_REQUEST {
        // Answered by one byte: these servers have no TLS, and the client says what it wants.
        server.write_all(&first).await?;
        let answer = server.read_u8().await?;
        passing(&mut flow).await?;
        client.write_u8(answer).await?;
        client.read_exact(&mut first).await?;
    }
    if first == CANCEL_REQUEST {
        sleep(cancellation_delay).await;
    }
    passing(&mut flow).await?;
    server.write_all(&first).await?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    // An end is passed on; what the other side still says comes after it.
    tokio::try_join!(
        forward(from_client, to_server, flow.clone(), |flow| flow.held),
        forward(from_server, to_client, flow, |flow| flow.held || flow.answers_held),
    )?;
    Ok(())
}

async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut flow: watch::Receiver<Flow>,
    is_held: fn(&Flow) -> bool,
) -> io::Result<()> {
    // Taste: a large answer in few steps.
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        let delay = flow.borrow().delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        flow.wait_for(|flow| !is_held(flow)).await.map_err(io::Error::other)?;
        match count {
            0 => return to.shutdown().await,
            _ => to.write_all(&buffer[..count]).await?,
        }
    }
}

/// Waits while everything is held. An error is the end of the proxy.
async fn passing(flow: &mut watch::Receiver<Flow>) -> io::Result<Flow> {
    flow.wait_for(|flow| !flow.held).await.map(|flow| *flow).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{self, RecvTimeoutError},
        thread,
        time::Instant,
    };

    use super::*;
    use crate::{Engine, Neighbour, TestDatabase, postgres::Session};

    #[test]
    fn what_is_refused_is_cut_and_served_again_later() {
        let database = TestDatabase::on(Engine::Postgres);
        let proxy = FaultProxy::in_front_of(database.url());
        let session = Session::connect(&proxy.url()).expect("is passed on");
        assert_eq!(session.number("SELECT 7"), Ok(7));
        for _ in 0..3 {
            proxy.refuse();
            assert!(Session::connect(&proxy.url()).is_err_and(|e| e.contains("error connecting")));
            proxy.pass();
            assert_eq!(Neighbour::at_server(&proxy.url()).number("SELECT 7"), 7);
        }
        assert!(session.number("SELECT 7").is_err(), "it was cut");
    }

    #[test]
    fn a_black_hole_answers_nobody_and_keeps_what_it_was_given() {
        let database = TestDatabase::on(Engine::Postgres);
        let proxy = FaultProxy::in_front_of(database.url());
        let old = Neighbour::at_server(&proxy.url());
        proxy.black_hole();
        let (sender, answers) = mpsc::channel();
        let (sender_of_old, url) = (sender.clone(), proxy.url());
        thread::spawn(move || sender_of_old.send(old.number("SELECT 7")));
        thread::spawn(move || sender.send(Neighbour::at_server(&url).number("SELECT 7")));
        let soon = Duration::from_millis(300);
        assert_eq!(answers.recv_timeout(soon), Err(RecvTimeoutError::Timeout), "it answers");
        proxy.pass();
        for _ in ["the old connection", "the new one"] {
            assert_eq!(answers.recv(), Ok(7));
        }
    }

    #[test]
    fn a_cancellation_is_delayed_and_nothing_else() {
        let database = TestDatabase::on(Engine::Postgres);
        let proxy = FaultProxy::in_front_of(database.url());
        proxy.delay_cancellations(Duration::from_millis(300));
        let begun = Instant::now();
        let session = Session::connect(&proxy.url()).expect("is passed on");
        assert!(begun.elapsed() < Duration::from_millis(300), "{:?}", begun.elapsed());
        let cancelled = thread::scope(|scope| {
            let sleeping = scope.spawn(|| session.run("SELECT pg_sleep(60)"));
            let is_asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)'
                             AND state = 'active' AND datname = current_database()
                             AND pid <> pg_backend_pid()";
            let looking = database.neighbour();
            while looking.number(is_asleep) == 0 {}
            let begun = Instant::now();
            session.cancel().expect("is sent");
            let cancelled = sleeping.join().expect("no panic");
            assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
            cancelled
        });
        assert!(cancelled.is_err_and(|error| error.contains("canceling statement")));
    }
}
