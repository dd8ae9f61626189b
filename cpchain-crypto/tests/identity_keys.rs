//! Key records and histories from the outside: who speaks when, every misuse, forks in any order, golden bytes.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::{
    Did, Digest, SignatureError, Signer, SigningKey,
    identity::{
        ForkEvidence, HistoryError, KeyHistory, KeyRecord, NoSpeaker, RecordError, Revocation, RevocationReason,
        Rotation, WrongSigner,
    },
};
use proptest::prelude::*;

type History = KeyHistory<8>;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn identity() -> Did {
    Did::from(key(1).public_key())
}

/// The identity's record `sequence`: key `from` hands over to key `to` at `since_ms`.
fn rotation(sequence: u64, since_ms: u64, from: u8, to: u8) -> KeyRecord {
    let (from, to) = (key(from), key(to));
    let (old, new) = (from.public_key(), to.public_key());
    Rotation { identity: identity(), sequence, since_ms, from: old, to: new }.sign(&from, &to).unwrap().into()
}

fn revocation(sequence: u64, since_ms: u64, by: u8) -> KeyRecord {
    let signer = key(by);
    let reason = RevocationReason::Compromised;
    Revocation { identity: identity(), sequence, since_ms, key: signer.public_key(), reason }
        .sign(&signer)
        .unwrap()
        .into()
}

fn rotated() -> History {
    let mut history = History::new(identity());
    history.apply(&rotation(1, 100, 1, 2)).unwrap();
    history.apply(&rotation(2, 200, 2, 3)).unwrap();
    history
}

#[test]
fn each_key_speaks_in_its_time() {
    let mut history = rotated();
    let at = |history: &History, time| history.speaker_at(time).map(|speaker| (speaker.identity(), speaker.key()));
    for (time, seed) in [(0, 1), (99, 1), (100, 2), (199, 2), (200, 3), (u64::MAX, 3)] {
        assert_eq!(at(&history, time), Ok((identity(), key(seed).public_key())), "at {time}");
    }
    for (sequence, seed) in [(0, 1), (1, 2), (2, 3)] {
        assert_eq!(history.speaker_after(sequence).unwrap().key(), key(seed).public_key());
    }
    assert_eq!(history.speaker_after(3), Err(NoSpeaker::Unknown { sequence: 3 }));
    history.apply(&revocation(3, 300, 3)).unwrap();
    assert_eq!(at(&history, 299), Ok((identity(), key(3).public_key())));
    assert_eq!(at(&history, 300), Err(NoSpeaker::Revoked { since_ms: 300 }));
    assert_eq!(history.speaker(), Err(NoSpeaker::Revoked { since_ms: 300 }));
    assert_eq!(history.speaker_after(3), Err(NoSpeaker::Revoked { since_ms: 300 }));
    assert_eq!(history.sequence(), 3);
}

