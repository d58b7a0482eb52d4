//! Log files that are rotated, moved away, full, or a pipe: no line is lost, doubled or torn.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use mainstay_core::{RequestId, RequestLine};

use super::{PATIENCE, config, nobody, request};
use crate::telemetry::Telemetry;

fn log_at(path: &Path, settings: &[(&str, &str)]) -> Telemetry {
    let file = [("LOG_FILE", path.to_str().expect("UTF-8"))];
    Telemetry::new(&config(&[&file, settings].concat()), nobody).expect("it can be opened")
}

fn record(log: &Telemetry, id: &str) {
    let id = RequestId::parse(id).expect("well formed");
    log.request_log().record(&RequestLine { id: &id, ..request() });
}

/// How often each request is in the files of a folder, every line of which is whole.
fn requests(folder: &Path) -> BTreeMap<String, u32> {
    let mut seen = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        for line in fs::read_to_string(&path).expect("a file").lines() {
            let line: serde_json::Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{}: {error}: {line}", path.display()));
            if let Some(id) = line["id"].as_str() {
                *seen.entry(id.to_owned()).or_default() += 1;
            }
        }
    }
    seen
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

/// Records so many requests on four threads, never more at once than the buffer holds.
fn load(log: &Telemetry, each: usize) {
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for n in 0..each {
                    record(log, &format!("r-{thread}-{n}"));
                    if n % 200 == 0 {
                        assert!(log.flush(PATIENCE));
                    }
                }
            });
        }
    });
    assert!(log.flush(PATIENCE));
    assert_eq!(log.dropped(), 0);
}

fn assert_each_once(folder: &Path, expected: usize) {
    let seen = requests(folder);
    assert_eq!(seen.len(), expected);
    assert!(seen.values().all(|times| *times == 1));
}

#[test]
fn rotation_under_load_loses_and_doubles_no_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("service.log");
    let keeps_all = [("MAINSTAY_LOG__ROTATE_BYTES", "1048576"), ("MAINSTAY_LOG__FILES_KEPT", "99")];
    let log = log_at(&path, &keeps_all);
    load(&log, 4000);
    assert_each_once(folder.path(), 16_000);
    assert!(names(folder.path()).len() > 4, "{:?}", names(folder.path()));
    for name in names(folder.path()) {
        let size = fs::metadata(folder.path().join(&name)).expect("a file").len();
        assert!(size <= 1 << 20, "{name} has {size} bytes");
    }
}

#[test]
fn only_the_latest_files_are_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("service.log");
    let log = log_at(
        &path,
        &[("MAINSTAY_LOG__ROTATE_BYTES", "1048576"), ("MAINSTAY_LOG__FILES_KEPT", "2")],
    );
    load(&log, 4000);
    assert_eq!(names(folder.path()), ["service.log", "service.log.1", "service.log.2"]);
    // What is kept is the end without a gap: each thread's requests up to its last.
    let seen = requests(folder.path());
    for thread in 0..4 {
        let prefix = format!("r-{thread}-");
        let numbers = seen.keys().filter_map(|id| id.strip_prefix(&prefix)?.parse::<usize>().ok());
        let (least, count) = numbers.fold((4000, 0), |(least, n), id| (id.min(least), n + 1));
        assert_eq!(least + count, 4000, "thread {thread}");
    }
}

#[test]
fn a_file_that_is_moved_away_under_load_is_begun_anew_and_no_line_is_lost() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("service.log");
    let log = log_at(&path, &[]);
    thread::scope(|scope| {
        let loading = scope.spawn(|| load(&log, 4000));
        let mut moved = 0;
        while !loading.is_finished() {
            if path.exists() {
                fs::rename(&path, folder.path().join(format!("moved-{moved}"))).expect("a rename");
                moved += 1;
                log.reopen();
            }
            thread::yield_now();
        }
        assert!(moved > 1, "moved {moved} times");
    });
    assert_each_once(folder.path(), 16_000);
}

#[test]
fn a_file_is_put_aside_for_its_age_also_by_a_process_that_did_not_begin_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("service.log");
    let mut rotation = super::super::rotation::LogFile::open(
        &path,
        super::super::rotation::Rotation {
            bytes_max: None,
            age_max: Some(Duration::ZERO),
            files_kept: 3,
        },
    )
    .expect("a writable folder");
    rotation.rotate_before(1).expect("nothing to do");
    assert_eq!(names(folder.path()), ["service.log"], "an empty file is kept");
    rotation.write(b"old\n").expect("a writable file");
    rotation.rotate_before(1).expect("a writable folder");
    assert_eq!(names(folder.path()), ["service.log", "service.log.1"]);
}

