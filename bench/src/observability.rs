//! What it costs to watch a request: its line, the metrics, its steps and the recorder, and the
//! export of every trace.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
};

use anyhow::Result;

use crate::{
    contest::{self, Contender, Row, by_round},
    load::Scenario,
    process::{Place, Server},
};

pub(crate) fn measure(folder: &Path) -> Result<String> {
    let place = Place::embedded(folder);
    let collector = collect()?;
    let (some, all) =
        (format!("observed export={collector}"), format!("observed export={collector},1"));
    let servers = [
        ("nothing", "observed none"),
        ("line, metrics, steps, recorder", "observed on"),
        ("the same, and traces exported at the default ratio", &some),
        ("the same, and every trace exported", &all),
    ];
    let servers =
        servers.map(|(name, binary)| anyhow::Ok((name, binary, Server::start(binary, place)?)));
    let servers: Vec<_> = servers.into_iter().collect::<Result<_>>()?;
    let contenders: Vec<_> = servers
        .iter()
        .map(|(name, binary, server)| {
            let scenario = Scenario::get("/noop");
            Contender { name, binary, server, scenario }
        })
        .collect();
    Ok(table(&contest::run(&contenders, place)?))
}

/// Starts what takes everything and says yes; gives its port.
fn collect() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that ends is the exporter's to make again.
            thread::spawn(move || drop(accept_all(stream)));
        }
    });
    Ok(port)
}

fn accept_all(stream: TcpStream) -> Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| watched | k user instructions/request | above nothing | CPU us/request \
         | above nothing, by round | requests/s | RSS MB |\n|---|---|---|---|---|---|---|\n",
    );
    let Some(floor) = rows.first() else { return text };
    for row in rows {
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:+.1} | {:.2} | {} | {:.0} | {:.0} |",
            row.name,
            row.instructions / 1e3,
            (row.instructions - floor.instructions) / 1e3,
            row.median(|run| run.cpu_us),
            by_round(&row.cpu_above(floor)),
            row.median(|run| run.rate),
            row.median(|run| run.rss_mb),
        );
    }
    text
}
