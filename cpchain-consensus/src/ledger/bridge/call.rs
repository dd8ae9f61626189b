//! What a transaction asks of the bridge.

use bytes::Bytes;

use super::{
    super::{amount::Amount, transaction::AccountId},
    codec::{Reader, Writer},
};
use crate::{
    ChainId, Height,
    lbft::{Certificate, Committee},
    proof::{HeadProof, StateProof},
};

/// Most headers of one transaction.
pub const MAX_HEADERS: usize = 128;

const VERSION: u8 = 1;
const REGISTER: u8 = 1;
const ADVANCE: u8 = 2;
const NEXT_TERM: u8 = 3;
const SEND: u8 = 4;
const RECEIVE: u8 = 5;
const CARRY: u8 = 6;
const REPORT: u8 = 7;
const CLOSE: u8 = 8;

/// Payload of the kind [`Bridge::KIND`](super::Bridge::KIND). "The other chain" is the chain that the call names.
///
/// # Bytes
/// Version 1, the number of the call, its fields in the order in which they stand below. Numbers are big-endian, chains, accounts and digests
/// have 32 bytes, amounts 16, heights 8; everything else has its length in front (2), lists their number (1), what may be absent 0 or 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BridgeCall {
    /// Makes a side chain known by the committee of its first term. The sender pays the deposit.
    Register {
        /// The committee.
        committee: Box<Committee>,
        /// At least what the bridge asks for.
        deposit: Amount,
    },
    /// Headers from the last known one upwards, the certificate that makes the last one final, and the head of the payload of one of
    /// them, whose state root is kept then.
    Advance {
        /// The other chain.
        chain: ChainId,
        /// Encoded headers, at most [`MAX_HEADERS`].
        headers: Vec<Bytes>,
        /// A C-certificate of the last.
        certificate: Certificate,
        /// Which payload to take a root from.
        head: Option<HeadProof>,
    },
    /// The other chain's term has ended, and a quorum hands over to this committee.
    NextTerm {
        /// The committee; it names its chain.
        committee: Box<Committee>,
        /// The quorum's hand-over.
        handover: Certificate,
    },
    /// Sends money of the sender to an account of the other chain.
    Send {
        /// The other chain.
        chain: ChainId,
        /// Who gets it there.
        to: AccountId,
        /// How much; not zero.
        amount: Amount,
    },
    /// The next transfer from the other chain, proved by its state.
    Receive {
        /// The other chain.
        chain: ChainId,
        /// Of which anchor the state is.
        block: Height,
        /// The transfer's number there.
        sequence: u64,
        /// Who gets it here.
        to: AccountId,
        /// How much.
        amount: Amount,
        /// That the other chain sent exactly this.
        proof: StateProof,
    },
    /// An entry of a module of the other chain, or that there is none: a copy of it is kept here.
    Carry {
        /// The other chain.
        chain: ChainId,
        /// Of which anchor the state is.
        block: Height,
        /// The module.
        kind: String,
        /// Its key.
        key: Bytes,
        /// The value.
        value: Option<Bytes>,
        /// That the other chain has exactly this.
        proof: StateProof,
    },
    /// Two certificates of one height by the committee in office: the side chain is at an end here, and its deposit lost.
    Report {
        /// The other chain.
        chain: ChainId,
        /// One certificate.
        first: Certificate,
        /// One of another block.
        second: Certificate,
    },
    /// Gives the deposit back to who paid it, once nothing is locked for the side chain. It stays closed.
    Close {
        /// The other chain.
        chain: ChainId,
    },
}

impl BridgeCall {
    /// The payload of a transaction.
    pub fn encode(&self) -> Bytes {
        let start = |call: u8| Writer::default().put([VERSION, call]);
        match self {
            Self::Register { committee, deposit } => {
                start(REGISTER).piece(committee.to_bytes()).put(deposit.to_bytes())
            }
            Self::Advance { chain, headers, certificate, head } => start(ADVANCE)
                .put(chain.0)
                .pieces(headers)
                .certificate(certificate)
                .option(head.as_ref().map(HeadProof::to_bytes).as_deref()),
            Self::NextTerm { committee, handover } => {
                start(NEXT_TERM).piece(committee.to_bytes()).certificate(handover)
            }
            Self::Send { chain, to, amount } => start(SEND).put(chain.0).put(to.0).put(amount.to_bytes()),
            Self::Receive { chain, block, sequence, to, amount, proof } => start(RECEIVE)
                .put(chain.0)
                .put(block.0.to_be_bytes())
                .put(sequence.to_be_bytes())
                .put(to.0)
                .put(amount.to_bytes())
                .piece(proof.to_bytes()),
            Self::Carry { chain, block, kind, key, value, proof } => start(CARRY)
                .put(chain.0)
                .put(block.0.to_be_bytes())
                .piece(kind)
                .piece(key)
                .option(value.as_deref())
                .piece(proof.to_bytes()),
            Self::Report { chain, first, second } => start(REPORT).put(chain.0).certificate(first).certificate(second),
            Self::Close { chain } => start(CLOSE).put(chain.0),
        }
        .bytes()
    }

    /// Reads a payload; `None` for anything else.
    pub fn decode(payload: &Bytes) -> Option<Self> {
        let mut reader = Reader::new(payload.clone());
        let [version, call] = reader.array()?;
        if version != VERSION {
            return None;
        }
        let call = Self::read(call, &mut reader)?;
        reader.end()?;
        // One encoding alone: what stands inside may have others.
        (call.encode() == *payload).then_some(call)
    }

    fn read(call: u8, reader: &mut Reader) -> Option<Self> {
        let proof = |reader: &mut Reader| StateProof::from_bytes(&reader.piece()?);
        let committee = |reader: &mut Reader| Committee::from_bytes(&reader.piece()?).map(Box::new);
        Some(match call {
            REGISTER => Self::Register { committee: committee(reader)?, deposit: reader.amount()? },
            ADVANCE => Self::Advance {
                chain: reader.chain()?,
                headers: reader.pieces(MAX_HEADERS)?,
                certificate: reader.certificate()?,
                head: match reader.option()? {
                    None => None,
                    Some(bytes) => Some(HeadProof::from_bytes(&bytes)?),
                },
            },
            NEXT_TERM => Self::NextTerm { committee: committee(reader)?, handover: reader.certificate()? },
            SEND => Self::Send { chain: reader.chain()?, to: reader.account()?, amount: reader.amount()? },
            RECEIVE => Self::Receive {
                chain: reader.chain()?,
                block: reader.height()?,
                sequence: reader.number()?,
                to: reader.account()?,
                amount: reader.amount()?,
                proof: proof(reader)?,
            },
            CARRY => Self::Carry {
                chain: reader.chain()?,
                block: reader.height()?,
                kind: String::from_utf8(reader.piece()?.to_vec()).ok()?,
                key: reader.piece()?,
                value: reader.option()?,
                proof: proof(reader)?,
            },
            REPORT => {
                Self::Report { chain: reader.chain()?, first: reader.certificate()?, second: reader.certificate()? }
            }
            CLOSE => Self::Close { chain: reader.chain()? },
            _ => return None,
        })
    }
}
