//! A follower catches up over a real link: the paths that `examples/catch-up.rs` measures, small, so that they are known to
//! work.
#![cfg(all(feature = "network", feature = "redb"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod catch_up;

use catch_up::{Way, catch_up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_catches_up_over_a_link() {
    let outcome = catch_up(1000, 100, Way::Ranges).await;
    assert!(outcome.seconds <= outcome.head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_checks_every_certificate_over_a_link() {
    let outcome = catch_up(300, 100, Way::Certificates).await;
    assert!(outcome.seconds <= outcome.head);
}

/// Each fills a range alone, and together they are more than an answer and the queues.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_blocks_come_over_a_link() {
    let outcome = catch_up(24, 1 << 20, Way::Ranges).await;
    assert!(outcome.seconds <= outcome.head);
}
