//! Identities on the ledger: what the module's page promises, by name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ledger_common;

use bytes::Bytes;
use cpchain_consensus::{
    Height,
    ledger::{
        Ledger, LedgerView, ModuleError, Outcome, SubmitError,
        identity::{Binding, Identities, IdentityView, KeyStanding},
    },
};
use cpchain_crypto::{
    Did, Digest, SigningKey,
    identity::{
        HistoryError, KeyHistory, KeyRecord, NoSpeaker, Revocation, RevocationReason, Rotation,
        delegation::{Act, DelegationError, DelegationTerms, DeviceId, Scope, Withdrawal},
    },
};
use ledger_common::*;
use proptest::prelude::*;

/// A ledger with the module, and a sender who pays for everybody's records.
struct Chain {
    ledger: Ledger,
    nonce: u64,
}

impl Chain {
    fn new() -> Self {
        Self { ledger: Ledger::builder(chain(), genesis()).module(Identities).build().unwrap(), nonce: 0 }
    }

    fn view(&self) -> LedgerView {
        self.ledger.view()
    }

    fn identities(&self) -> IdentityView {
        IdentityView::new(self.view())
    }

    /// One record in one block.
    fn take(&mut self, record: impl Into<Bytes>) -> Result<(), String> {
        let transaction = signed(1, self.nonce, Identities::KIND, record);
        self.nonce += 1;
        run(&mut self.ledger, std::slice::from_ref(&transaction));
        match self.view().receipt(&transaction.id()).unwrap().outcome {
            Outcome::Applied => Ok(()),
            Outcome::Failed(ModuleError::Refused(why)) => Err(why),
            other => panic!("{other:?}"),
        }
    }
}

fn did(seed: u8) -> Did {
    Did::from(id(seed))
}

fn rotation(identity: u8, sequence: u64, since_ms: u64, from: u8, to: u8) -> KeyRecord {
    let statement = Rotation { identity: did(identity), sequence, since_ms, from: id(from), to: id(to) };
    statement.sign(&key(from), &key(to)).unwrap().into()
}

fn revocation(identity: u8, sequence: u64, since_ms: u64, by: u8) -> KeyRecord {
    let reason = RevocationReason::Compromised;
    let statement = Revocation { identity: did(identity), sequence, since_ms, key: id(by), reason };
    statement.sign(&key(by)).unwrap().into()
}

#[test]
fn a_key_rotates_and_the_name_stays() {
    let mut chain = Chain::new();
    assert_eq!(chain.identities().standing(did(50)), KeyStanding::first(did(50)));
    // 50 has no account: 1 pays.
    chain.take(rotation(50, 1, 10, 50, 51).to_vec()).unwrap();
    chain.take(rotation(50, 2, 20, 51, 52).to_vec()).unwrap();
    let standing = chain.identities().standing(did(50));
    assert_eq!((standing.identity(), standing.key()), (did(50), Some(id(52))));
    assert_eq!((standing.sequence(), standing.since_ms(), standing.height()), (2, 20, Height(2)));
    assert_eq!(chain.identities().record(&did(50), 1), Some(rotation(50, 1, 10, 50, 51)));
    assert_eq!(chain.identities().record(&did(50), 3), None);
    // From the bytes of the state, as a light client reads them.
    let value = chain.view().get(Identities::KIND, &KeyStanding::state_key(&did(50)));
    assert_eq!(KeyStanding::read(did(50), value.as_deref()), Ok(standing));
}

