//! Which requests wait for a fetch, and which fetches they cause.

use futures_util::future::FutureExt;
use mcp_bearer::keys::{KeyPhase, KeySource, Miss, Refreshed};
use mcp_bearer_testkit::Behaviour;

use crate::{World, eventually, key, kids, secs, unknown};

#[tokio::test]
async fn with_a_slow_issuer_and_an_aging_set_no_request_waits() {
    let world = World::holding(Behaviour::ok_with([("Cache-Control", "max-age=60")])).await;
    world.server.set_behaviour(Behaviour::ok().held());
    world.time.advance(secs(61));
    world.wait_for_hits(2);
    for _ in 0..1000 {
        assert_eq!(kids(&world.keys.snapshot()), ["a"]);
    }
    assert_eq!(world.keys.status().phase, KeyPhase::Aging);
    world.server.release();
    eventually("the answer", || world.keys.status().fetched == 2).await;
}

#[tokio::test]
async fn a_flood_of_made_up_kids_makes_no_more_fetches_than_the_budget() {
    for behaviour in [Behaviour::ok(), Behaviour::Status(500)] {
        let world = World::holding(Behaviour::ok()).await;
        world.server.set_behaviour(behaviour);
        let mut fetches = Vec::new();
        for second in 0..21 {
            for junk in 0..500 {
                world.ask(&format!("made-up-{second}-{junk}")).await;
            }
            fetches.push(world.hits());
            world.time.advance(secs(1));
        }
        assert_eq!(fetches[0], 3);
        // The third of the budget after 5 to 10 s, the fourth 10 s after it.
        assert_eq!((fetches[4], fetches[10]), (3, 4));
        assert_eq!((fetches[14], fetches[20]), (4, 5));
        assert_eq!(kids(&world.keys.snapshot()), ["a"]);
    }
}

#[tokio::test]
async fn in_a_flood_a_new_key_works_within_the_cooldown() {
    let world = World::holding(Behaviour::ok()).await;
    for junk in 0..100 {
        world.ask(&format!("made-up-{junk}")).await;
    }
    world.server.set_keys(vec![key("b").jwk()]);
    assert_eq!(world.ask("b").await, Refreshed::Unchanged);
    world.time.advance(secs(10));
    world.ask("made-up").await;
    assert_eq!(kids(&world.keys.snapshot()), ["b"]);
}

#[tokio::test]
async fn a_kid_that_was_guessed_works_ten_seconds_after_its_publication() {
    let world = World::holding(Behaviour::ok()).await;
    assert_eq!(world.ask("b").await, Refreshed::Unchanged);
    world.server.set_keys(vec![key("b").jwk()]);
    assert_eq!(world.ask("b").await, Refreshed::Unchanged);
    assert_eq!(world.hits(), 2);
    world.time.advance(secs(10));
    assert_eq!(world.ask("b").await, Refreshed::NewKeys);
}

#[tokio::test]
async fn sixty_four_wait_for_a_hanging_issuer_and_the_others_are_answered_at_once() {
    let world = World::new(Behaviour::HangBeforeHeaders);
    let mut asked: Vec<_> = (0..64)
        .map(|_| world.keys.refresh(Miss::no_keys()))
        .collect();
    world.wait_for_hits(1);
    for _ in 0..1000 {
        let refreshed = world.keys.refresh(Miss::no_keys()).now_or_never();
        assert_eq!(refreshed, Some(Refreshed::Unchanged));
    }
    assert!(asked.iter_mut().all(|one| one.now_or_never().is_none()));
    world.time.advance(secs(5));
    for one in asked {
        assert_eq!(one.await, Refreshed::Unchanged);
    }
    assert_eq!(world.hits(), 1);
}

#[tokio::test]
async fn a_dropped_request_cancels_no_fetch_and_spends_nothing_twice() {
    let world = World::holding(Behaviour::ok()).await;
    world.server.set_keys(vec![key("a").jwk(), key("b").jwk()]);
    world.server.set_behaviour(Behaviour::ok().held());
    let mut asked = world.keys.refresh(unknown(&world.keys, "b"));
    world.wait_for_hits(2);
    assert_eq!((&mut asked).now_or_never(), None);
    drop(asked);
    world.server.release();
    eventually("the fetch ends", || {
        kids(&world.keys.snapshot()) == ["a", "b"]
    })
    .await;
    world.server.set_behaviour(Behaviour::ok());
    world.server.set_keys(vec![key("c").jwk()]);
    assert_eq!(world.ask("c").await, Refreshed::NewKeys);
    assert_eq!(world.hits(), 3);
}

/// The second token of a new key finds the fetch running, whatever spent the budget before.
#[tokio::test]
async fn the_last_fetch_of_the_budget_is_joined() {
    let world = World::holding(Behaviour::ok()).await;
    world.ask("junk").await;
    world.server.set_keys(vec![key("b").jwk()]);
    world.server.set_behaviour(Behaviour::ok().held());
    let one = world.keys.refresh(unknown(&world.keys, "b"));
    world.wait_for_hits(3);
    let two = world.keys.refresh(unknown(&world.keys, "b"));
    world.server.release();
    assert_eq!(one.await, Refreshed::NewKeys);
    assert_eq!(two.await, Refreshed::NewKeys);
}
