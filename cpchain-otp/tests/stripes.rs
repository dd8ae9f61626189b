//! Transfers from several sources in virtual time: one event heap, sources that are slow, stall, break, lie or refuse.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::{cmp::Reverse, collections::BinaryHeap, ops::Range};

use cpchain_otp::{
    Refusal, RefusalCode,
    bao::GROUP_LEN,
    stripes::{Order, Stripes, StripesConfig},
    transfer::Fault,
};
use proptest::prelude::*;

/// What a source does wrong, and after how many bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Habit {
    Honest,
    BreaksAfter(u64),
    StallsAfter(u64),
    LiesAfter(u64),
    Refuses,
}

#[derive(Debug, Clone, Copy)]
struct Peer {
    bytes_per_ms: u64,
    latency_ms: u64,
    habit: Habit,
}

const fn peer(bytes_per_ms: u64, habit: Habit) -> Peer {
    Peer { bytes_per_ms, latency_ms: 10, habit }
}

struct Outcome {
    complete: bool,
    ms: u64,
    shares: Vec<u64>,
    faults: Vec<usize>,
    /// Every order to take, with its time.
    takes: Vec<(u64, usize, Range<u64>)>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A group of the job arrives; or for a probe, the last group.
    Group(u64),
    Probed,
    Break,
    Wake,
}

fn group_after(at: u64, end: u64) -> u64 {
    end.min(at / GROUP_LEN * GROUP_LEN + GROUP_LEN)
}

/// Runs a transfer; judges every order and every byte on the way.
fn run(size: u64, range: Range<u64>, peers: &[Peer], config: &StripesConfig) -> Outcome {
    let mut stripes = Stripes::new(range.clone(), peers.len(), config.clone());
    let wanted = range.start.min(size)..range.end.min(size);
    let mut heap = BinaryHeap::new();
    let (mut jobs, mut moved) = (vec![(0u64, 0..0u64); peers.len()], vec![0u64; peers.len()]);
    let mut proven = vec![false; usize::try_from(size.div_ceil(GROUP_LEN)).unwrap().max(1)];
    let (mut got, mut taken, mut takes, mut now, mut last_wake) = (0, wanted.start, Vec::new(), 0u64, 0);
    for _ in 0..200_000 {
        for order in stripes.orders(now) {
            match order {
                Order::Probe { source } => {
                    jobs[source] = (jobs[source].0 + 1, 0..0);
                    let what = if peers[source].habit == Habit::Refuses { What::Break } else { What::Probed };
                    heap.push(Reverse((now + peers[source].latency_ms, source, jobs[source].0, what)));
                }
                Order::Take { source, range } => {
                    assert!(!range.is_empty() && range.start >= wanted.start && range.end <= wanted.end, "{range:?}");
                    assert!(range.end <= taken + config.window.max(config.shortest) + GROUP_LEN, "beyond the window");
                    assert!(jobs[source].1.is_empty(), "one stripe at a time");
                    for (other, (_, left)) in jobs.iter().enumerate() {
                        assert!(
                            other == source || left.end <= range.start || range.end <= left.start,
                            "with two sources"
                        );
                    }
                    for group in range.start / GROUP_LEN..range.end.div_ceil(GROUP_LEN) {
                        assert!(!proven[group as usize], "a proven group is asked for again");
                    }
                    takes.push((now, source, range.clone()));
                    let arrives = arrival(&peers[source], now + peers[source].latency_ms, &range, moved[source]);
                    jobs[source] = (jobs[source].0 + 1, range);
                    heap.extend(arrives.map(|(at, what)| Reverse((at, source, jobs[source].0, what))));
                }
                Order::Drop { source } => jobs[source] = (jobs[source].0 + 1, 0..0),
            }
        }
        if stripes.is_complete() || stripes.is_failed() {
            break;
        }
        if let Some(at) = stripes.wake_at() {
            let at = at.max(now + 1);
            if last_wake <= now || at < last_wake {
                last_wake = at;
                heap.push(Reverse((at, 0, 0, What::Wake)));
            }
        }
        let Some(Reverse((at, source, job, what))) = heap.pop() else { panic!("stuck: {stripes:?}") };
        now = at;
        if what == What::Wake || jobs[source].0 != job {
            continue;
        }
        let mut note = |part: Range<u64>| {
            for group in part.start / GROUP_LEN..part.end.div_ceil(GROUP_LEN) {
                assert!(!std::mem::replace(&mut proven[group as usize], true), "proven twice");
            }
            got += part.end - part.start;
        };
        match what {
            What::Probed => {
                let last = size.saturating_sub(1) / GROUP_LEN * GROUP_LEN;
                if let Some(part) = stripes.sized(source, size, last..size, now) {
                    note(part);
                }
            }
            What::Group(from) => {
                let part = stripes.proven(source, from / GROUP_LEN * GROUP_LEN..group_after(from, size), now);
                let part = part.expect("it was asked for");
                moved[source] += part.end - part.start;
                jobs[source].1.start = part.end;
                note(part);
                if jobs[source].1.is_empty() {
                    stripes.ended(source, now);
                } else {
                    let next = arrival(&peers[source], now, &jobs[source].1.clone(), moved[source]);
                    heap.extend(next.map(|(at, what)| Reverse((at, source, job, what))));
                }
            }
            What::Break => {
                jobs[source].1 = 0..0;
                match peers[source].habit {
                    Habit::Refuses => {
                        stripes.end_source(source, Fault::Refused(Refusal::new(RefusalCode::NotFound, "")), now);
                    }
                    Habit::LiesAfter(_) => stripes.end_source(source, Fault::Lied { offset: 0 }, now),
                    _ => stripes.broke(source, "gone".into(), now),
                }
            }
            What::Wake => {}
        }
        // The caller takes what is there in order.
        while taken < wanted.end && proven[(taken / GROUP_LEN) as usize] {
            taken = group_after(taken, wanted.end);
        }
        stripes.took(taken);
    }
    let complete = stripes.is_complete();
    assert!(complete || stripes.is_failed(), "it comes to an end");
    if complete {
        assert_eq!(got, wanted.end - wanted.start);
    }
    let faults = stripes.faults().map(|(i, _)| i).collect();
    Outcome { complete, ms: now, shares: stripes.shares().collect(), faults, takes }
}

