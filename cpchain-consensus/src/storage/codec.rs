//! Keys and bytes of stored records: the disk format.

use alloc::{sync::Arc, vec::Vec};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};
use prost::Message as _;

use crate::{
    application::FinalBlock,
    ids::{Height, Term},
    lbft::{Block, Certificate, Closing, Committee, Evidence, Fault, FinalEntry, Message, Record, wire},
};

const VOTE: u8 = 1;
const SEALED: u8 = 2;
const BLOCK: u8 = 3;
const CERTIFICATE: u8 = 4;

const FAULT: u8 = 1;
const COMMITTEE: u8 = 2;
const EVIDENCE: u8 = 3;
const HANDOVER: u8 = 4;

/// Where a record is stored.
pub(super) enum Place {
    /// In the log, until something final covers it. The key: term and height (8 each, big endian), tag (1), then what tells
    /// records of one height apart.
    Log(Vec<u8>),
    /// For ever. The key: tag (1), then what tells records of one tag apart.
    Kept(Vec<u8>),
    /// Among the final blocks, by height.
    Final,
}

pub(super) fn place(record: &Record) -> Place {
    match record {
        Record::Vote(vote) => log(vote.term, vote.height, &[VOTE, vote.kind as u8]),
        Record::Sealed(block) => log(block.header().term, block.height(), &[SEALED]),
        Record::Block(block) => {
            log(block.header().term, block.height(), &[[BLOCK].as_slice(), &block.digest().0].concat())
        }
        Record::Certificate(certificate) => {
            log(certificate.term, certificate.height, &[CERTIFICATE, certificate.kind as u8])
        }
        Record::Final(_) => Place::Final,
        Record::Fault(_) => Place::Kept([FAULT].into()),
        Record::Committee(committee) => Place::Kept(committee_key(committee.term())),
        Record::Handover(proof) => Place::Kept(handover_key(proof.term)),
        Record::Evidence(evidence) => {
            let (first, second) = (&evidence.first.0, &evidence.second.0);
            let mut kinds = [first.kind as u8, second.kind as u8];
            kinds.sort_unstable();
            let (term, height) = (first.term.0.to_be_bytes(), first.height.0.to_be_bytes());
            let parts: [&[u8]; 5] = [&[EVIDENCE], &term, &height, &evidence.key.0, &kinds];
            Place::Kept(parts.concat())
        }
    }
}

fn log(term: Term, height: Height, rest: &[u8]) -> Place {
    let mut key = log_start(term, height);
    key.extend_from_slice(rest);
    Place::Log(key)
}

fn log_start(term: Term, height: Height) -> Vec<u8> {
    [term.0.to_be_bytes(), height.0.to_be_bytes()].concat()
}

/// Log keys below this one are covered by a final height.
pub(super) fn covered_below(entry: &FinalEntry) -> Vec<u8> {
    match entry.closing {
        Some(_) => log_start(entry.term.next(), Height::GENESIS),
        None => log_start(entry.term, entry.block.height.next()),
    }
}

/// The digests by which a final entry is found.
pub(super) fn digests(entry: &FinalEntry) -> impl Iterator<Item = Digest> + '_ {
    let closing = entry.closing.iter().flat_map(|closing| &closing.blocks).map(|block| block.digest());
    core::iter::once(entry.block.digest).chain(closing)
}

/// The key of a term's committee.
pub(super) fn committee_key(term: Term) -> Vec<u8> {
    [[COMMITTEE].as_slice(), &term.0.to_be_bytes()].concat()
}

/// The key of the hand-over that ended a term.
pub(super) fn handover_key(term: Term) -> Vec<u8> {
    [[HANDOVER].as_slice(), &term.0.to_be_bytes()].concat()
}

#[cfg_attr(not(feature = "redb"), allow(dead_code))]
/// Keys of evidence are from the first on and below the second.
pub(super) const EVIDENCE_KEYS: ([u8; 1], [u8; 1]) = ([EVIDENCE], [EVIDENCE + 1]);

