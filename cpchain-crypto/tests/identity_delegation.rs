//! Delegations from the outside: what a gateway may do, what it may not, withdrawals, any bytes, golden bytes.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::{
    Did, Digest, Domain, SignatureError, Signer, SigningKey,
    identity::{
        KeyHistory, RecordError, Rotation, Speaker,
        delegation::{
            Act, Delegation, DelegationError, DelegationTerms, DeviceId, MAX_DEVICES, Parties, Scope, SignedWithdrawal,
            Withdrawal, WithdrawalError, sign_for,
        },
    },
};
use proptest::prelude::*;

const READING: Domain = Domain::new("test/reading/v1");

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn did(seed: u8) -> Did {
    Did::from(key(seed).public_key())
}

const OWNER: u8 = 1;
const GATEWAY: u8 = 2;
const STRANGER: u8 = 3;

fn devices(count: usize) -> Vec<DeviceId> {
    let mut devices: Vec<_> = (0..count).map(|i| DeviceId::new(&did(OWNER), format!("bus {i}").as_bytes())).collect();
    devices.sort();
    devices
}

const STREAMS: [Digest; 2] = [Digest([1; 32]), Digest([2; 32])];

fn delegation(sequence: u64, scope: Scope<'_>) -> Vec<u8> {
    let terms = DelegationTerms {
        controller: did(OWNER),
        gateway: did(GATEWAY),
        sequence,
        from_ms: 1000,
        until_ms: 2000,
        devices: &devices(3),
        scope,
    };
    terms.sign(&key(OWNER)).unwrap()
}

fn parties(withdrawals: &[SignedWithdrawal]) -> Parties<'_> {
    Parties { controller: did(OWNER).into(), gateway: did(GATEWAY).into(), withdrawals }
}

fn act() -> Act {
    Act { device: devices(3)[1], stream: STREAMS[0] }
}

#[test]
fn a_gateway_acts_within_its_delegation_alone() {
    let bytes = delegation(1, Scope::Streams(&STREAMS));
    let limited = Delegation::parse(&bytes).unwrap();
    let may = |act, at| limited.authorises(&parties(&[]), &act, at);
    assert_eq!(may(act(), 1000), Ok(()));
    assert_eq!(may(act(), 1999), Ok(()));
    assert_eq!(may(act(), 999), Err(DelegationError::NotInForce));
    assert_eq!(may(act(), 2000), Err(DelegationError::NotInForce));
    for device in devices(3) {
        assert_eq!(may(Act { device, ..act() }, 1500), Ok(()));
    }
    let foreign = DeviceId::new(&did(STRANGER), b"bus 1");
    assert_eq!(may(Act { device: foreign, ..act() }, 1500), Err(DelegationError::WrongDevice));
    assert_eq!(may(Act { stream: Digest([3; 32]), ..act() }, 1500), Err(DelegationError::WrongStream));

    let bytes = delegation(1, Scope::AllStreams);
    let all = Delegation::parse(&bytes).unwrap();
    assert!(all.streams().is_none());
    assert_eq!(all.authorises(&parties(&[]), &Act { stream: Digest([3; 32]), ..act() }, 1500), Ok(()));
    let bytes = delegation(1, Scope::Streams(&[]));
    let none = Delegation::parse(&bytes).unwrap();
    assert_eq!(none.authorises(&parties(&[]), &act(), 1500), Err(DelegationError::WrongStream));
}

