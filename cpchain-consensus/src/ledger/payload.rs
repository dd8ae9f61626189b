//! The payload of a block: a list of transactions, read without trusting its sizes, and behind them, on a chain that elects its
//! proposers, the beacon.

use bytes::{Buf, Bytes};
use cpchain_crypto::vrf::{PROOF_LEN, VrfProof};
use prost::{
    Message,
    encoding::{decode_varint, encoded_len_varint},
};

use super::{
    transaction::{MAX_TRANSACTION_BYTES, Transaction, TransactionError},
    wire,
};

/// The most transactions in one block.
pub const MAX_BLOCK_TRANSACTIONS: usize = 10_000;

/// Field 1, length-delimited.
const TAG: u8 = 0x0a;
/// Field 2, length-delimited, and the length.
const BEACON_HEAD: [u8; 2] = [0x12, PROOF_LEN as u8];
/// Bytes that a beacon takes in a payload.
pub(crate) const BEACON_BYTES: usize = BEACON_HEAD.len() + PROOF_LEN;

/// Why the bytes are not a list of transactions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PayloadError {
    #[error("malformed list of transactions")]
    Malformed,
    #[error("a beacon, and this chain has none")]
    Beacon,
    #[error("more than {MAX_BLOCK_TRANSACTIONS} transactions")]
    TooMany,
    #[error(transparent)]
    Transaction(#[from] TransactionError),
}

/// How many bytes of a payload a transaction takes.
pub(crate) fn cost(transaction: &Transaction) -> usize {
    let length = transaction.bytes().len();
    1 + encoded_len_varint(length as u64) + length
}

/// The transactions in the payload of a block, in order; `None` if it is no payload of this ledger.
pub fn block_transactions(payload: &Bytes) -> Option<Vec<Transaction>> {
    read(payload).ok().map(|(transactions, _)| transactions)
}

/// A payload of these transactions.
pub(crate) fn encode(transactions: Vec<Bytes>) -> Bytes {
    wire::Block { transactions, beacon: Bytes::new() }.encode_to_vec().into()
}

/// The payload with a beacon behind it.
pub(crate) fn with_beacon(payload: &[u8], beacon: &VrfProof) -> Bytes {
    [payload, &BEACON_HEAD, &beacon.0].concat().into()
}

/// Reads a payload of a chain without beacons.
pub(crate) fn decode(payload: &Bytes) -> Result<Vec<Transaction>, PayloadError> {
    match read(payload)? {
        (transactions, None) => Ok(transactions),
        (_, Some(_)) => Err(PayloadError::Beacon),
    }
}

/// Reads a payload. Each entry is cut out as it comes, so that no size in the bytes asks for memory.
pub(crate) fn read(payload: &Bytes) -> Result<(Vec<Transaction>, Option<VrfProof>), PayloadError> {
    let mut rest = payload.clone();
    let mut transactions = Vec::new();
    while rest.has_remaining() {
        // Nothing comes behind the beacon.
        if let Some(beacon) = rest.strip_prefix(&BEACON_HEAD).and_then(VrfProof::from_slice) {
            return Ok((transactions, Some(beacon)));
        }
        if transactions.len() == MAX_BLOCK_TRANSACTIONS {
            return Err(PayloadError::TooMany);
        }
        if rest.get_u8() != TAG {
            return Err(PayloadError::Malformed);
        }
        let before = rest.remaining();
        let length = decode_varint(&mut rest).map_err(|_| PayloadError::Malformed)?;
        if before - rest.remaining() != encoded_len_varint(length) || length > MAX_TRANSACTION_BYTES as u64 {
            return Err(PayloadError::Malformed);
        }
        let length = length as usize;
        if length > rest.remaining() {
            return Err(PayloadError::Malformed);
        }
        transactions.push(Transaction::decode(rest.split_to(length))?);
    }
    Ok((transactions, None))
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::SigningKey;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        ChainId, Height,
        ledger::{Nonce, TransactionDraft},
    };

    fn transaction(nonce: u64, payload: usize) -> Transaction {
        TransactionDraft {
            chain: ChainId::new("test", b""),
            nonce: Nonce(nonce),
            expires: Height(9),
            kind: "k".into(),
            payload: vec![7; payload].into(),
        }
        .sign(&SigningKey::from_seed(&[1; 32]))
        .unwrap()
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let bytes = Bytes::from(bytes);
            if let Ok(transactions) = decode(&bytes) {
                prop_assert_eq!(encode(transactions.iter().map(|t| t.bytes().clone()).collect()), bytes);
            }
        }

        #[test]
        fn every_list_round_trips_and_costs_what_it_says(sizes in prop::collection::vec(0usize..300, 0..5)) {
            let list: Vec<_> = sizes.iter().enumerate().map(|(i, size)| transaction(i as u64, *size)).collect();
            let payload = encode(list.iter().map(|t| t.bytes().clone()).collect());
            prop_assert_eq!(payload.len(), list.iter().map(cost).sum::<usize>());
            let beacon = VrfProof([TAG; PROOF_LEN]);
            let whole = with_beacon(&payload, &beacon);
            prop_assert_eq!(whole.len(), payload.len() + BEACON_BYTES);
            prop_assert_eq!(decode(&whole), Err(PayloadError::Beacon));
            prop_assert_eq!(read(&whole), Ok((list.clone(), Some(beacon))));
            prop_assert!(read(&with_beacon(&whole, &beacon)).is_err(), "two beacons");
            prop_assert!(read(&whole.slice(..whole.len() - 1)).is_err());
            prop_assert_eq!(decode(&payload), Ok(list));
        }
    }

    #[test]
    fn overlong_lengths_and_counts_are_refused() {
        // Length 2^35, length 1 in two bytes, an unknown field, a cut entry.
        for wrong in [&[TAG, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01][..], &[TAG, 0x81, 0x00, 0], &[0x12, 0], &[TAG, 5, 0]] {
            assert_eq!(decode(&Bytes::copy_from_slice(wrong)), Err(PayloadError::Malformed));
        }
        let one = transaction(0, 0);
        let many = encode(vec![one.bytes().clone(); MAX_BLOCK_TRANSACTIONS + 1]);
        assert_eq!(decode(&many), Err(PayloadError::TooMany));
    }
}
