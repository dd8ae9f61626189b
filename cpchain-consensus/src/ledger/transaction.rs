//! Signed transactions.
//!
//! A transaction is an encoded body and a signature over exactly those bytes. The signature binds the chain, the
//! sender, the nonce, the last height, the kind and the payload, so that a transaction counts once, on one chain, for
//! a limited time (`tests/ledger.rs`: `replay_*`). Its id is a digest of the body: whoever relays it cannot change the
//! id, and two valid signatures over one body are one transaction.

use std::fmt;

use bytes::Bytes;
use cpchain_crypto::{Digest, Domain, PublicKey, Signature, Signer, batch::Batch};
use prost::Message;

use super::wire;
use crate::{ChainId, Height};

/// The largest signed transaction, in bytes.
pub const MAX_TRANSACTION_BYTES: usize = 64 * 1024;

/// The longest name of a kind, in bytes.
pub const MAX_KIND_BYTES: usize = 32;

const VERSION: u32 = 1;
const SIGNING: Domain = Domain::new("cpchain/consensus/transaction/v1");
const ID: Domain = Domain::new("cpchain/consensus/transaction-id/v1");

/// An account is the Ed25519 key that may spend from it.
pub type AccountId = PublicKey;

/// How many transactions of an account were executed before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Nonce(pub u64);

impl Nonce {
    /// The next nonce; `None` after 2⁶⁴ − 1 transactions.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a transaction: a digest of what was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub Digest);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why bytes are not a transaction that this chain can take, now or at this height.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// More than [`MAX_TRANSACTION_BYTES`].
    #[error("the transaction has {0} bytes, at most {MAX_TRANSACTION_BYTES} are allowed: split it")]
    TooLarge(usize),
    /// The bytes are not the one encoding of a transaction.
    #[error("malformed transaction: {0}")]
    Malformed(&'static str),
    /// Made for another version of the format.
    #[error("version {0} of the transaction format is not known here")]
    UnknownVersion(u32),
    /// Signed for another chain.
    #[error("the transaction was signed for another chain")]
    WrongChain,
    /// The signature is not the sender's.
    #[error("the signature is not the sender's")]
    BadSignature,
    /// Its last height has passed.
    #[error("the transaction expired at height {expires}, this is height {height}: sign it again with a later one")]
    Expired {
        /// The last height at which it could be executed.
        expires: Height,
        /// The height at which it was judged.
        height: Height,
    },
}

/// What a sender wants done, before it is signed.
///
/// ```
/// use cpchain_consensus::{ChainId, Height, ledger::{Nonce, Transaction, TransactionDraft}};
/// use cpchain_crypto::SigningKey;
/// let chain = ChainId::new("example", b"");
/// let signed = TransactionDraft {
///     chain,
///     nonce: Nonce(0),
///     expires: Height(100),
///     kind: "notary".into(),
///     payload: b"hello".as_slice().into(),
/// }
/// .sign(&SigningKey::from_seed(&[1; 32]))?;
/// let received = Transaction::decode(signed.bytes().clone())?;
/// assert_eq!(received.id(), signed.id());
/// received.check(chain, Height(100))?;
/// assert!(received.check(chain, Height(101)).is_err());
/// # Ok::<(), cpchain_consensus::ledger::TransactionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionDraft {
    /// The chain that may execute it.
    pub chain: ChainId,
    /// The sender's next nonce, see [`LedgerView::next_nonce`](super::LedgerView::next_nonce).
    pub nonce: Nonce,
    /// The last height at which it may be executed.
    pub expires: Height,
    /// Which [`Module`](super::Module) executes it.
    pub kind: String,
    /// What that module reads.
    pub payload: Bytes,
}

impl TransactionDraft {
    /// Signs it in the name of the signer's key.
    ///
    /// # Errors
    /// [`TransactionError::Malformed`] for a bad kind name, [`TransactionError::TooLarge`] for a payload that does not
    /// fit.
    pub fn sign(self, signer: &dyn Signer) -> Result<Transaction, TransactionError> {
        let body = Bytes::from(
            wire::TransactionBody {
                version: VERSION,
                chain_id: Bytes::copy_from_slice(self.chain.0.as_ref()),
                sender: Bytes::copy_from_slice(&signer.public_key().0),
                nonce: self.nonce.0,
                expires: self.expires.0,
                kind: self.kind,
                payload: self.payload,
            }
            .encode_to_vec(),
        );
        let signature = signer.sign(SIGNING, &body);
        let signed = wire::SignedTransaction { body, signature: Bytes::copy_from_slice(&signature.0) };
        Transaction::decode(signed.encode_to_vec().into())
    }
}

/// A signed transaction, with the bytes in which it was received.
///
/// [`decode`](Self::decode) has checked its form; whether it is valid on a chain says [`check`](Self::check).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    bytes: Bytes,
    body: Bytes,
    signature: Signature,
    id: TransactionId,
    chain: ChainId,
    sender: AccountId,
    nonce: Nonce,
    expires: Height,
    kind: String,
    payload: Bytes,
}