#[test]
fn a_signature_moves_to_nothing_else() {
    let bytes = delegation(1, Scope::Streams(&STREAMS));
    let delegation = Delegation::parse(&bytes).unwrap();
    let signature = sign_for(&key(GATEWAY), &did(GATEWAY), &act(), READING, b"21.5");
    let verify =
        |act: &Act, domain, message: &[u8]| delegation.verify(&parties(&[]), act, 1500, domain, message, &signature);
    assert_eq!(verify(&act(), READING, b"21.5"), Ok(()));
    let mismatch = Err(DelegationError::Signature(SignatureError::Mismatch));
    assert_eq!(verify(&act(), READING, b"99.9"), mismatch);
    assert_eq!(verify(&act(), Domain::new("test/other/v1"), b"21.5"), mismatch);
    assert_eq!(verify(&Act { device: devices(3)[0], ..act() }, READING, b"21.5"), mismatch);
    assert_eq!(verify(&Act { stream: STREAMS[1], ..act() }, READING, b"21.5"), mismatch);
    // A plain signature of the gateway, for itself, is no act for a device.
    let plain = key(GATEWAY).sign(READING, b"21.5");
    assert_eq!(delegation.verify(&parties(&[]), &act(), 1500, READING, b"21.5", &plain), mismatch);
    // Nor does another gateway profit from the delegation.
    let other = sign_for(&key(STRANGER), &did(STRANGER), &act(), READING, b"21.5");
    assert_eq!(delegation.verify(&parties(&[]), &act(), 1500, READING, b"21.5", &other), mismatch);
    let as_stranger = Parties { gateway: did(STRANGER).into(), ..parties(&[]) };
    let refused = delegation.verify(&as_stranger, &act(), 1500, READING, b"21.5", &other);
    assert_eq!(refused, Err(DelegationError::WrongParty));
    let of_stranger = Parties { controller: did(STRANGER).into(), ..parties(&[]) };
    assert_eq!(delegation.authorises(&of_stranger, &act(), 1500), Err(DelegationError::WrongParty));
}

#[test]
fn a_withdrawal_ends_delegations_up_to_its_number() {
    let withdraw = |through, since_ms| {
        Withdrawal { controller: did(OWNER), gateway: did(GATEWAY), through, since_ms }.sign(&key(OWNER))
    };
    let (first, second) = (delegation(1, Scope::AllStreams), delegation(2, Scope::AllStreams));
    let (first, second) = (Delegation::parse(&first).unwrap(), Delegation::parse(&second).unwrap());
    let known = [withdraw(1, 1500)];
    assert_eq!(first.authorises(&parties(&known), &act(), 1499), Ok(()));
    assert_eq!(first.authorises(&parties(&known), &act(), 1500), Err(DelegationError::Withdrawn));
    assert_eq!(second.authorises(&parties(&known), &act(), 1500), Ok(()));
    // A later, wider withdrawal does not revive what ended earlier, in either order.
    for known in [[withdraw(1, 1500), withdraw(2, 1700)], [withdraw(2, 1700), withdraw(1, 1500)]] {
        assert_eq!(first.authorises(&parties(&known), &act(), 1600), Err(DelegationError::Withdrawn));
        assert_eq!(second.authorises(&parties(&known), &act(), 1600), Ok(()));
        assert_eq!(second.authorises(&parties(&known), &act(), 1700), Err(DelegationError::Withdrawn));
    }
    // Those of other parties do not matter, and nobody else can withdraw.
    let other = Withdrawal { controller: did(STRANGER), ..*withdraw(9, 0).statement() }.sign(&key(STRANGER));
    assert_eq!(first.authorises(&parties(&[other]), &act(), 1500), Ok(()));
    let owner = Speaker::from(did(OWNER));
    assert_eq!(SignedWithdrawal::open(&withdraw(1, 1500).to_bytes(), &owner), Ok(withdraw(1, 1500)));
    let forged = Withdrawal { ..*withdraw(1, 1500).statement() }.sign(&key(STRANGER)).to_bytes();
    let mismatch = DelegationError::Signature(SignatureError::Mismatch);
    assert_eq!(SignedWithdrawal::open(&forged, &owner), Err(WithdrawalError::Delegation(mismatch)));
    let refused = SignedWithdrawal::open(&other.to_bytes(), &owner);
    assert_eq!(refused, Err(WithdrawalError::Delegation(DelegationError::WrongParty)));
}