#[test]
fn each_misuse_has_its_own_error() {
    let before = rotated();
    let mut history = before.clone();
    let mut refused = |record: KeyRecord, error| {
        assert_eq!(history.apply(&record), Err(error));
        assert_eq!(history, before, "a refused record changes nothing");
    };
    let stranger = Did::from(key(9).public_key());
    let foreign =
        Rotation { identity: stranger, sequence: 3, since_ms: 300, from: key(3).public_key(), to: key(4).public_key() };
    refused(foreign.sign(&key(3), &key(4)).unwrap().into(), HistoryError::WrongIdentity);
    refused(rotation(4, 300, 3, 4), HistoryError::Gap { expected: 3, found: 4 });
    refused(rotation(0, 300, 3, 4), HistoryError::Gap { expected: 3, found: 0 });
    refused(rotation(u64::MAX, 300, 3, 4), HistoryError::Gap { expected: 3, found: u64::MAX });
    refused(rotation(1, 100, 1, 2), HistoryError::Repeated);
    refused(rotation(2, 200, 2, 3), HistoryError::Repeated);
    refused(rotation(3, 300, 2, 4), HistoryError::WrongKey);
    refused(revocation(3, 300, 1), HistoryError::WrongKey);
    refused(rotation(3, 200, 3, 4), HistoryError::TimeNotLater);
    refused(rotation(3, 300, 3, 3), HistoryError::KeyReused);
    refused(rotation(3, 300, 3, 2), HistoryError::KeyReused);
    refused(rotation(3, 300, 3, 1), HistoryError::KeyReused);
    // The first key's own time is 0, so that a rotation at 0 would leave it none.
    assert_eq!(History::new(identity()).apply(&rotation(1, 0, 1, 2)), Err(HistoryError::TimeNotLater));

    // Either signature by somebody else, also for a statement that would be a fork.
    for (sequence, since_ms, from) in [(3, 300, 3), (2, 250, 2)] {
        let (KeyRecord::Rotation(good), KeyRecord::Rotation(other)) =
            (rotation(sequence, since_ms, from, 4), rotation(sequence, since_ms + 1, from, 4))
        else {
            unreachable!()
        };
        let mut wrong = good;
        wrong.leaves = other.leaves;
        refused(wrong.into(), HistoryError::Signature(SignatureError::Mismatch));
        let mut wrong = good;
        wrong.comes = other.comes;
        refused(wrong.into(), HistoryError::Signature(SignatureError::Mismatch));
        // The two roles are not interchangeable.
        let mut wrong = good;
        (wrong.leaves, wrong.comes) = (good.comes, good.leaves);
        refused(wrong.into(), HistoryError::Signature(SignatureError::Mismatch));
    }
    let KeyRecord::Revocation(mut wrong) = revocation(3, 300, 3) else { unreachable!() };
    wrong.statement.reason = RevocationReason::Retired;
    refused(wrong.into(), HistoryError::Signature(SignatureError::Mismatch));
}

#[test]
fn nobody_is_given_a_key_that_he_does_not_hold() {
    let statement =
        Rotation { identity: identity(), sequence: 1, since_ms: 1, from: key(1).public_key(), to: key(2).public_key() };
    assert_eq!(statement.sign(&key(1), &key(1)), Err(WrongSigner));
    assert_eq!(statement.sign(&key(2), &key(2)), Err(WrongSigner));
}

#[test]
fn a_revoked_key_rotates_nothing() {
    let mut history = rotated();
    history.apply(&revocation(3, 300, 3)).unwrap();
    for record in [rotation(4, 400, 3, 4), revocation(4, 400, 3)] {
        assert_eq!(history.apply(&record), Err(HistoryError::Revoked));
    }
    assert_eq!(history.apply(&revocation(3, 300, 3)), Err(HistoryError::Repeated));
}

#[test]
fn a_full_history_says_so() {
    let mut history = KeyHistory::<1>::new(identity());
    history.apply(&rotation(1, 100, 1, 2)).unwrap();
    assert_eq!(history.apply(&rotation(2, 200, 2, 3)), Err(HistoryError::Full));
    assert_eq!(history.speaker().unwrap().key(), key(2).public_key());
}

/// Offers records again and again until none is taken any more, as a gossiping network does.
fn fold(records: &[KeyRecord]) -> History {
    let mut history = History::new(identity());
    for _ in 0..=records.len() {
        for record in records {
            let _ = history.apply(record);
        }
    }
    history
}

