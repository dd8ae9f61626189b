//! Keys and bytes of stored records: the disk format.

use alloc::vec::Vec;
use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};
use prost::Message as _;

use crate::{
    application::FinalBlock,
    ids::Height,
    lbft::{Block, Certificate, FinalEntry, Message, Record, wire},
};

const VOTE: u8 = 1;
const SEALED: u8 = 2;
const BLOCK: u8 = 3;
const CERTIFICATE: u8 = 4;

/// The key in the log: height (8, big endian), tag (1), then what tells records of one height apart. None for
/// [`Record::Final`], which is not in the log but in the table of final blocks.
pub(super) fn log_key(record: &Record) -> Option<Vec<u8>> {
    let mut key = record.height().0.to_be_bytes().to_vec();
    match record {
        Record::Vote(vote) => key.extend_from_slice(&[VOTE, vote.kind as u8]),
        Record::Sealed(_) => key.push(SEALED),
        Record::Block(block) => {
            key.push(BLOCK);
            key.extend_from_slice(&block.digest().0);
        }
        Record::Certificate(certificate) => key.extend_from_slice(&[CERTIFICATE, certificate.kind as u8]),
        Record::Final(_) => return None,
    }
    Some(key)
}

/// The value in the log: the message that the record is or belongs to.
#[cfg_attr(not(feature = "redb"), allow(dead_code))]
pub(super) fn encode(record: &Record) -> Option<Bytes> {
    Some(match record {
        Record::Vote(vote) => Message::Vote(*vote).encode(),
        Record::Sealed(block) | Record::Block(block) => Message::Block(block.clone()).encode(),
        Record::Certificate(certificate) => Message::Certificate(certificate.clone()).encode(),
        Record::Final(_) => return None,
    })
}

#[cfg_attr(not(feature = "redb"), allow(dead_code))]
pub(super) fn decode(key: &[u8], value: &[u8]) -> Option<Record> {
    match (key.get(8)?, Message::decode(Bytes::copy_from_slice(value)).ok()?) {
        (&VOTE, Message::Vote(vote)) => Some(Record::Vote(vote)),
        (&SEALED, Message::Block(block)) => Some(Record::Sealed(block)),
        (&BLOCK, Message::Block(block)) => Some(Record::Block(block)),
        (&CERTIFICATE, Message::Certificate(certificate)) => Some(Record::Certificate(certificate)),
        _ => None,
    }
}

#[cfg_attr(not(feature = "redb"), allow(dead_code))]
pub(super) fn encode_final(entry: &FinalEntry) -> Vec<u8> {
    wire::FinalRecord {
        height: entry.block.height.0,
        digest: Bytes::copy_from_slice(&entry.block.digest.0),
        parent: Bytes::copy_from_slice(&entry.block.parent.0),
        proposer: Bytes::copy_from_slice(&entry.block.proposer.0),
        block: entry.sealed.as_ref().map(|block| block.to_wire()),
        certificate: entry.certificate.as_ref().map(Certificate::to_wire),
    }
    .encode_to_vec()
}

#[cfg_attr(not(feature = "redb"), allow(dead_code))]
pub(super) fn decode_final(value: &[u8]) -> Option<FinalEntry> {
    let wire = wire::FinalRecord::decode(value).ok()?;
    let sealed = match wire.block {
        Some(block) => Some(alloc::sync::Arc::new(Block::from_wire(block)?)),
        None => None,
    };
    let certificate = match wire.certificate {
        Some(certificate) => Some(Certificate::from_wire(certificate)?),
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
    Some(FinalEntry { block, sealed, certificate })
}