impl Transaction {
    /// Reads a transaction; its signature is not looked at yet.
    ///
    /// # Errors
    /// [`TransactionError::TooLarge`], [`Malformed`](TransactionError::Malformed) or
    /// [`UnknownVersion`](TransactionError::UnknownVersion).
    pub fn decode(bytes: Bytes) -> Result<Self, TransactionError> {
        const FORM: TransactionError = TransactionError::Malformed("not the one encoding of a signed transaction");
        const LENGTH: TransactionError = TransactionError::Malformed("a key, digest or signature of the wrong length");
        if bytes.len() > MAX_TRANSACTION_BYTES {
            return Err(TransactionError::TooLarge(bytes.len()));
        }
        let signed: wire::SignedTransaction = wire::decode_canonical(&bytes).ok_or(FORM)?;
        let body: wire::TransactionBody = wire::decode_canonical(&signed.body).ok_or(FORM)?;
        if body.version != VERSION {
            return Err(TransactionError::UnknownVersion(body.version));
        }
        if !is_kind(&body.kind) {
            return Err(TransactionError::Malformed("a kind is 1 to 32 of a-z, 0-9, '.', '-' and '_'"));
        }
        Ok(Self {
            signature: Signature::from_slice(&signed.signature).ok_or(LENGTH)?,
            id: TransactionId(Digest::of(ID, &[&signed.body])),
            chain: ChainId(Digest::from_slice(&body.chain_id).ok_or(LENGTH)?),
            sender: PublicKey::from_slice(&body.sender).ok_or(LENGTH)?,
            nonce: Nonce(body.nonce),
            expires: Height(body.expires),
            kind: body.kind,
            payload: body.payload,
            body: signed.body,
            bytes,
        })
    }

    /// Is it valid on this chain at this height, whatever the state?
    ///
    /// # Errors
    /// [`TransactionError::WrongChain`], [`Expired`](TransactionError::Expired) or
    /// [`BadSignature`](TransactionError::BadSignature).
    pub fn check(&self, chain: ChainId, height: Height) -> Result<(), TransactionError> {
        self.check_binding(chain, height)?;
        self.check_signature()
    }

    pub(crate) fn check_binding(&self, chain: ChainId, height: Height) -> Result<(), TransactionError> {
        if self.chain != chain {
            return Err(TransactionError::WrongChain);
        }
        if self.expires < height {
            return Err(TransactionError::Expired { expires: self.expires, height });
        }
        Ok(())
    }

    pub(crate) fn check_signature(&self) -> Result<(), TransactionError> {
        self.sender.verify(SIGNING, &self.body, &self.signature).map_err(|_| TransactionError::BadSignature)
    }

    /// For [`check_signature`](Self::check_signature) together with others.
    pub(crate) fn add_to(&self, batch: &mut Batch) {
        batch.push(self.sender, SIGNING, &self.body, self.signature);
    }

    /// Its name.
    pub fn id(&self) -> TransactionId {
        self.id
    }

    /// The bytes as received: what is submitted, relayed and put into blocks.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Who signed it.
    pub fn sender(&self) -> AccountId {
        self.sender
    }

    /// Its place among the sender's transactions.
    pub fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// The last height at which it may be executed.
    pub fn expires(&self) -> Height {
        self.expires
    }

    /// Which module executes it.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What that module reads.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }
}

/// 1 to [`MAX_KIND_BYTES`] of `a-z 0-9 . - _`.
pub(crate) fn is_kind(name: &str) -> bool {
    (1..=MAX_KIND_BYTES).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b))
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::SigningKey;
    use proptest::prelude::*;

    use super::*;

    fn signed(payload: &[u8]) -> Transaction {
        TransactionDraft {
            chain: ChainId::new("test", b""),
            nonce: Nonce(3),
            expires: Height(9),
            kind: "k".into(),
            payload: Bytes::copy_from_slice(payload),
        }
        .sign(&SigningKey::from_seed(&[1; 32]))
        .unwrap()
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            if let Ok(transaction) = Transaction::decode(bytes.clone().into()) {
                prop_assert_eq!(transaction.bytes(), &bytes);
            }
        }

        #[test]
        fn a_changed_byte_is_refused(at: prop::sample::Index, flip in 1u8..) {
            let original = signed(b"payload");
            let mut bytes = original.bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let verdict = Transaction::decode(bytes.into()).and_then(|t| t.check(ChainId::new("test", b""), Height(9)));
            prop_assert!(verdict.is_err());
        }
    }

    #[test]
    fn a_second_encoding_is_refused() {
        let mut bytes = signed(b"").bytes().to_vec();
        // An unknown field 3.
        bytes.extend([0x18, 0x01]);
        assert!(matches!(Transaction::decode(bytes.into()), Err(TransactionError::Malformed(_))));
    }

    #[test]
    fn sizes_and_names_are_bounded() {
        let draft = |kind: &str, payload: usize| TransactionDraft {
            chain: ChainId::new("test", b""),
            nonce: Nonce(0),
            expires: Height(1),
            kind: kind.into(),
            payload: vec![0; payload].into(),
        };
        let key = SigningKey::from_seed(&[1; 32]);
        assert!(draft("a", MAX_TRANSACTION_BYTES - 256).sign(&key).is_ok());
        assert!(matches!(draft("a", MAX_TRANSACTION_BYTES).sign(&key), Err(TransactionError::TooLarge(_))));
        for name in ["", "UPPER", "with space", "a/b", &"x".repeat(MAX_KIND_BYTES + 1)] {
            assert!(matches!(draft(name, 0).sign(&key), Err(TransactionError::Malformed(_))), "{name}");
        }
    }
}
