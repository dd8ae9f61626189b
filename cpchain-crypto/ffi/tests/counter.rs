//! No interval key ever seals a block number twice, whatever the store and the power do.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{collections::HashSet, ptr::null};

use cpchain_crypto::block::SealedBlock;
use cpchain_crypto_ffi::*;
use proptest::prelude::*;
use support::{Page, config, next_block};

/// What happens to a device.
#[derive(Debug, Clone, Copy)]
enum Event {
    Seal,
    FinishUpload,
    /// The next write of the counter fails; true: after the record got there.
    StoreFails(bool),
    /// Power cut; true: the last block was kept, false: only what was known before it. Then so many blocks share a key.
    PowerCut(bool, u32),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => Just(Event::Seal),
        1 => Just(Event::FinishUpload),
        2 => any::<bool>().prop_map(Event::StoreFails),
        2 => (any::<bool>(), 1u32..4).prop_map(|(kept, per_interval)| Event::PowerCut(kept, per_interval)),
    ]
}

fn init(context: *mut Context, page: *mut Page, per_interval: u32, position: Option<&Position>) -> Status {
    let config = Config { position: position.map_or(null(), |p| p), ..config(page, per_interval) };
    // SAFETY: context, page and position belong to the test.
    unsafe { cpc_init(context, &config) }
}

proptest! {
    #[test]
    fn no_key_seals_a_number_twice(events in prop::collection::vec(event(), 1..60), per_interval in 1u32..4) {
        // From here on only through these pointers, as the callbacks do.
        let (mut page, mut context) = (Page::default(), Context::new());
        let (page, context) = (&raw mut page, &raw mut context);
        let mut used = HashSet::new();
        let (mut kept, mut before) = (None::<Position>, None::<Position>);
        prop_assert_eq!(init(context, page, per_interval, None), Status::Ok);
        for event in events {
            match event {
                Event::Seal => match next_block(context, b"21.5") {
                    Ok(sealed) => {
                        let header = *SealedBlock::parse(&sealed.bytes).unwrap().header();
                        prop_assert!(used.insert((header.interval, header.index)), "{:?} again", header);
                        let mut position = Position { next_block: 0, previous: [0; 32] };
                        // SAFETY: the block belongs to the test.
                        let status = unsafe { cpc_position_after(sealed.bytes.as_ptr(), sealed.bytes.len(), &mut position) };
                        prop_assert_eq!(status, Status::Ok);
                        before = kept.replace(position);
                    }
                    Err(status) => prop_assert_eq!(status, Status::Store),
                },
                Event::FinishUpload => {
                    let (mut root, mut signature) = ([0; 32], [0; 64]);
                    // SAFETY: all memory belongs to the test.
                    let status = unsafe { cpc_finish_upload(context, root.as_mut_ptr(), signature.as_mut_ptr()) };
                    prop_assert!(matches!(status, Status::Ok | Status::Empty));
                }
                // SAFETY: the page belongs to the test.
                Event::StoreFails(too_late) => unsafe { (*page).fails = Some(too_late) },
                Event::PowerCut(was_kept, per_interval) => {
                    // SAFETY: both belong to the test. Memory after a power cut holds anything.
                    unsafe {
                        (*page).fails = None;
                        context.write(Context::new());
                    }
                    let known = if was_kept { kept } else { before };
                    match init(context, page, per_interval, known.as_ref()) {
                        Status::Ok => kept = known,
                        // What it knows is older than what the counter saw: it must ask for the last block.
                        Status::Position => {
                            prop_assert!(!was_kept);
                            prop_assert_eq!(init(context, page, per_interval, kept.as_ref()), Status::Ok);
                        }
                        other => prop_assert!(false, "{:?}", other),
                    }
                }
            }
        }
    }
}

#[test]
fn two_contexts_of_one_counter_share_no_key() {
    let (mut page, mut first, mut second) = (Page::default(), Context::new(), Context::new());
    let (page, first, second) = (&raw mut page, &raw mut first, &raw mut second);
    assert_eq!(init(first, page, 2, None), Status::Ok);
    assert_eq!(init(second, page, 2, None), Status::Ok);
    let mut used = HashSet::new();
    for context in [first, second, first, second, second, first, first, second] {
        match next_block(context, b"x") {
            Ok(sealed) => {
                let header = *SealedBlock::parse(&sealed.bytes).unwrap().header();
                assert!(used.insert((header.interval, header.index)), "{header:?} again");
            }
            Err(status) => assert_eq!((status, context), (Status::Counter, second)),
        }
    }
    assert_eq!(used.len(), 4);
}

#[test]
fn one_write_an_interval_and_none_before_the_first_block() {
    let (mut page, mut context) = (Page::default(), Context::new());
    let (page, context) = (&raw mut page, &raw mut context);
    assert_eq!(init(context, page, 3, None), Status::Ok);
    // SAFETY: the page is read while nothing else uses it.
    let writes = || unsafe { (*page).writes };
    assert_eq!(writes(), 0);
    let intervals: Vec<_> = (0..7)
        .map(|_| SealedBlock::parse(&next_block(context, b"x").unwrap().bytes).unwrap().header().interval.0)
        .collect();
    assert_eq!(intervals, [0, 0, 0, 1, 1, 1, 2]);
    assert_eq!(writes(), 3);
}