/// The value of a record that is no [`Record::Final`].
#[cfg_attr(not(feature = "redb"), allow(dead_code))]
pub(super) fn encode(record: &Record) -> Option<Bytes> {
    Some(match record {
        Record::Vote(vote) => Message::Vote(*vote).encode(),
        Record::Sealed(block) | Record::Block(block) => Message::Block(block.clone()).encode(),
        Record::Certificate(certificate) | Record::Handover(certificate) => {
            Message::Certificate(certificate.clone()).encode()
        }
        Record::Fault(fault) => Bytes::copy_from_slice(&fault.to_bytes()),
        Record::Committee(committee) => committee.to_bytes(),
        Record::Evidence(evidence) => evidence.to_bytes().into(),
        Record::Final(_) => return None,
    })
}

#[cfg_attr(not(feature = "redb"), allow(dead_code))]
pub(super) fn decode_log(key: &[u8], value: &[u8]) -> Option<Record> {
    match (key.get(16)?, Message::decode(Bytes::copy_from_slice(value)).ok()?) {
        (&VOTE, Message::Vote(vote)) => Some(Record::Vote(vote)),
        (&SEALED, Message::Block(block)) => Some(Record::Sealed(block)),
        (&BLOCK, Message::Block(block)) => Some(Record::Block(block)),
        (&CERTIFICATE, Message::Certificate(certificate)) => Some(Record::Certificate(certificate)),
        _ => None,
    }
}

#[cfg_attr(not(feature = "redb"), allow(dead_code))]
pub(super) fn decode_kept(key: &[u8], value: &[u8]) -> Option<Record> {
    match *key.first()? {
        FAULT => Fault::from_bytes(value).map(Record::Fault),
        COMMITTEE => Committee::from_bytes(value).map(Record::Committee),
        EVIDENCE => Evidence::from_bytes(value).map(Record::Evidence),
        HANDOVER => match Message::decode(Bytes::copy_from_slice(value)).ok()? {
            Message::Certificate(proof) => Some(Record::Handover(proof)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg_attr(not(feature = "redb"), allow(dead_code))]
pub(super) fn encode_final(entry: &FinalEntry) -> Vec<u8> {
    let closing = entry.closing.as_ref().map(|closing| wire::Closing {
        blocks: closing.blocks.iter().map(|block| block.to_wire()).collect(),
        certificate: Some(closing.certificate.to_wire()),
    });
    wire::FinalRecord {
        height: entry.block.height.0,
        digest: Bytes::copy_from_slice(&entry.block.digest.0),
        parent: Bytes::copy_from_slice(&entry.block.parent.0),
        proposer: Bytes::copy_from_slice(&entry.block.proposer.0),
        block: entry.sealed.as_ref().map(|block| block.to_wire()),
        certificate: entry.certificate.as_ref().map(Certificate::to_wire),
        term: entry.term.0,
        closing,
    }
    .encode_to_vec()
}

#[cfg_attr(not(feature = "redb"), allow(dead_code))]
pub(super) fn decode_final(value: &[u8]) -> Option<FinalEntry> {
    let wire = wire::FinalRecord::decode(value).ok()?;
    let block = |wire| Block::from_wire(wire).map(Arc::new);
    let sealed = match wire.block {
        Some(wire) => Some(block(wire)?),
        None => None,
    };
    let certificate = match wire.certificate {
        Some(certificate) => Some(Certificate::from_wire(certificate)?),
        None => None,
    };
    let closing = match wire.closing {
        Some(closing) => Some(Closing {
            blocks: closing.blocks.into_iter().map(block).collect::<Option<_>>()?,
            certificate: Certificate::from_wire(closing.certificate?)?,
        }),
        None => None,
    };
    let block = FinalBlock {
        height: Height(wire.height),
        digest: Digest::from_slice(&wire.digest)?,
        parent: Digest::from_slice(&wire.parent)?,
        proposer: PublicKey::from_slice(&wire.proposer)?,
        impeached: sealed.is_none(),
        payload: sealed.as_ref().map(|block| block.payload().clone()).unwrap_or_default(),
    };
    Some(FinalEntry { term: Term(wire.term), block, sealed, certificate, closing })
}