#[test]
fn a_fork_ends_the_history_whatever_came_first() {
    let (mine, thiefs) = (rotation(2, 200, 2, 3), rotation(2, 150, 2, 5));
    for order in [[mine, thiefs], [thiefs, mine]] {
        let mut history = History::new(identity());
        history.apply(&rotation(1, 100, 1, 2)).unwrap();
        history.apply(&order[0]).unwrap();
        assert_eq!(history.apply(&order[1]), Err(HistoryError::Forked { sequence: 2 }));
        assert_eq!(history.speaker_at(149).unwrap().key(), key(2).public_key());
        assert_eq!(history.speaker_at(150), Err(NoSpeaker::Forked { sequence: 2 }));
        assert_eq!(history.speaker_after(1).unwrap().key(), key(2).public_key());
        assert_eq!(history.speaker_after(2), Err(NoSpeaker::Forked { sequence: 2 }));
        // Nothing is built on either branch, and neither is taken back.
        for record in [mine, thiefs, rotation(3, 300, 3, 4), rotation(3, 300, 5, 6)] {
            assert_eq!(history.apply(&record), Err(HistoryError::Forked { sequence: 2 }));
        }
    }
    let evidence = ForkEvidence::new(mine, thiefs).unwrap();
    assert_eq!(Some(evidence), ForkEvidence::new(thiefs, mine));
    assert_eq!(evidence.key(), key(2).public_key());
    assert_eq!(ForkEvidence::new(mine, rotation(3, 300, 3, 4)), None);
    let KeyRecord::Rotation(mut forged) = thiefs else { unreachable!() };
    forged.statement.since_ms = 151;
    assert_eq!(ForkEvidence::new(mine, forged.into()), None);
}

proptest! {
    #[test]
    fn every_order_of_the_same_records_gives_one_history(
        order in Just(vec![
            rotation(1, 100, 1, 2), rotation(2, 200, 2, 3), rotation(3, 300, 3, 4), revocation(4, 400, 4),
            rotation(2, 210, 2, 5), rotation(2, 190, 2, 6), rotation(3, 310, 3, 7), rotation(3, 260, 5, 8),
        ]).prop_shuffle(),
        taken in 0usize..=8,
    ) {
        let mut shuffled = order[..taken].to_vec();
        let one = fold(&shuffled);
        shuffled.reverse();
        let other = fold(&shuffled);
        for time in (0..500).step_by(10) {
            prop_assert_eq!(one.speaker_at(time), other.speaker_at(time), "at {}", time);
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0u8..10) {
        prop_assert!(KeyRecord::from_bytes(&bytes).is_err());
        let framed = [b"CPI1".as_slice(), &[kind, 0, 0, 0], &bytes].concat();
        if let Ok(record) = KeyRecord::from_bytes(&framed) {
            prop_assert_eq!(record.to_vec(), framed);
            prop_assert!(History::new(record.identity()).apply(&record).is_err());
        }
    }

    #[test]
    fn every_changed_bit_is_refused(at: prop::sample::Index, bit in 0u8..8, ends: bool) {
        let good = if ends { revocation(1, 100, 1) } else { rotation(1, 100, 1, 2) };
        let mut bytes = good.to_vec();
        prop_assert_eq!(KeyRecord::from_bytes(&bytes), Ok(good));
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(record) = KeyRecord::from_bytes(&bytes) {
            prop_assert!(record.verify().is_err());
        }
    }
}

#[test]
fn records_of_other_lengths_kinds_and_reasons_are_refused() {
    let bytes = revocation(1, 100, 1).to_vec();
    for length in 0..bytes.len() {
        assert!(KeyRecord::from_bytes(&bytes[..length]).is_err());
    }
    assert_eq!(KeyRecord::from_bytes(&[bytes.as_slice(), &[0]].concat()), Err(RecordError::Length));
    let with = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        KeyRecord::from_bytes(&bytes)
    };
    assert_eq!(with(3, b'2'), Err(RecordError::Format));
    assert_eq!(with(4, 3), Err(RecordError::Format));
    assert_eq!(with(5, 3), Err(RecordError::Field("reason")));
    assert_eq!(with(6, 1), Err(RecordError::Format));
}

#[test]
fn golden_key_records() {
    // A change here is a new version of the records: those that were signed before would not be read any more.
    let lines = [rotation(1, 100, 1, 2), revocation(2, 200, 2)].map(|record| {
        let bytes = record.to_vec();
        format!("{} {} {}\n", bytes.len(), Digest::content(&bytes), record.statement_digest())
    });
    assert_eq!(lines.concat(), include_str!("../testdata/identity_keys.txt"));
}