#[test]
fn an_owner_who_rotated_delegates_with_the_new_key() {
    let (old, new) = (key(OWNER), key(7));
    let rotation =
        Rotation { identity: did(OWNER), sequence: 1, since_ms: 500, from: old.public_key(), to: new.public_key() };
    let mut history = KeyHistory::<4>::new(did(OWNER));
    history.apply(&rotation.sign(&old, &new).unwrap().into()).unwrap();
    let terms = DelegationTerms {
        controller: did(OWNER),
        gateway: did(GATEWAY),
        sequence: 1,
        from_ms: 1000,
        until_ms: 2000,
        devices: &devices(3),
        scope: Scope::AllStreams,
    };
    let judge = |signer: &SigningKey| {
        let bytes = terms.sign(signer).unwrap();
        let controller = history.speaker_at(1000).unwrap();
        Delegation::parse(&bytes).unwrap().authorises(&Parties { controller, ..parties(&[]) }, &act(), 1500)
    };
    assert_eq!(judge(&new), Ok(()));
    assert_eq!(judge(&old), Err(DelegationError::Signature(SignatureError::Mismatch)));
}

#[test]
fn terms_out_of_bounds_are_not_signed() {
    let good = DelegationTerms {
        controller: did(OWNER),
        gateway: did(GATEWAY),
        sequence: 1,
        from_ms: 1,
        until_ms: 2,
        devices: &devices(MAX_DEVICES),
        scope: Scope::AllStreams,
    };
    let bytes = good.sign(&key(OWNER)).unwrap();
    assert_eq!(Delegation::parse(&bytes).unwrap().devices().collect::<Vec<_>>(), devices(MAX_DEVICES));
    let refused = |terms: DelegationTerms<'_>| assert_eq!(terms.sign(&key(OWNER)), Err(DelegationError::Terms));
    refused(DelegationTerms { devices: &devices(MAX_DEVICES + 1), ..good });
    refused(DelegationTerms { devices: &[], ..good });
    let twice = [devices(1)[0]; 2];
    refused(DelegationTerms { devices: &twice, ..good });
    refused(DelegationTerms { until_ms: 1, ..good });
    refused(DelegationTerms { scope: Scope::Streams(&[STREAMS[1], STREAMS[0]]), ..good });
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), own: [u8; 3], kind in 0u8..10) {
        let framed = [b"CPI1".as_slice(), &[kind], &own, &bytes].concat();
        for bytes in [&bytes, &framed] {
            if let Ok(delegation) = Delegation::parse(bytes) {
                prop_assert!(delegation.authorises(&parties(&[]), &act(), 1500).is_err());
            }
            prop_assert!(SignedWithdrawal::open(bytes, &did(OWNER).into()).is_err());
        }
    }

    #[test]
    fn every_changed_bit_is_refused(at: prop::sample::Index, bit in 0u8..8) {
        let mut bytes = delegation(1, Scope::Streams(&STREAMS));
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(delegation) = Delegation::parse(&bytes) {
            prop_assert!(delegation.authorises(&parties(&[]), &act(), 1500).is_err());
        }
    }
}

#[test]
fn delegations_cut_short_or_with_more_are_refused() {
    let bytes = delegation(1, Scope::Streams(&STREAMS));
    for length in 0..bytes.len() {
        assert!(Delegation::parse(&bytes[..length]).is_err());
    }
    assert_eq!(Delegation::parse(&[bytes.as_slice(), &[0]].concat()), Err(RecordError::Length));
    let mut both = bytes;
    both[7] = 1;
    assert_eq!(Delegation::parse(&both), Err(RecordError::Format), "all streams, and some");
}

#[test]
fn golden_delegation() {
    let bytes = delegation(1, Scope::Streams(&STREAMS));
    let withdrawal = Withdrawal { controller: did(OWNER), gateway: did(GATEWAY), through: 1, since_ms: 1500 };
    let act = sign_for(&key(GATEWAY), &did(GATEWAY), &act(), READING, b"21.5");
    let withdrawal = withdrawal.sign(&key(OWNER)).to_bytes();
    let lines = [&bytes[..], &withdrawal[..], &act.0[..]].map(|b| format!("{} {}\n", b.len(), Digest::content(b)));
    assert_eq!(lines.concat(), include_str!("../testdata/identity_delegation.txt"));
}