#[test]
fn the_bytes_of_a_standing_are_these() {
    let mut chain = Chain::new();
    let bytes = |chain: &Chain| chain.view().get(Identities::KIND, &KeyStanding::state_key(&did(50))).unwrap();
    chain.take(rotation(50, 1, 0x0a0b, 50, 51).to_vec()).unwrap();
    let numbers = "0000000000000001".to_owned() + "0000000000000a0b" + "0000000000000001";
    assert_eq!(hex(&bytes(&chain)), format!("0101{numbers}{}", id(51)));
    chain.take(revocation(50, 2, 0x0a0c, 51).to_vec()).unwrap();
    let numbers = "0000000000000002".to_owned() + "0000000000000a0c" + "0000000000000002";
    assert_eq!(hex(&bytes(&chain)), format!("0100{numbers}{}", "00".repeat(32)));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn of_two_statements_the_first_counts() {
    let mut chain = Chain::new();
    let (one, other) = (rotation(50, 1, 10, 50, 51), rotation(50, 1, 9, 50, 60));
    chain.take(one.to_vec()).unwrap();
    assert_eq!(chain.take(other.to_vec()), Err("record 1 where 2 is next".into()));
    assert_eq!(chain.take(one.to_vec()), Err("record 1 where 2 is next".into()));
    assert_eq!(chain.identities().standing(did(50)).key(), Some(id(51)));
}

#[test]
fn a_revoked_identity_stays_revoked() {
    let mut chain = Chain::new();
    chain.take(revocation(50, 1, 10, 50).to_vec()).unwrap();
    assert_eq!(chain.identities().standing(did(50)).speaker(), Err(NoSpeaker::Revoked { since_ms: 10 }));
    assert!(chain.take(rotation(50, 2, 20, 50, 51).to_vec()).unwrap_err().contains("revoked"));
    assert!(chain.take(revocation(50, 2, 20, 50).to_vec()).unwrap_err().contains("revoked"));
}

#[test]
fn a_key_never_comes_back() {
    let mut chain = Chain::new();
    chain.take(rotation(50, 1, 10, 50, 51).to_vec()).unwrap();
    chain.take(rotation(50, 2, 20, 51, 52).to_vec()).unwrap();
    for old in [50, 51, 52] {
        assert!(chain.take(rotation(50, 3, 30, 52, old).to_vec()).unwrap_err().contains("never comes back"));
    }
    // What was refused left no trace of the key.
    let mut forged = rotation(50, 3, 30, 52, 53).to_vec();
    *forged.last_mut().unwrap() ^= 1;
    assert!(chain.take(forged).is_err());
    chain.take(rotation(50, 3, 30, 52, 53).to_vec()).unwrap();
}

#[test]
fn a_thief_of_an_old_key_changes_nothing() {
    let mut chain = Chain::new();
    chain.take(rotation(50, 1, 10, 50, 51).to_vec()).unwrap();
    assert!(chain.take(rotation(50, 2, 20, 50, 66).to_vec()).unwrap_err().contains("not by the key"));
    assert!(chain.take(revocation(50, 2, 20, 50).to_vec()).unwrap_err().contains("not by the key"));
    assert!(chain.take(rotation(50, 2, 10, 51, 52).to_vec()).unwrap_err().contains("not later"));
    assert_eq!(chain.identities().standing(did(50)).key(), Some(id(51)));
}

#[test]
fn nonsense_is_refused_before_it_costs_a_block() {
    let mut chain = Chain::new();
    for payload in [Bytes::new(), Bytes::from_static(b"CPI1"), vec![0; 5000].into()] {
        let transaction = signed(1, 0, Identities::KIND, payload);
        assert!(matches!(chain.ledger.admit(transaction.bytes().clone()), Err(SubmitError::Payload(_))));
    }
}

struct Fleet {
    sensor: DeviceId,
    stream: Digest,
}

const OWNER: u8 = 70;
const GATEWAY: u8 = 80;

impl Fleet {
    fn new() -> Self {
        Self { sensor: DeviceId::new(&did(OWNER), b"sensor 1"), stream: Digest::content(b"temperature") }
    }

    fn delegation(&self, number: u64, signer: &SigningKey) -> Vec<u8> {
        let terms = DelegationTerms {
            controller: did(OWNER),
            gateway: did(GATEWAY),
            sequence: number,
            from_ms: 1000,
            until_ms: 9000,
            devices: &[self.sensor],
            scope: Scope::Streams(&[self.stream]),
        };
        terms.sign(signer).unwrap()
    }

    fn act(&self) -> Act {
        Act { device: self.sensor, stream: self.stream }
    }
}

fn withdrawal(through: u64, since_ms: u64, by: u8) -> Vec<u8> {
    Withdrawal { controller: did(OWNER), gateway: did(GATEWAY), through, since_ms }.sign(&key(by)).to_bytes().to_vec()
}

fn bound(number: u64) -> Binding {
    Binding { controller: did(OWNER), gateway: did(GATEWAY), number }
}

#[test]
fn delegations_are_numbered() {
    let (mut chain, fleet) = (Chain::new(), Fleet::new());
    chain.take(fleet.delegation(3, &key(OWNER))).unwrap();
    for old in [0, 2, 3] {
        assert!(chain.take(fleet.delegation(old, &key(OWNER))).unwrap_err().contains("not above"));
    }
    assert!(chain.take(fleet.delegation(4, &key(GATEWAY))).is_err());
    chain.take(fleet.delegation(u64::MAX, &key(OWNER))).unwrap();
}

#[test]
fn a_device_leads_to_its_gateways() {
    let (mut chain, fleet) = (Chain::new(), Fleet::new());
    let identities = chain.identities();
    assert_eq!(identities.bindings(&fleet.sensor, None, 10), []);
    for number in [1, 2, 3] {
        chain.take(fleet.delegation(number, &key(OWNER))).unwrap();
    }
    assert_eq!(identities.bindings(&fleet.sensor, None, 2), [bound(1), bound(2)]);
    assert_eq!(identities.bindings(&fleet.sensor, Some(&bound(2)), 2), [bound(3)]);
    assert_eq!(identities.delegation(&bound(2)).as_deref(), Some(&fleet.delegation(2, &key(OWNER))[..]));
    assert_eq!(identities.authorises(&bound(2), &fleet.act(), 1000), Ok(()));
    assert_eq!(identities.authorises(&bound(2), &fleet.act(), 9000), Err(DelegationError::NotInForce));
    let other = Act { device: DeviceId::new(&did(OWNER), b"sensor 2"), ..fleet.act() };
    assert_eq!(identities.authorises(&bound(2), &other, 1000), Err(DelegationError::WrongDevice));
    assert_eq!(identities.authorises(&bound(9), &fleet.act(), 1000), Err(DelegationError::WrongParty));
}

#[test]
fn a_withdrawal_ends_what_it_names() {
    let (mut chain, fleet) = (Chain::new(), Fleet::new());
    for number in [1, 2, 3] {
        chain.take(fleet.delegation(number, &key(OWNER))).unwrap();
    }
    assert!(chain.take(withdrawal(1, 5000, GATEWAY)).is_err());
    chain.take(withdrawal(1, 5000, OWNER)).unwrap();
    assert!(chain.take(withdrawal(1, 4000, OWNER)).unwrap_err().contains("ends as much"));
    assert!(chain.take(withdrawal(0, 4000, OWNER)).unwrap_err().contains("ends as much"));
    // A later one does not give back what an earlier one took.
    chain.take(withdrawal(2, 6000, OWNER)).unwrap();
    let identities = chain.identities();
    let ends = [(1, 4999, Ok(())), (1, 5000, Err(DelegationError::Withdrawn)), (2, 5999, Ok(()))];
    for (number, at, expected) in ends {
        assert_eq!(identities.authorises(&bound(number), &fleet.act(), at), expected, "{number} at {at}");
    }
    assert_eq!(identities.authorises(&bound(2), &fleet.act(), 6000), Err(DelegationError::Withdrawn));
    assert_eq!(identities.authorises(&bound(3), &fleet.act(), 8999), Ok(()));
}

#[test]
fn a_rotation_ends_what_the_old_key_granted() {
    let (mut chain, fleet) = (Chain::new(), Fleet::new());
    chain.take(fleet.delegation(1, &key(OWNER))).unwrap();
    chain.take(rotation(OWNER, 1, 10, OWNER, 71).to_vec()).unwrap();
    let identities = chain.identities();
    assert!(matches!(identities.authorises(&bound(1), &fleet.act(), 2000), Err(DelegationError::Signature(_))));
    assert!(chain.take(fleet.delegation(2, &key(OWNER))).is_err());
    chain.take(fleet.delegation(2, &key(71))).unwrap();
    assert_eq!(identities.authorises(&bound(2), &fleet.act(), 2000), Ok(()));
    // A gateway without a key speaks for nobody.
    chain.take(revocation(GATEWAY, 1, 10, GATEWAY).to_vec()).unwrap();
    assert_eq!(identities.authorises(&bound(2), &fleet.act(), 2000), Err(DelegationError::WrongParty));
}

/// What is tried: kind, sequence, time, who signs, who comes.
fn attempts() -> impl Strategy<Value = Vec<(bool, u64, u64, u8, u8)>> {
    prop::collection::vec((prop::bool::weighted(0.9), 0u64..6, 0u64..30, 50u8..55, 50u8..55), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_ledger_folds_as_a_key_history_does(attempts in attempts()) {
        let (mut chain, mut history) = (Chain::new(), KeyHistory::<32>::new(did(50)));
        for (rotates, sequence, since, by, to) in attempts {
            // Mostly what fits, so that histories grow.
            let next = if sequence < 4 { history.sequence() + 1 } else { sequence };
            let by = match history.speaker() { Ok(speaker) if sequence < 5 => (50..55).find(|k| id(*k) == speaker.key()).unwrap_or(by), _ => by };
            let since = since + 10 * next;
            let record = if rotates { rotation(50, next, since, by, to) } else { revocation(50, next, since, by) };
            // A ledger orders: it never judges a second statement of a sequence.
            let expected = if next <= history.sequence() { Err(HistoryError::Repeated) } else { history.apply(&record) };
            prop_assert_eq!(chain.take(record.to_vec()).is_ok(), expected.is_ok(), "{:?}", expected);
            let standing = chain.identities().standing(did(50));
            prop_assert_eq!(standing.speaker(), history.speaker());
            prop_assert_eq!(standing.sequence(), history.sequence());
        }
    }

    #[test]
    fn any_state_value_is_read_without_a_panic(value in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = KeyStanding::read(did(1), Some(&value));
    }
}
