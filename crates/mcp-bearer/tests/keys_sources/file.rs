//! Keys in a file that changes.

use std::{fs, path::Path};

use mcp_bearer::keys::{FileKeys, KeySource, ManualTime, MonotonicClock, Refreshed};
use mcp_bearer_testkit::{SigningKey, weak_keys};
use serde_json::json;

use crate::{eventually, key, kids, secs, unknown};

fn jwks(kids: &[&str]) -> String {
    let keys: Vec<_> = kids.iter().map(|kid| key(kid).jwk()).collect();
    json!({ "keys": keys }).to_string()
}

fn open(path: &Path) -> (FileKeys, ManualTime) {
    let (clock, time) = MonotonicClock::manual();
    let keys = FileKeys::open_with_clock(path, clock).unwrap();
    // The first snapshot starts the watch.
    keys.snapshot();
    (keys, time)
}

/// Lets checks happen until the keys are these.
async fn becomes(keys: &FileKeys, time: &ManualTime, expected: &[&str]) {
    eventually(&format!("{expected:?}"), || {
        time.advance(secs(2));
        kids(&keys.snapshot()) == expected
    })
    .await;
}

/// Lets checks happen until there is a failure.
async fn fails(keys: &FileKeys, time: &ManualTime) -> String {
    let mut failure = None;
    eventually("a failure", || {
        time.advance(secs(2));
        failure = keys.status().last_failure;
        failure.is_some()
    })
    .await;
    failure.unwrap()
}

#[tokio::test]
async fn a_file_written_in_place_or_renamed_over_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    fs::write(&path, jwks(&["a"])).unwrap();
    let (keys, time) = open(&path);
    assert_eq!(kids(&keys.snapshot()), ["a"]);
    let first = keys.snapshot().generation;

    fs::write(&path, jwks(&["b"])).unwrap();
    becomes(&keys, &time, &["b"]).await;
    assert_ne!(keys.snapshot().generation, first);

    let other = folder.path().join("new.json");
    fs::write(&other, jwks(&["c"])).unwrap();
    fs::rename(&other, &path).unwrap();
    becomes(&keys, &time, &["c"]).await;
    // A request that saw the older set gets the newer one; any other gets nothing new.
    let miss = unknown(&keys, "d");
    assert_eq!(keys.refresh(miss.clone()).await, Refreshed::Unchanged);
    fs::write(&path, jwks(&["d"])).unwrap();
    becomes(&keys, &time, &["d"]).await;
    assert_eq!(keys.refresh(miss).await, Refreshed::NewKeys);
}

#[tokio::test]
async fn other_text_around_the_same_keys_changes_no_generation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let a = key("a").jwk();
    fs::write(&path, json!({ "keys": [a] }).to_string()).unwrap();
    let (keys, time) = open(&path);
    let first = keys.snapshot().generation;
    fs::write(&path, json!({ "keys": [weak_keys::akp(), a] }).to_string()).unwrap();
    eventually("the newer set is held", || {
        time.advance(secs(2));
        keys.snapshot().set.skipped().len() == 1
    })
    .await;
    assert_eq!(keys.snapshot().generation, first);
    fs::write(&path, jwks(&["a"])).unwrap();
    eventually("another key under the same kid", || {
        time.advance(secs(2));
        keys.snapshot().generation == first + 1
    })
    .await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_that_is_pointed_elsewhere_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    fs::write(&one, jwks(&["a"])).unwrap();
    fs::write(&two, jwks(&["b"])).unwrap();
    let (link, next) = (folder.path().join("link"), folder.path().join("next"));
    std::os::unix::fs::symlink(&one, &link).unwrap();
    let (keys, time) = open(&link);
    std::os::unix::fs::symlink(&two, &next).unwrap();
    fs::rename(&next, &link).unwrap();
    becomes(&keys, &time, &["b"]).await;
}

#[tokio::test]
async fn a_broken_file_keeps_the_old_keys_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let weak = json!({ "keys": weak_keys::all() }).to_string();
    let large = format!("{}{}", " ".repeat(512 * 1024), jwks(&["b"]));
    for broken in ["", "{", "{}", "{\"keys\":[]}", "<html>", &weak, &large] {
        fs::write(&path, jwks(&["a"])).unwrap();
        let (keys, time) = open(&path);
        fs::write(&path, broken).unwrap();
        assert!(!fails(&keys, &time).await.is_empty());
        assert_eq!(kids(&keys.snapshot()), ["a"], "{broken:.20}");
        fs::write(&path, jwks(&["b"])).unwrap();
        becomes(&keys, &time, &["b"]).await;
        assert_eq!(keys.status().last_failure, None);
    }
    let (keys, time) = open(&path);
    fs::remove_file(&path).unwrap();
    fails(&keys, &time).await;
    assert_eq!(kids(&keys.snapshot()), ["b"]);
}

#[tokio::test]
async fn a_pem_key_works_and_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("public.pem");
    fs::write(&path, SigningKey::ec_p256().public_pem()).unwrap();
    let (keys, time) = open(&path);
    let first = keys.snapshot();
    assert_eq!(first.set.len(), 1);
    fs::write(&path, SigningKey::ed25519().public_pem()).unwrap();
    eventually("the other key", || {
        time.advance(secs(2));
        keys.snapshot().generation != first.generation
    })
    .await;
}

#[test]
fn a_file_that_is_not_good_at_the_start_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    assert!(FileKeys::open(&path).is_err());
    assert!(FileKeys::open(folder.path()).is_err());
    if cfg!(unix) {
        // Opening a pipe would wait forever.
        let error = FileKeys::open("/dev/zero").unwrap_err().to_string();
        assert!(error.contains("regular file"), "{error}");
    }
    for text in [
        "",
        "{}",
        "{\"keys\":[]}",
        &SigningKey::ec_p256().private_pem(),
    ] {
        fs::write(&path, text).unwrap();
        let error = FileKeys::open(&path).unwrap_err().to_string();
        assert!(error.contains("jwks.json"), "{error}");
        assert!(!error.contains("MC"), "{error}");
    }
}
