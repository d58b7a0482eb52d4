//! The log of the real binary: moved away, blocked, on a full disk. The service goes on, and no
//! line is missing without being counted.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use serde_json::Value;
use tokio::task::JoinSet;

use crate::{process::Service, support::until};

/// Requests on each connection before their answers are read.
const PIPELINED: usize = 50;

/// Sends so many requests, on four connections, and gives their ids.
async fn send(service: &Service, rounds: usize) -> Vec<String> {
    let mut sending = JoinSet::new();
    for _ in 0..4 {
        let mut wire = service.wire().await;
        sending.spawn(async move {
            let mut ids = Vec::new();
            for _ in 0..rounds {
                wire.send("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n".repeat(PIPELINED)).await;
                for _ in 0..PIPELINED {
                    let reply = wire.reply().await;
                    assert_eq!(reply.status, 404);
                    ids.push(reply.header("x-request-id").to_owned());
                }
            }
            ids
        });
    }
    sending.join_all().await.concat()
}

/// How often each request is in a log of whole lines, and how many lines it says are lost.
fn seen(text: &str) -> (BTreeMap<String, usize>, u64) {
    let (mut seen, mut lost) = (BTreeMap::new(), 0);
    for line in text.lines() {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        lost += line["lost"].as_u64().unwrap_or_default();
        if line["msg"] == "request" {
            *seen.entry(line["id"].as_str().expect("an id").to_owned()).or_default() += 1;
        }
    }
    (seen, lost)
}

/// Each request is there once, but for as many as are told to be lost.
fn assert_accounted_for(text: &str, sent: &[String]) {
    let (requests, lost) = seen(text);
    assert!(requests.values().all(|times| *times == 1), "a line is there twice");
    assert_eq!(requests.len() + usize::try_from(lost).expect("few"), sent.len());
    assert!(requests.keys().all(|id| sent.contains(id)));
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test]
async fn sighup_after_a_rename_begins_a_new_file_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, moved) = (folder.path().join("service.log"), folder.path().join("service.log.old"));
    let mut service = Service::start(folder.path(), &[("LOG_FILE", "service.log")]).await;
    let mut sent = send(&service, 2).await;
    fs::rename(&path, &moved).expect("a rename");
    sent.extend(send(&service, 2).await);
    service.hang_up();
    until("the file is there again", async || path.exists().then_some(())).await;
    sent.extend(send(&service, 2).await);
    service.terminate();
    assert_eq!(service.ended().await, Some(0), "SIGHUP did not end it");
    let (before, after) = (read(&moved), read(&path));
    let requests = |text: &str| text.matches("\"msg\":\"request\"").count();
    // What was still waiting for the writer when the signal came is in the new file.
    assert!(requests(&before) >= 400, "what was written before the rename");
    assert!(requests(&after) >= 400, "what was sent after the signal");
    assert_eq!(requests(&before) + requests(&after), 1200);
    assert_accounted_for(&(before + &after), &sent);
}

#[tokio::test]
async fn a_log_that_nobody_reads_blocks_no_request_and_little_memory() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The service holds the reading end itself, and never reads.
    let script = "mkfifo pipe; sed -u '/\"serving\"/q' <pipe & exec 4<>pipe >pipe";
    let service = Service::start_after(folder.path(), script).await;
    let before = service.memory_kib();
    // Half as much again as the pipe and both buffers hold.
    let sent = send(&service, 40).await;
    let grown = service.memory_kib().saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB");

    let mut pipe = File::open(folder.path().join("pipe")).expect("a pipe");
    let reading = tokio::task::spawn_blocking(move || {
        let (mut text, mut part) = (Vec::new(), vec![0; 1 << 16]);
        let is_told = |text: &[u8]| text.windows(7).rev().take(300).any(|w| w == b"\"lost\":");
        while !is_told(&text) || text.last() != Some(&b'\n') {
            let count = pipe.read(&mut part).expect("bytes");
            text.extend_from_slice(&part[..count]);
        }
        String::from_utf8(text).expect("UTF-8")
    });
    let text = reading.await.expect("the losses are told");
    // The line that says "serving", and what came before it, went another way.
    let whole = text
        .split_once("\"msg\":\"request\"")
        .map_or(0, |(before, _)| before.rfind('\n').map_or(0, |end| end + 1));
    assert_accounted_for(&text[whole..], &sent);
}

#[tokio::test]
async fn a_log_on_a_full_disk_goes_on_when_there_is_room_and_tears_no_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // No file may grow beyond 512 blocks, and the signal that would end the process is ignored.
    let service = Service::start_after(folder.path(), "trap '' XFSZ; ulimit -S -f 512").await;
    let before = service.memory_kib();
    let mut sent = send(&service, 40).await;
    assert!(service.output().len() <= 512 * 512, "it is full");
    let grown = service.memory_kib().saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB");
    service.make_room();
    let told = async || service.output().contains("\"log lines lost\"").then_some(());
    until("the losses are told", told).await;
    sent.extend(send(&service, 1).await);
    let end = sent.last().expect("requests").clone();
    until("the end is there", async || service.output().contains(&end).then_some(())).await;
    let everything = async || {
        let text = service.output();
        let (requests, lost) = seen(&text);
        (requests.len() + usize::try_from(lost).expect("few") == sent.len()).then_some(text)
    };
    let text = until("every request is accounted for", everything).await;
    assert_accounted_for(&text, &sent);
}