/// What comes next from a source at work, if anything.
fn arrival(peer: &Peer, now: u64, left: &Range<u64>, moved: u64) -> Option<(u64, What)> {
    let at = now + GROUP_LEN / peer.bytes_per_ms;
    match peer.habit {
        Habit::Refuses => Some((now, What::Break)),
        Habit::BreaksAfter(bytes) | Habit::LiesAfter(bytes) if moved >= bytes => Some((at, What::Break)),
        Habit::StallsAfter(bytes) if moved >= bytes => None,
        _ => Some((at, What::Group(left.start))),
    }
}

const MIB: u64 = 1 << 20;

#[test]
fn sources_share_by_speed() {
    let peers = [peer(1_000, Habit::Honest), peer(3_000, Habit::Honest)];
    let outcome = run(128 * MIB, 0..u64::MAX, &peers, &StripesConfig::default());
    assert!(outcome.complete);
    let share = outcome.shares[1] as f64 / outcome.shares[0] as f64;
    assert!((2.5..3.5).contains(&share), "{share}");
    // No longer than a tenth above what both lines carry.
    let ideal = 128 * MIB / 4_000;
    assert!(outcome.ms < ideal * 11 / 10, "{} of {ideal} ms", outcome.ms);
}

#[test]
fn a_stalled_source_loses_its_share() {
    let peers = [peer(2_000, Habit::StallsAfter(3 * MIB)), peer(2_000, Habit::Honest)];
    let outcome = run(32 * MIB, 0..u64::MAX, &peers, &StripesConfig::default());
    assert!(outcome.complete);
    let alone = 32 * MIB / 2_000;
    assert!(outcome.ms < alone + 1000, "the silent source held up the others: {} ms", outcome.ms);
    // One slow source beside a fast one does not hold up the end.
    let peers = [peer(50, Habit::Honest), peer(2_000, Habit::Honest)];
    let outcome = run(16 * MIB, 0..u64::MAX, &peers, &StripesConfig::default());
    let alone = 16 * MIB / 2_000;
    assert!(outcome.ms < alone + 1000, "{} ms", outcome.ms);
}

