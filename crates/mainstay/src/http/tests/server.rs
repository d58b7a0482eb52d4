//! A server that answers each request as its script says, down to the bytes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
};

use super::BaseUrl;

/// What happens to a request.
pub(super) enum Act {
    /// It gets these bytes.
    Say(String),
    /// It gets the first once, and then the second for as long as it listens.
    SayForever(&'static str, String),
    /// It gets these bytes and then nothing, on an open connection.
    SayAndHang(&'static str),
    /// It gets these bytes, and its connection ends.
    SayAndClose(&'static str),
    /// Its connection ends.
    Close,
}

/// Ends with the test.
pub(super) struct Scripted {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    /// Has a permit for each answer that hung until the other end closed.
    hung: Arc<Semaphore>,
    task: JoinHandle<()>,
}

/// An answer with a body and further lines of its head, which end in CRLF.
pub(super) fn answer(status: u16, head: &str, body: &str) -> Act {
    let length = body.len();
    Act::Say(format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{head}\r\n{body}"))
}

impl Scripted {
    /// Answers the n-th request, from 0, as `script` says.
    pub(super) async fn start(script: impl Fn(usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let hung = Arc::new(Semaphore::new(0));
        let (script, seen, left) = (Arc::new(script), heads.clone(), hung.clone());
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.expect("listening");
                let (script, seen, left) = (script.clone(), seen.clone(), left.clone());
                // Whoever goes away ends it.
                tokio::spawn(async move { serve(socket, &*script, &seen, &left).await.ok() });
            }
        });
        Self { address, heads, hung, task }
    }

    pub(super) fn base(&self) -> BaseUrl {
        format!("http://{}", self.address).parse().expect("an address")
    }

    /// The heads of all requests so far.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until an answer that hangs has been given up.
    pub(super) async fn given_up(&self) {
        self.hung.acquire().await.expect("open").forget();
    }

    /// How many requests there were.
    pub(super) fn requests(&self) -> usize {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut socket: TcpStream,
    script: &(impl Fn(usize) -> Act + Sync),
    seen: &Mutex<Vec<String>>,
    hung: &Semaphore,
) -> std::io::Result<()> {
    loop {
        let Some(head) = read(&mut socket).await? else { return Ok(()) };
        let number = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(head);
            seen.len() - 1
        };
        match script(number) {
            Act::Say(text) => socket.write_all(text.as_bytes()).await?,
            Act::SayForever(once, again) => {
                socket.write_all(once.as_bytes()).await?;
                loop {
                    socket.write_all(again.as_bytes()).await?;
                }
            }
            Act::SayAndHang(text) => {
                socket.write_all(text.as_bytes()).await?;
                let more = socket.read_u8().await;
                hung.add_permits(1);
                more?;
            }
            Act::SayAndClose(text) => return socket.write_all(text.as_bytes()).await,
            Act::Close => return Ok(()),
        }
    }
}

/// The head of a request, whose body is read as well; `None` at the end of the connection.
async fn read(socket: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length = length.and_then(|text| text.parse().ok()).unwrap_or(0);
            while bytes.len() < end + 4 + length {
                if socket.read_buf(&mut bytes).await? == 0 {
                    return Ok(None);
                }
            }
            return Ok(Some(head));
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}
