//! Logs of several processes, and what else is in such files.

use serde_json::json;

use super::*;

const ID: &str = "01a2014e-4363-7311-b5a5-bc9f7dda1d57";

fn search(id: &str, logs: &[&[u8]]) -> Found {
    let mut search = Search::new(id);
    for log in logs {
        search.read(*log).expect("reads");
    }
    search.finish()
}

fn event(time: &str, id: &str, msg: &str) -> String {
    json!({ "time": time, "level": "warn", "msg": msg, "id": id, "trace_id": "t" }).to_string()
}

/// What was found, by the message.
fn messages(found: &Found) -> Vec<&str> {
    found.lines.iter().map(|line| text(line, "msg")).collect()
}

#[test]
fn lines_of_several_processes_are_in_the_order_of_their_time() {
    let at = |second: u8, id, msg| event(&format!("2026-11-22T03:30:{second:02}.000Z"), id, msg);
    let first = [at(1, ID, "one"), at(3, "other", "not this"), at(5, ID, "five")].join("\n");
    let second = format!("{}\r\n\r\n{}", at(4, ID, "four"), at(2, ID, "two"));
    let found = search(ID, &[first.as_bytes(), second.as_bytes()]);
    assert_eq!(messages(&found), ["one", "two", "four", "five"]);
    assert_eq!((found.read, found.skipped, found.omitted), (6, 0, 0));
    assert_eq!(messages(&search("t", &[first.as_bytes()])), ["one", "not this", "five"]);
    // An id somewhere else in a line is about something else.
    let other = json!({ "msg": "about", "user_id": ID, "text": ID }).to_string();
    assert!(search(ID, &[other.as_bytes()]).lines.is_empty());
}

#[test]
fn what_is_no_line_of_a_log_is_skipped_and_counted() {
    let wanted = event("2026-11-22T03:30:01.000Z", ID, "wanted");
    let huge = format!("{{\"id\":\"{ID}\",\"text\":\"{}\"}}", "x".repeat(200 << 10));
    let junk: Vec<&[u8]> = vec![
        b"Starting accounts...",
        b"[1, 2]",
        b"\xff\xfe\x00",
        huge.as_bytes(),
        b"{\"id\":\"01a2014e-4363-7311-b5a5-bc9f7dda1d57\",\"torn",
        wanted.as_bytes(),
    ];
    let found = search(ID, &[&junk.join(&b'\n')]);
    assert_eq!((messages(&found), found.read, found.skipped), (vec!["wanted"], 6, 5));
}

#[test]
fn an_endless_line_and_endless_finds_take_no_more_memory() {
    struct Endless(u64);

    impl io::Read for Endless {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let length = (out.len() as u64).min(self.0);
            self.0 -= length;
            out[..length as usize].fill(b'{');
            Ok(length as usize)
        }
    }

    let mut search_endless = Search::new(ID);
    let endless = io::BufReader::new(Endless(64 << 20));
    search_endless.read(endless).expect("reads");
    assert_eq!(search_endless.finish().skipped, 1);

    let line = event("2026-11-22T03:30:01.000Z", ID, "again") + "\n";
    let found = search(ID, &[line.repeat(LINES_MAX + 5).as_bytes()]);
    assert_eq!((found.lines.len(), found.omitted), (LINES_MAX, 5));
}

#[test]
fn a_request_line_becomes_the_head_of_the_request_and_an_event_one_line() {
    let request = json!({
        "time": "2026-11-22T03:30:36.003Z", "level": "info", "msg": "request", "id": ID,
        "trace_id": "edd8e08bfddf8d842011236b51697a5a", "span_id": "3741883988876ab4",
        "module": "users", "method": "POST", "route": "/users", "status": 503, "ms": 0.36,
        "bytes_in": 33, "bytes_out": 471, "code": "STORE_UNAVAILABLE", "cause": "a\u{1b}[2Jb",
        "client": "127.0.0.0/24",
    });
    let found = search(ID, &[request.to_string().as_bytes()]);
    let shown = show(&found.lines[0], Paint::Plain);
    assert!(shown.starts_with("POST /users → 503 STORE_UNAVAILABLE  0.360 ms\n"), "{shown}");
    assert!(shown.contains("  cause    a\\u001b[2Jb\n"), "{shown}");
    assert!(!shown.contains("process"), "the log does not say which: {shown}");

    let event = json!({
        "time": "2026-11-22T03:30:36.001Z", "level": "warn", "msg": "authn\u{9b}1m", "id": ID,
        "target": "security", "n\n": 1, "why": "x\u{202e}y",
    });
    let found = search(ID, &[event.to_string().as_bytes()]);
    let expected = "2026-11-22T03:30:36.001Z  warn  authn\\u009b1m  security n\\u000a=1 \
                    why=x\\u202ey\n";
    assert_eq!(show(&found.lines[0], Paint::Plain), expected);
}
