//! Instructions per request in user space, counted by valgrind's callgrind: the same from run to
//! run, whatever else the machine does. The kernel's share is not in it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    load::Scenario,
    process::{self, Place, Server},
};

/// Requests of the short and the long run; the difference leaves start and stop out.
const SHORT: usize = 500;
const LONG: usize = 3_500;

/// Keep-alive connections; requests go round them.
const CONNECTIONS: usize = 8;

/// What one more request costs the server process in user space.
pub(crate) fn user_instructions(
    binary: &str,
    scenario: &Scenario,
    place: Place<'_>,
) -> Result<f64> {
    let short = total(binary, scenario, place, SHORT)?;
    let long = total(binary, scenario, place, LONG)?;
    Ok((long - short) / (LONG - SHORT) as f64)
}

fn total(binary: &str, scenario: &Scenario, place: Place<'_>, requests: usize) -> Result<f64> {
    let (program, arguments) = process::words(binary)?;
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(arguments)
        .stderr(Stdio::piped());
    let server = Server::start_by(command, place)
        .context("valgrind; on Debian: apt-get install valgrind")?;
    let (path, header) = match scenario.prepare {
        // A database of its own has an administrator of its own.
        Some(prepare) if !place.is_shared() => prepare(&server)?,
        _ => (scenario.path.clone(), scenario.header.clone().unwrap_or_default()),
    };
    load(&server, scenario, &path, &header, requests)?;
    let report = server.stop()?;
    let collected = report.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = collected.with_context(|| format!("callgrind's count in:\n{report}"))?;
    Ok(count.trim().parse()?)
}

fn load(
    server: &Server,
    scenario: &Scenario,
    path: &str,
    header: &str,
    requests: usize,
) -> Result<()> {
    let connect = |_| TcpStream::connect(("127.0.0.1", server.port)).map(BufReader::new);
    let mut connections = (0..CONNECTIONS).map(connect).collect::<Result<Vec<_>, _>>()?;
    for number in 0..requests {
        let connection = &mut connections[number % CONNECTIONS];
        let request = request(scenario, path, header, number);
        connection.get_mut().write_all(request.as_bytes())?;
        let status = read_answer(connection)?;
        let expected = if scenario.post == Some("invalid") { 422 } else { 200 };
        ensure!(status == expected || status == 201, "answered {status}");
    }
    Ok(())
}

fn request(scenario: &Scenario, path: &str, header: &str, number: usize) -> String {
    let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
    let Some(mode) = scenario.post else {
        return format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n");
    };
    let body = match mode {
        "valid" | "keyed" => format!(
            "{{\"email\":\"bench-{number}@example.com\",\"name\":\"Bench User {number}\",\
             \"age\":{}}}",
            18 + number % 60
        ),
        _ => "{\"email\":\"not-an-email\",\"name\":\"\",\"age\":-5}".to_owned(),
    };
    let key = match mode {
        "keyed" => format!("Idempotency-Key: bench-{number}\r\n"),
        _ => String::new(),
    };
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{key}{header}\r\n{body}",
        body.len()
    )
}

fn read_answer(connection: &mut BufReader<TcpStream>) -> Result<u16> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let status = line.split(' ').nth(1).context("a status")?.parse()?;
    let mut length = 0;
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok(status)
}
