//! The payload of a block: its head, and a list of transactions, read without trusting its sizes.

use bytes::{Buf, Bytes};
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

use super::transaction::{MAX_TRANSACTION_BYTES, Transaction, TransactionError};
use crate::proof::PayloadHead;

/// The most transactions in one block.
pub const MAX_BLOCK_TRANSACTIONS: usize = 10_000;

/// Field 2, length-delimited.
const TAG: u8 = 0x12;

/// Why the bytes are not a list of transactions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PayloadError {
    #[error("no head of this version")]
    Head,
    #[error("malformed list of transactions")]
    Malformed,
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
    read(payload).ok().map(|(_, transactions)| transactions)
}

/// The payload of a block that names a state and orders these transactions: for those who make blocks without a pool.
pub fn block_payload(head: &PayloadHead, transactions: &[Transaction]) -> Bytes {
    encode(head, &transactions.iter().map(|transaction| transaction.bytes().clone()).collect::<Vec<_>>())
}

/// A payload of these transactions.
pub(crate) fn encode(head: &PayloadHead, transactions: &[Bytes]) -> Bytes {
    let mut payload = head.to_bytes();
    for transaction in transactions {
        payload.push(TAG);
        encode_varint(transaction.len() as u64, &mut payload);
        payload.extend_from_slice(transaction);
    }
    payload.into()
}

/// Reads a payload. Each entry is cut out as it comes, so that no size in the bytes asks for memory.
pub(crate) fn read(payload: &Bytes) -> Result<(PayloadHead, Vec<Transaction>), PayloadError> {
    let head = PayloadHead::read(payload).ok_or(PayloadError::Head)?;
    let mut rest = payload.slice(PayloadHead::size(head.beacon.is_some())..);
    let mut transactions = Vec::new();
    while rest.has_remaining() {
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
    Ok((head, transactions))
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::{
        Digest, SigningKey,
        vrf::{PROOF_LEN, VrfProof},
    };
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::{
        ChainId, Height,
        ledger::{Nonce, TransactionDraft, wire},
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

    fn head(beacon: bool) -> PayloadHead {
        PayloadHead { root: Digest([3; 32]), beacon: beacon.then_some(VrfProof([TAG; PROOF_LEN])) }
    }

    fn bytes(transactions: &[Transaction]) -> Vec<Bytes> {
        transactions.iter().map(|transaction| transaction.bytes().clone()).collect()
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(tail: Vec<u8>, beacon: bool, headed: bool) {
            let payload: Bytes = if headed { [head(beacon).to_bytes(), tail].concat() } else { tail }.into();
            if let Ok((head, transactions)) = read(&payload) {
                prop_assert_eq!(encode(&head, &bytes(&transactions)), payload);
            }
        }

        #[test]
        fn every_list_round_trips_and_costs_what_it_says(sizes in prop::collection::vec(0usize..300, 0..5), beacon: bool) {
            let list: Vec<_> = sizes.iter().enumerate().map(|(i, size)| transaction(i as u64, *size)).collect();
            let payload = encode(&head(beacon), &bytes(&list));
            let size = PayloadHead::size(beacon) + list.iter().map(cost).sum::<usize>();
            prop_assert_eq!(payload.len(), size);
            prop_assert_eq!(&block_payload(&head(beacon), &list), &payload);
            // The bytes are those of the schema.
            let message = wire::Block {
                head: Some(wire::Head {
                    version: 1,
                    state_root: vec![3; 32].into(),
                    beacon: vec![TAG; if beacon { PROOF_LEN } else { 0 }].into(),
                }),
                transactions: bytes(&list),
            };
            prop_assert_eq!(message.encode_to_vec(), payload.to_vec());
            prop_assert!(read(&payload.slice(..payload.len() - 1)).is_err());
            prop_assert!(read(&payload.slice(1..)).is_err());
            prop_assert_eq!(read(&payload), Ok((head(beacon), list)));
        }
    }

    #[test]
    fn overlong_lengths_and_counts_are_refused() {
        let headed = |tail: &[u8]| Bytes::from([head(false).to_bytes().as_slice(), tail].concat());
        // Length 2^35, length 1 in two bytes, an unknown field, a cut entry, a second head.
        let second = head(false).to_bytes();
        let wrong =
            [&[TAG, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01][..], &[TAG, 0x81, 0x00, 0], &[0x1a, 0], &[TAG, 5, 0], &second];
        for wrong in wrong {
            assert_eq!(read(&headed(wrong)), Err(PayloadError::Malformed));
        }
        for version in [0, 2] {
            let mut bytes = head(true).to_bytes();
            bytes[3] = version;
            assert_eq!(read(&bytes.into()), Err(PayloadError::Head));
        }
        assert_eq!(read(&Bytes::new()), Err(PayloadError::Head));
        let one = transaction(0, 0);
        let many = encode(&head(false), &vec![one.bytes().clone(); MAX_BLOCK_TRANSACTIONS + 1]);
        assert_eq!(read(&many), Err(PayloadError::TooMany));
    }
}
