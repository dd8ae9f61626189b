//! The messages of `proto/ledger.proto`, and the rule that each has one encoding.

use bytes::Bytes;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TransactionBody {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) chain_id: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) sender: Bytes,
    #[prost(uint64, tag = "4")]
    pub(crate) nonce: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) expires: u64,
    #[prost(string, tag = "6")]
    pub(crate) kind: String,
    #[prost(bytes = "bytes", tag = "7")]
    pub(crate) payload: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SignedTransaction {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) body: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) signature: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Block {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) transactions: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Transfer {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) to: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) amount: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Genesis {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(message, repeated, tag = "2")]
    pub(crate) accounts: Vec<GenesisAccount>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) vaults: Vec<GenesisVault>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GenesisAccount {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) balance: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GenesisVault {
    #[prost(string, tag = "1")]
    pub(crate) kind: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) name: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) balance: Bytes,
}

/// Decodes, and refuses every encoding but the one that [`Message::encode_to_vec`] gives: a relay can then not make
/// two different byte strings of one message.
pub(crate) fn decode_canonical<M: Message + Default>(bytes: &Bytes) -> Option<M> {
    let message = M::decode(bytes.clone()).ok()?;
    (message.encode_to_vec() == *bytes).then_some(message)
}
