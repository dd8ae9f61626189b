//! A light client from end to end: committees, headers and certificates in, balances and identities out. It has no state and no
//! payloads, and all that it is given is bytes of a node that it does not trust.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ledger_common;

use bytes::Bytes;
use cpchain_consensus::{
    Application, FinalBlock, Height, Term,
    lbft::{Block, Certificate, Committee, Header, Kind, LightClient, Message, Vote, impeach_digest},
    ledger::{Amount, Ledger, Transaction, identity::Identities},
    proof::{CertifiedState, HeadProof, KeyStanding, MAX_HEAD_BYTES, PayloadHead, StateKey, StateProof, Uncertified},
};
use cpchain_crypto::{
    Did, Digest, PublicKey,
    identity::{KeyRecord, NoSpeaker, Revocation, RevocationReason, Rotation},
    vrf::VrfProof,
};
use ledger_common::*;
use proptest::prelude::*;

/// Terms of three heights.
const TERM: u64 = 3;

/// A chain of four validators and two proposers, and the ledger of one node. A second one judges what the first proposes.
struct Chain {
    committee: Committee,
    ledger: Ledger,
    judge: Ledger,
    /// Height and digest of the last proposed block.
    parent: (Height, Digest),
    nonce: u64,
}

/// What a full node sends about one key.
struct Answer {
    head: Vec<u8>,
    value: Option<Bytes>,
    proof: Vec<u8>,
}

fn validators(term: u64) -> Vec<u8> {
    (0..4).map(|place| 100 + term as u8 + place).collect()
}

fn keys(seeds: &[u8]) -> Vec<PublicKey> {
    seeds.iter().map(|seed| id(*seed)).collect()
}

fn quorum(committee: &Committee, term: u64, kind: Kind, height: Height, digest: Digest) -> Certificate {
    let vote = |place: u16| Vote::cast(committee, place, &key(validators(term)[place as usize]), kind, height, digest);
    let votes: Vec<_> = (1..4).map(vote).collect();
    Certificate::from_votes(committee, kind, height, digest, &votes)
}

impl Chain {
    fn new() -> Self {
        let make = || Ledger::builder(chain(), genesis()).module(Identities).build().unwrap();
        let committee = Committee::new(chain(), Term(0), keys(&validators(0)), keys(&[120, 121])).unwrap();
        let committee = committee.until(Height(TERM)).unwrap();
        Self { committee, ledger: make(), judge: make(), parent: (Height(0), Digest::ZERO), nonce: 0 }
    }

    fn record(&mut self, record: impl Into<Bytes>) -> Transaction {
        self.nonce += 1;
        signed(1, self.nonce - 1, Identities::KIND, record)
    }

    /// The next block with what is submitted, and what makes it final.
    fn block(&mut self, transactions: &[Transaction]) -> (Bytes, Certificate) {
        for transaction in transactions {
            self.ledger.submit(transaction.bytes().clone()).unwrap();
        }
        let height = self.ledger.last_height().next();
        let payload = self.ledger.propose(height, &[], ROOM);
        self.judge.verify(height, &[], &payload).unwrap();
        let proposer = self.committee.proposer(height);
        let signer = key(if proposer == id(120) { 120 } else { 121 });
        let block = Block::seal(&self.committee, &signer, height, self.parent.0, self.parent.1, payload.clone());
        let digest = block.digest();
        self.finalise(FinalBlock { height, digest, parent: self.parent.1, proposer, impeached: false, payload });
        self.parent = (height, digest);
        let certificate = quorum(&self.committee, self.committee.term().0, Kind::Commit, height, digest);
        (block.encoded_header().clone(), certificate)
    }

    /// The next height is impeached.
    fn impeach(&mut self) {
        let (height, parent) = (self.ledger.last_height().next(), self.parent.1);
        let proposer = self.committee.proposer(height);
        let digest = impeach_digest(chain(), self.committee.term(), &parent, height, &proposer);
        let payload = Bytes::new();
        self.finalise(FinalBlock { height, digest, parent, proposer, impeached: true, payload });
    }

    fn finalise(&mut self, block: FinalBlock) {
        assert_eq!(self.ledger.finalised(&block), self.judge.finalised(&block));
    }

    /// The next term, with one validator replaced, and the proof of it.
    fn next_term(&mut self) -> (Committee, Certificate) {
        let term = self.committee.term().0;
        let next = self.committee.next(keys(&validators(term + 1)), keys(&[120, 121]), Some(TERM)).unwrap();
        let last = self.committee.last().unwrap();
        let proof = quorum(&self.committee, term, Kind::Handover, last, next.digest());
        self.committee = next.clone();
        (next, proof)
    }

