//! The audit log with hostile text, and on files that cannot be written.

use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{AuditLog, Recorded};
use crate::config::{AuditSettings, WhenBlocked};
use crate::decision::{Caller, Decision, Outcome, now};

const WITHIN: Duration = Duration::from_secs(10);

fn settings(file: &Path, when_blocked: WhenBlocked) -> AuditSettings {
    AuditSettings {
        file: Some(file.to_owned()),
        grants: false,
        when_blocked,
    }
}

fn denial() -> Decision {
    Decision {
        at: now(),
        outcome: Outcome::Denied,
        reason: "expired",
        detail: "the token expired 5 s ago".to_owned(),
        status: 401,
        caller: Caller {
            proven: true,
            issuer: Some("https://idp.example.com/".to_owned()),
            subject: Some("alice".to_owned()),
            client_id: Some("app".to_owned()),
            key_id: Some("k1".to_owned()),
        },
        http_method: "POST".to_owned(),
        method: Some("tools/call".to_owned()),
        name: Some("add".to_owned()),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}

/// A denial in which every text is this one.
fn full_of(text: &str, proven: bool) -> Decision {
    let text = || Some(text.to_owned());
    Decision {
        detail: text().unwrap(),
        caller: Caller {
            proven,
            issuer: text(),
            subject: text(),
            client_id: text(),
            key_id: text(),
        },
        http_method: text().unwrap(),
        method: text(),
        name: text(),
        ..denial()
    }
}

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    let line =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
    text.lines().map(line).collect()
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < WITHIN, "{what} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

struct World {
    folder: TempDir,
    file: PathBuf,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        Self { folder, file }
    }

    fn open(&self, when_blocked: WhenBlocked) -> AuditLog {
        AuditLog::open(&settings(&self.file, when_blocked)).unwrap()
    }

    fn other(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

#[test]
fn a_denial_is_one_line_with_its_facts_in_order() {
    let world = World::new();
    let log = world.open(WhenBlocked::Refuse);
    assert_eq!(log.record(&denial()), Recorded::Done);
    assert!(log.flush(WITHIN));
    let text = fs::read_to_string(&world.file).unwrap();
    let (time, rest) = text.split_once(',').unwrap();
    assert!(
        time.starts_with(r#"{"time":"20"#) && time.ends_with(r#"Z""#),
        "{time}"
    );
    assert_eq!(
        rest,
        concat!(
            r#""outcome":"denied","reason":"expired","detail":"the token expired 5 s ago","status":401,"#,
            r#""http_method":"POST","method":"tools/call","name":"add","peer":"127.0.0.1","#,
            r#""issuer":"https://idp.example.com/","subject":"alice","client_id":"app","key_id":"k1"}"#,
            "\n"
        )
    );
    let mode = fs::metadata(&world.file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_no_signature_has_proven_is_only_a_claim() {
    let world = World::new();
    let log = world.open(WhenBlocked::Refuse);
    log.record(&full_of("mallory", false));
    log.record(&full_of("alice", true));
    assert!(log.flush(WITHIN));
    let lines = lines(&world.file);
    for name in ["issuer", "subject", "client_id", "key_id"] {
        let claim = format!("claimed_{name}");
        assert_eq!(
            (&lines[0][name], &lines[0][&claim]),
            (&Value::Null, &"mallory".into())
        );
        assert_eq!(
            (&lines[1][name], &lines[1][&claim]),
            (&"alice".into(), &Value::Null)
        );
    }
}

#[test]
fn no_text_breaks_a_line_or_reaches_a_terminal() {
    let world = World::new();
    let log = world.open(WhenBlocked::Refuse);
    let forged = "\"}\n{\"outcome\":\"granted\",\"subject\":\"alice\"}";
    let texts = [
        forged,
        "a\r\nb\0c\u{7}\u{1b}[2J",
        "\u{202e}gnp.exe\u{2066}\u{200b}\u{feff}",
        "\u{2028}\u{2029}\u{85}\u{7f}\u{9b}31m",
        "\\\\\"\"\\u000a",
    ];
    for text in texts {
        for proven in [false, true] {
            assert_eq!(log.record(&full_of(text, proven)), Recorded::Done);
        }
    }
    assert!(log.flush(WITHIN));
    assert_eq!(lines(&world.file).len(), 2 * texts.len());
    let text = fs::read_to_string(&world.file).unwrap();
    for line in text.lines() {
        let hidden = line.chars().find(|c| c.escape_debug().count() > 2);
        assert_eq!(hidden, None, "{line}");
    }
    for line in lines(&world.file) {
        assert_eq!(line["outcome"], "denied");
        for value in line.as_object().unwrap().values().filter_map(Value::as_str) {
            assert!(!value.chars().any(char::is_control), "{value:?}");
        }
    }
}

#[test]
fn a_megabyte_in_every_field_makes_a_short_line() {
    let world = World::new();
    let log = world.open(WhenBlocked::Refuse);
    for text in ["x", "\u{202e}", "\"", "é"] {
        for proven in [false, true] {
            log.record(&full_of(&text.repeat(1 << 20), proven));
        }
    }
    assert!(log.flush(WITHIN));
    let text = fs::read_to_string(&world.file).unwrap();
    assert_eq!(text.lines().count(), 8);
    for line in text.lines() {
        assert!(line.len() < 32 * 1024, "{}", line.len());
    }
}

#[test]
fn grants_are_written_if_wanted() {
    for grants in [false, true] {
        let world = World::new();
        let mut settings = settings(&world.file, WhenBlocked::Refuse);
        settings.grants = grants;
        let log = AuditLog::open(&settings).unwrap();
        assert_eq!(log.wants_grants(), grants);
        let decision = Decision {
            outcome: Outcome::Granted,
            ..denial()
        };
        assert_eq!(log.record(&decision), Recorded::Done);
        assert!(log.flush(WITHIN));
        assert_eq!(lines(&world.file).len(), usize::from(grants));
    }
}

#[test]
fn a_renamed_file_is_left_and_a_new_one_made() {
    let world = World::new();
    let log = world.open(WhenBlocked::Refuse);
    let old = world.other("audit.jsonl.1");
    log.record(&denial());
    assert!(log.flush(WITHIN));
    fs::rename(&world.file, &old).unwrap();
    log.reopen();
    eventually("the new file", || world.file.exists());
    log.record(&denial());
    assert!(log.flush(WITHIN));
    assert_eq!((lines(&old).len(), lines(&world.file).len()), (1, 1));
    assert!(log.may_serve());
}

#[test]
fn no_line_goes_into_a_deleted_file() {
    let world = World::new();
    let log = world.open(WhenBlocked::Refuse);
    for round in 0..20 {
        if round % 2 == 1 {
            fs::remove_file(&world.file).unwrap();
        }
        log.record(&denial());
        assert!(log.flush(WITHIN));
        assert!(!lines(&world.file).is_empty(), "round {round}");
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_reported_at_the_start() {
    let world = World::new();
    let nowhere = settings(&world.other("missing/audit.jsonl"), WhenBlocked::Drop);
    let why = AuditLog::open(&nowhere).unwrap_err();
    assert!(
        why.contains("missing/audit.jsonl cannot be opened for appending"),
        "{why}"
    );
    let why = AuditLog::open(&settings(world.folder.path(), WhenBlocked::Drop)).unwrap_err();
    assert!(why.contains("cannot be opened for appending"), "{why}");
}

#[test]
fn a_full_disk_refuses_requests_until_there_is_space_and_no_line_is_lost() {
    let world = World::new();
    symlink("/dev/full", &world.file).unwrap();
    let log = world.open(WhenBlocked::Refuse);
    assert!(log.may_serve(), "nothing was written yet");
    log.record(&denial());
    eventually("the refusal", || !log.may_serve());
    assert_eq!(log.record(&denial()), Recorded::Refused);
    assert!(!log.flush(Duration::from_millis(300)));

    fs::remove_file(&world.file).unwrap();
    eventually("the recovery", || log.may_serve());
    assert!(log.flush(WITHIN));
    assert_eq!(lines(&world.file).len(), 2);
    assert_eq!(log.record(&denial()), Recorded::Done);
}

#[test]
fn a_full_disk_may_be_chosen_to_cost_lines_which_are_counted() {
    let world = World::new();
    symlink("/dev/full", &world.file).unwrap();
    let log = AuditLog::with_queue(&settings(&world.file, WhenBlocked::Drop), 4).unwrap();
    let mut dropped = 0;
    let started = Instant::now();
    while dropped < 10 {
        assert!(started.elapsed() < WITHIN, "{dropped} lines were dropped");
        assert!(log.may_serve());
        match log.record(&denial()) {
            Recorded::Done => {}
            Recorded::Dropped => dropped += 1,
            Recorded::Refused => panic!("refused"),
        }
    }
    assert_eq!(log.dropped(), dropped);
    fs::remove_file(&world.file).unwrap();
    assert!(log.flush(WITHIN));
    let lines = lines(&world.file);
    let gap = lines.last().unwrap();
    assert_eq!(
        (&gap["outcome"], &gap["lines"]),
        (&"missing".into(), &dropped.into())
    );
    let before = lines.iter().filter(|line| line["reason"] == "expired");
    assert!(before.count() >= 4, "the queued ones are written");
}

#[test]
fn a_full_queue_refuses_and_counts() {
    let world = World::new();
    symlink("/dev/full", &world.file).unwrap();
    let log = AuditLog::with_queue(&settings(&world.file, WhenBlocked::Refuse), 1).unwrap();
    eventually("a lost line", || {
        log.record(&denial());
        log.dropped() > 0
    });
    assert_eq!(log.record(&denial()), Recorded::Refused);
    // The queue can be full before the first write has failed.
    eventually("that nothing is served", || !log.may_serve());
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_pipe_that_nobody_reads_stops_neither_the_start_nor_requests() {
    let world = World::new();
    make_pipe(&world.file);
    let started = Instant::now();
    let why = AuditLog::open(&settings(&world.file, WhenBlocked::Refuse)).unwrap_err();
    assert!(why.contains("nothing reads the pipe"), "{why}");

    // A reader that has opened it and does not read.
    let mut reader = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&world.file)
        .unwrap();
    let log = world.open(WhenBlocked::Refuse);
    let mut sent: usize = 0;
    while log.may_serve() {
        assert!(started.elapsed() < WITHIN, "a full pipe is not noticed");
        log.record(&denial());
        sent += 1;
    }

    // It reads again: every line that was not counted as dropped arrives whole.
    let mut text = Vec::new();
    let mut part = vec![0; 1 << 16];
    let mut read = |text: &mut Vec<u8>| {
        while let Ok(length @ 1..) = reader.read(&mut part) {
            text.extend_from_slice(&part[..length]);
        }
    };
    let started = Instant::now();
    while !log.flush(Duration::from_millis(10)) {
        assert!(started.elapsed() < WITHIN, "the log never recovers");
        read(&mut text);
    }
    read(&mut text);
    assert!(log.may_serve());
    let text = String::from_utf8(text).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let arrived = lines.filter(|line| line["reason"] == "expired").count();
    assert_eq!(arrived + usize::try_from(log.dropped()).unwrap(), sent);
}

#[test]
fn dropping_the_log_writes_what_is_queued_and_waits_for_no_broken_disk() {
    let world = World::new();
    let log = world.open(WhenBlocked::Refuse);
    for _ in 0..1000 {
        assert_eq!(log.record(&denial()), Recorded::Done);
    }
    drop(log);
    assert_eq!(lines(&world.file).len(), 1000);

    let full = settings(Path::new("/dev/full"), WhenBlocked::Refuse);
    let log = AuditLog::open(&full).unwrap();
    log.record(&denial());
    let started = Instant::now();
    drop(log);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn lines_of_many_threads_are_whole_and_all_there() {
    let world = World::new();
    let log = world.open(WhenBlocked::Refuse);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    log.record(&denial());
                }
            });
        }
    });
    assert!(log.flush(WITHIN));
    assert_eq!(lines(&world.file).len(), 2000);
}
