//! The fetch that is started by a token that newer keys could not save.

use futures_util::future::FutureExt;
use mcp_bearer::keys::{KeyPhase, KeySource, Miss, Refreshed};
use mcp_bearer_testkit::Behaviour;

use crate::{World, eventually, kids, secs, unknown};

/// Long enough for a request that should not be made.
async fn no_more_than(world: &World, hits: usize) {
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(world.hits(), hits);
}

#[tokio::test]
async fn a_prefetch_brings_the_keys_of_a_cold_source() {
    let world = World::new(Behaviour::ok());
    world.keys.prefetch();
    eventually("the keys", || kids(&world.keys.snapshot()) == ["a"]).await;
    assert_eq!(world.keys.status().phase, KeyPhase::Fresh);
    no_more_than(&world, 1).await;
}

#[tokio::test]
async fn a_hundred_prefetches_start_one_fetch() {
    for behaviour in [Behaviour::ok(), Behaviour::ok().held()] {
        let world = World::new(behaviour);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..25).for_each(|_| world.keys.prefetch()));
            }
        });
        world.wait_for_hits(1);
        no_more_than(&world, 1).await;
    }
}

#[tokio::test]
async fn prefetches_take_none_of_the_sixty_four_places_to_wait() {
    let world = World::new(Behaviour::ok().held());
    for _ in 0..100 {
        world.keys.prefetch();
    }
    world.wait_for_hits(1);
    let mut waiting: Vec<_> = (0..64)
        .map(|_| world.keys.refresh(Miss::no_keys()))
        .collect();
    assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
    let one_more = world.keys.refresh(Miss::no_keys()).now_or_never();
    assert_eq!(one_more, Some(Refreshed::Unchanged));
    world.server.release();
    for one in waiting {
        assert_eq!(one.await, Refreshed::NewKeys);
    }
    assert_eq!(world.hits(), 1);
}

#[tokio::test]
async fn a_prefetch_after_a_request_for_keys_does_nothing() {
    // While the fetch of that request is running, after it failed, and after it brought keys.
    for behaviour in [
        Behaviour::ok().held(),
        Behaviour::Status(500),
        Behaviour::ok(),
    ] {
        let world = World::new(behaviour.clone());
        let mut asked = world.keys.refresh(Miss::no_keys());
        world.wait_for_hits(1);
        if !matches!(behaviour, Behaviour::Held(_)) {
            (&mut asked).await;
            world.time.advance(secs(10));
        }
        for _ in 0..100 {
            world.keys.prefetch();
        }
        no_more_than(&world, 1).await;
    }
}

#[tokio::test]
async fn a_failed_prefetch_is_repeated_by_requests_for_keys_only() {
    let world = World::new(Behaviour::Status(500));
    world.keys.prefetch();
    eventually("the failure", || world.keys.status().failed == 1).await;
    for _ in 0..3 {
        world.time.advance(secs(10));
        world.keys.prefetch();
    }
    no_more_than(&world, 1).await;
    world.server.set_behaviour(Behaviour::ok());
    assert_eq!(
        world.keys.refresh(Miss::no_keys()).await,
        Refreshed::NewKeys
    );
    let refreshed = world.keys.refresh(unknown(&world.keys, "b")).await;
    assert_eq!(refreshed, Refreshed::Unchanged);
    world.keys.prefetch();
    no_more_than(&world, 3).await;
}