    fn answer(&self, key: &StateKey) -> Answer {
        let answer = self.ledger.view().prove_certified(key).unwrap();
        Answer { head: answer.head.to_bytes(), value: answer.value, proof: answer.proof.to_bytes() }
    }
}

impl Answer {
    /// All that a client does with it.
    fn state(&self, proved: &[(Digest, Header)]) -> Result<CertifiedState, Uncertified> {
        CertifiedState::of(proved, &HeadProof::from_bytes(&self.head).unwrap())
    }

    fn proof(&self) -> StateProof {
        StateProof::from_bytes(&self.proof).unwrap()
    }

    fn standing(&self, proved: &[(Digest, Header)], who: Did) -> Result<KeyStanding, Uncertified> {
        self.state(proved)?.standing(who, self.value.as_deref(), &self.proof())
    }
}

fn did(seed: u8) -> Did {
    Did::from(id(seed))
}

/// A certificate as it travels.
fn sent(certificate: &Certificate) -> Certificate {
    match Message::decode(Message::Certificate(certificate.clone()).encode()).unwrap() {
        Message::Certificate(certificate) => certificate,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_light_client_resolves_an_identity_from_certificates_alone() {
    let mut chain = Chain::new();
    let mut client = LightClient::new(chain.committee.clone(), (Height(0), Digest::ZERO));
    let rotation = Rotation { identity: did(50), sequence: 1, since_ms: 10, from: id(50), to: id(51) };
    let rotation = chain.record(KeyRecord::from(rotation.sign(&key(50), &key(51)).unwrap()).to_vec());

    // Height 1 takes the record, height 2 is impeached, height 3 names the state after both.
    let (first, _) = chain.block(&[rotation]);
    chain.impeach();
    let (third, certificate) = chain.block(&[]);
    let proved = client.advance(&[first, third], &sent(&certificate)).unwrap();
    assert_eq!(proved.len(), 2);
    let answer = chain.answer(&KeyStanding::key_of(&did(50)));
    let standing = answer.standing(&proved, did(50)).unwrap();
    assert_eq!((standing.key(), standing.sequence(), standing.height()), (Some(id(51)), 1, Height(1)));
    let state = answer.state(&proved).unwrap();
    assert_eq!((state.block(), state.height()), (Height(3), Height(2)));
    // Somebody without a record speaks with the first key, and that there is no record is proved.
    let none = chain.answer(&KeyStanding::key_of(&did(60)));
    assert_eq!(none.value, None);
    assert_eq!(none.standing(&proved, did(60)), Ok(KeyStanding::first(did(60))));
    // Balances, and accounts that are not there.
    let account = |chain: &Chain, proved: &[_], seed: u8| {
        let answer = chain.answer(&StateKey::account(&id(seed)));
        answer.state(proved).unwrap().account(&id(seed), answer.value.as_deref(), &answer.proof())
    };
    assert_eq!(account(&chain, &proved, 1).unwrap().unwrap().nonce, 1);
    assert_eq!(account(&chain, &proved, 2).unwrap().unwrap().balance, Amount::cpc(100).0);
    assert_eq!(account(&chain, &proved, 9), Ok(None));

    // Over the end of the term, with another validator, and in a block of more than one leaf of the hash.
    let (committee, handover) = chain.next_term();
    let read = Committee::from_bytes(&committee.to_bytes()).unwrap();
    client.next_term(read, &sent(&handover)).unwrap();
    let revocation =
        Revocation { identity: did(50), sequence: 2, since_ms: 20, key: id(51), reason: RevocationReason::Compromised };
    let revocation = chain.record(KeyRecord::from(revocation.sign(&key(51)).unwrap()).to_vec());
    let (fourth, _) = chain.block(&[revocation]);
    let many: Vec<_> = (0..20).map(|nonce| pay(2, nonce, 9, Amount::cpc(1))).collect();
    let (fifth, certificate) = chain.block(&many);
    let before = proved;
    let proved = client.advance(&[fourth, fifth], &sent(&certificate)).unwrap();
    let answer = chain.answer(&KeyStanding::key_of(&did(50)));
    let standing = answer.standing(&proved, did(50)).unwrap();
    assert_eq!(standing.speaker(), Err(NoSpeaker::Revoked { since_ms: 20 }));
    assert!(answer.head.len() > 1024 + 32 && answer.head.len() <= MAX_HEAD_BYTES);
    // The payments of the block itself are not in the state that it names, and in that of the next one they are.
    assert_eq!(account(&chain, &proved, 9), Ok(None));
    let (sixth, certificate) = chain.block(&[]);
    let last = client.advance(&[sixth], &sent(&certificate)).unwrap();
    assert_eq!(account(&chain, &last, 9).unwrap().unwrap().balance, Amount::cpc(20).0);

    // Answers of one state do not pass for another, nor values for other keys.
    assert_eq!(answer.standing(&before, did(50)), Err(Uncertified::Block));
    let state = chain.answer(&StateKey::account(&id(9))).state(&last).unwrap();
    let old = state.standing(did(50), answer.value.as_deref(), &answer.proof());
    assert!(matches!(old, Err(Uncertified::Proof(_))), "{old:?}");
    assert!(matches!(answer.standing(&proved, did(51)), Err(Uncertified::Proof(_))));
    for value in [None, Some(b"".as_slice()), Some(&[1; 58])] {
        let state = answer.state(&proved).unwrap();
        assert!(state.standing(did(50), value, &answer.proof()).is_err());
    }
}

/// After an impeached height the node still proves the state that the last block names.
#[test]
fn the_certified_state_stays_while_heights_are_impeached() {
    let mut chain = Chain::new();
    assert_eq!(chain.ledger.view().prove_certified(&StateKey::account(&id(1))), None);
    chain.impeach();
    assert_eq!(chain.ledger.view().prove_certified(&StateKey::account(&id(1))), None);
    let (header, certificate) = chain.block(&[pay(1, 0, 9, Amount::cpc(7))]);
    let mut client = LightClient::new(chain.committee.clone(), (Height(0), Digest::ZERO));
    let proved = client.advance(&[header], &certificate).unwrap();
    chain.impeach();
    let key = StateKey::account(&id(9));
    let answer = chain.answer(&key);
    assert_eq!(answer.value, None, "the payment is in the block that names the state below it");
    assert_eq!(answer.state(&proved).unwrap().verify(&key, None, &answer.proof()), Ok(()));
    assert!(chain.ledger.view().prove(&key).value.is_some());
}

#[test]
fn the_bytes_of_a_head_are_pinned() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let plain = PayloadHead { root: Digest([7; 32]), beacon: None };
    assert_eq!(hex(&plain.to_bytes()), format!("0a2408011220{}", "07".repeat(32)));
    let beacon = PayloadHead { beacon: Some(VrfProof([9; 80])), ..plain };
    assert_eq!(hex(&beacon.to_bytes()), format!("0a7608011220{}1a50{}", "07".repeat(32), "09".repeat(80)));
    for head in [plain, beacon] {
        let bytes = head.to_bytes();
        assert_eq!(bytes.len(), PayloadHead::size(head.beacon.is_some()));
        assert_eq!(PayloadHead::read(&bytes), Some(head));
        assert_eq!(PayloadHead::read(&[bytes.as_slice(), b"transactions"].concat()), Some(head));
        for length in 0..bytes.len() {
            assert_eq!(PayloadHead::read(&bytes[..length]), None);
        }
    }
    let proof = HeadProof::of(&[plain.to_bytes(), vec![5; 3000]].concat()).to_bytes();
    let pinned = "016f06956cf282c1f8412377f8ab70e3";
    assert_eq!(&Digest::content(&proof).to_string()[..32], pinned);
}

proptest! {
    #[test]
    fn the_head_of_any_payload_is_shown_and_no_other(
        size in prop_oneof![0usize..40, 900..1100usize, 2000..2100usize, 0..40_000usize, Just(1 << 20)],
        flip in any::<prop::sample::Index>(),
    ) {
        let payload: Vec<u8> = (0..size).map(|at| (at * 31 / 8) as u8).collect();
        let proof = HeadProof::of(&payload);
        prop_assert_eq!(proof.payload_digest(), Digest::content(&payload));
        let bytes = proof.to_bytes();
        prop_assert!(bytes.len() <= MAX_HEAD_BYTES);
        prop_assert_eq!(HeadProof::from_bytes(&bytes), Some(proof));
        let mut changed = bytes.clone();
        let bit = flip.index(8 * bytes.len());
        changed[bit / 8] ^= 1 << (bit % 8);
        let changed = HeadProof::from_bytes(&changed).map(|proof| proof.payload_digest());
        prop_assert_ne!(changed, Some(Digest::content(&payload)));
        prop_assert_eq!(HeadProof::from_bytes(&bytes[..bytes.len() - 1]).filter(|proof| {
            proof.payload_digest() == Digest::content(&payload)
        }), None);
    }

    #[test]
    fn arbitrary_heads_are_read_or_refused(
        count in 0u8..13,
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), prop::collection::vec(any::<u8>(), 1020..1500)],
    ) {
        for bytes in [bytes.clone(), [&[1, count], bytes.as_slice()].concat()] {
            if let Some(proof) = HeadProof::from_bytes(&bytes) {
                prop_assert_eq!(proof.to_bytes(), bytes.clone());
                let _ = (proof.payload_digest(), proof.head());
            }
            if let Some(head) = PayloadHead::read(&bytes) {
                prop_assert!(bytes.starts_with(&head.to_bytes()));
            }
        }
    }
}