#[test]
fn a_file_that_cannot_be_rotated_is_written_on_and_the_log_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("service.log");
    // A folder is where the old file would go.
    fs::create_dir(folder.path().join("service.log.1")).expect("a writable folder");
    let log = log_at(
        &path,
        &[("MAINSTAY_LOG__ROTATE_BYTES", "1048576"), ("MAINSTAY_LOG__FILES_KEPT", "1")],
    );
    load(&log, 2000);
    let text = fs::read_to_string(&path).expect("the file");
    assert_eq!(text.matches("\"msg\":\"request\"").count(), 8000);
    assert_eq!(text.matches("\"msg\":\"log file cannot be rotated\"").count(), 1);
}

#[test]
fn a_file_that_cannot_be_reopened_is_written_on_and_the_log_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("a writable folder");
    let log = log_at(&inner.join("service.log"), &[]);
    let moved = folder.path().join("moved");
    fs::rename(&inner, &moved).expect("a rename");
    log.reopen();
    record(&log, "after");
    assert!(log.flush(PATIENCE));
    let text = fs::read_to_string(moved.join("service.log")).expect("the file");
    assert!(text.contains("log file cannot be reopened") && text.contains("after"), "{text}");
}

#[test]
fn a_line_that_a_killed_process_left_torn_does_not_spoil_the_next() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("service.log");
    fs::write(&path, "{\"time\":\"20").expect("a writable folder");
    let log = log_at(&path, &[]);
    record(&log, "next");
    assert!(log.flush(PATIENCE));
    let text = fs::read_to_string(&path).expect("the file");
    assert!(text.starts_with("{\"time\":\"20\n{\"time\":\""), "{text}");
}

#[test]
fn a_link_stays_and_the_file_it_names_is_rotated() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (link, file) = (folder.path().join("link"), folder.path().join("service.log"));
    fs::write(&file, "x".repeat(1 << 20) + "\n").expect("a writable folder");
    std::os::unix::fs::symlink(&file, &link).expect("a writable folder");
    let log = log_at(&link, &[("MAINSTAY_LOG__ROTATE_BYTES", "1048576")]);
    record(&log, "new");
    assert!(log.flush(PATIENCE));
    assert_eq!(names(folder.path()), ["link", "service.log", "service.log.1"]);
    assert!(fs::read_to_string(&file).expect("the file").contains("\"id\":\"new\""));
}

/// What the writer cannot put anywhere waits in memory, bounded, and nobody waits for it.
#[test]
fn a_disk_that_stays_full_costs_lines_and_neither_time_nor_memory() {
    let log = log_at(Path::new("/dev/full"), &[]);
    for n in 0..50_000 {
        record(&log, &format!("r-{n}"));
    }
    assert!(log.dropped() > 40_000, "{}", log.dropped());
    assert!(!log.flush(Duration::ZERO));
}

#[test]
fn a_pipe_that_nobody_reads_is_opened_and_written_once_somebody_does() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path: PathBuf = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().expect("coreutils").success());
    let log = log_at(&path, &[]);
    let sent = 20_000;
    for n in 0..sent {
        record(&log, &format!("r-{n}"));
    }
    let dropped = log.dropped();
    assert!(dropped > 0 && dropped < sent, "{dropped}");

    let mut reader = File::open(&path).expect("a pipe");
    let reading = thread::spawn(move || {
        let (mut text, mut part) = (String::new(), vec![0; 1 << 16]);
        while !text.contains("\"lost\":") {
            let count = reader.read(&mut part).expect("bytes");
            text.push_str(std::str::from_utf8(&part[..count]).expect("ASCII"));
        }
        text
    });
    assert!(log.flush(PATIENCE));
    let text = reading.join().expect("the notice arrives");
    assert_eq!(text.matches("\"msg\":\"request\"").count() as u64, sent - dropped);
    assert!(text.contains(&format!("\"lost\":{dropped}}}")));
}

#[test]
fn a_file_that_is_truncated_goes_on_at_its_beginning() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("service.log");
    let log = log_at(&path, &[]);
    record(&log, "before");
    assert!(log.flush(PATIENCE));
    File::create(&path).and_then(|mut file| file.flush()).expect("a writable file");
    record(&log, "after");
    assert!(log.flush(PATIENCE));
    assert!(fs::read_to_string(&path).expect("the file").starts_with("{\"time\":"));
}