#[test]
fn silent_sources_do_not_keep_the_others_out() {
    // Two that were fast and fall silent, and a slow one, for a window that one stripe fills.
    let habits = [(1821, Habit::StallsAfter(44_631)), (200, Habit::Honest), (565, Habit::StallsAfter(49_153))];
    let peers = habits.map(|(bytes_per_ms, habit)| Peer { bytes_per_ms, latency_ms: 0, habit });
    let config = StripesConfig { window: 1, shortest: 64 << 10, ..StripesConfig::default() };
    let outcome = run(6_832_129, 37_290..u64::MAX, &peers, &config);
    assert!(outcome.complete);
    let alone = 6_832_129 / 200;
    assert!(outcome.ms < alone + 30_000, "{} ms", outcome.ms);
}

#[test]
fn a_source_that_dies_is_replaced_at_the_byte() {
    let peers = [peer(2_000, Habit::BreaksAfter(5 * MIB + 3 * GROUP_LEN)), peer(2_000, Habit::Honest)];
    let outcome = run(32 * MIB, 0..u64::MAX, &peers, &StripesConfig::default());
    assert!(outcome.complete);
    assert_eq!(outcome.faults, [0]);
    // `run` has judged that nothing proven was asked for again; all that was taken over is the rest of stripes.
    let asked: u64 = outcome.takes.iter().map(|(_, _, range)| range.end - range.start).sum();
    let rest = 3 * StripesConfig::default().longest;
    assert!(asked <= 32 * MIB + rest, "{asked}");
}

#[test]
fn one_run_is_like_another() {
    let peers =
        [peer(7_000, Habit::BreaksAfter(MIB)), peer(3_000, Habit::Honest), peer(9_000, Habit::LiesAfter(2 * MIB))];
    let takes = || run(20 * MIB, 5..u64::MAX, &peers, &StripesConfig::default()).takes;
    assert_eq!(takes(), takes());
}

fn peers() -> impl Strategy<Value = Peer> {
    let habit = prop_oneof![
        3 => Just(Habit::Honest),
        1 => (0..4 * MIB).prop_map(Habit::BreaksAfter),
        1 => (0..4 * MIB).prop_map(Habit::StallsAfter),
        1 => (0..4 * MIB).prop_map(Habit::LiesAfter),
        1 => Just(Habit::Refuses),
    ];
    (200u64..50_000, 0u64..300, habit).prop_map(|(bytes_per_ms, latency_ms, habit)| Peer {
        bytes_per_ms,
        latency_ms,
        habit,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_sources_do_each_byte_is_proven_once(
        size in prop_oneof![0..200_000u64, 0..12 * MIB],
        start in 0..MIB,
        len in prop::option::of(0..10 * MIB),
        peers in prop::collection::vec(peers(), 1..6),
        window in 1..8 * MIB,
    ) {
        let config = StripesConfig { window, shortest: 64 << 10, ..StripesConfig::default() };
        let end = len.map_or(u64::MAX, |len| start + len);
        let outcome = run(size, start..end, &peers, &config);
        if peers.iter().any(|peer| peer.habit == Habit::Honest) {
            prop_assert!(outcome.complete);
        }
    }

    #[test]
    fn any_answers_never_panic(
        range in any::<(u64, u64)>(), size in any::<u64>(), groups in prop::collection::vec(any::<(u64, u64, u8)>(), 0..30),
    ) {
        let mut stripes = Stripes::new(range.0.min(range.1)..range.1, 2, StripesConfig::default());
        stripes.sized(0, size, groups.first().map_or(0..0, |one| one.0.min(one.1)..one.1), 0);
        for (start, end, source) in groups {
            let _ = (stripes.orders(start), stripes.wake_at());
            stripes.proven(usize::from(source), start..end, end);
            match source % 4 {
                0 => stripes.ended(0, end),
                1 => stripes.broke(1, String::new(), start),
                2 => stripes.took(start),
                _ => {}
            }
        }
    }
}
