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

/// Blocks are read and written by `payload`, entry by entry: this is what that is checked against.
#[cfg(test)]
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Block {
    #[prost(message, optional, tag = "1")]
    pub(crate) head: Option<Head>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(crate) transactions: Vec<Bytes>,
}

#[cfg(test)]
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Head {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) state_root: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) beacon: Bytes,
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
    #[prost(message, repeated, tag = "4")]
    pub(crate) entries: Vec<GenesisEntry>,
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

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GenesisEntry {
    #[prost(string, tag = "1")]
    pub(crate) kind: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) key: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) value: Bytes,
}

/// Decodes, and refuses every encoding but the one that [`Message::encode_to_vec`] gives: a relay can then not make
/// two different byte strings of one message.
pub(crate) fn decode_canonical<M: Message + Default>(bytes: &Bytes) -> Option<M> {
    let message = M::decode(bytes.clone()).ok()?;
    (message.encode_to_vec() == *bytes).then_some(message)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use protox::prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

    use super::*;

    fn schema(name: &str) -> MessageDescriptor {
        let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
        let files = protox::compile(["ledger.proto"], [proto]).unwrap();
        let pool = DescriptorPool::from_file_descriptor_set(files).unwrap();
        pool.get_message_by_name(&format!("cpchain.consensus.ledger.v1.{name}")).unwrap()
    }

    /// `message` has every field set: read by the schema, it shows `text`, in which each field stands once with a value
    /// of its own, and no unknown one.
    fn agrees<M: Message>(name: &str, message: &M, text: &str) {
        let bytes = message.encode_to_vec();
        let schema = schema(name);
        let dynamic = DynamicMessage::decode(schema.clone(), bytes.as_slice()).unwrap();
        assert_eq!(dynamic.to_string(), text);
        assert_eq!(dynamic.unknown_fields().count(), 0);
        assert_eq!(dynamic.fields().count(), schema.fields().count());
        assert_eq!(dynamic.encode_to_vec(), bytes);
    }

    #[test]
    fn the_proto_file_describes_these_messages() {
        let b = Bytes::from_static;
        let body = TransactionBody {
            version: 1,
            chain_id: b(b"two"),
            sender: b(b"three"),
            nonce: 4,
            expires: 5,
            kind: "six".into(),
            payload: b(b"seven"),
        };
        agrees(
            "TransactionBody",
            &body,
            r#"version:1,chain_id:"two",sender:"three",nonce:4,expires:5,kind:"six",payload:"seven""#,
        );
        let signed = SignedTransaction { body: b(b"one"), signature: b(b"two") };
        agrees("SignedTransaction", &signed, r#"body:"one",signature:"two""#);
        let head = Head { version: 1, state_root: b(b"two"), beacon: b(b"three") };
        agrees("Head", &head, r#"version:1,state_root:"two",beacon:"three""#);
        let block = Block { head: Some(head), transactions: vec![b(b"first"), b(b"second")] };
        let text = r#"head{version:1,state_root:"two",beacon:"three"},transactions:["first","second"]"#;
        agrees("Block", &block, text);
        agrees("Transfer", &Transfer { to: b(b"one"), amount: b(b"two") }, r#"to:"one",amount:"two""#);
        let account = GenesisAccount { key: b(b"one"), balance: b(b"two") };
        agrees("GenesisAccount", &account, r#"key:"one",balance:"two""#);
        let vault = GenesisVault { kind: "one".into(), name: b(b"two"), balance: b(b"three") };
        agrees("GenesisVault", &vault, r#"kind:"one",name:"two",balance:"three""#);
        let entry = GenesisEntry { kind: "one".into(), key: b(b"two"), value: b(b"three") };
        agrees("GenesisEntry", &entry, r#"kind:"one",key:"two",value:"three""#);
        let genesis = Genesis { version: 1, accounts: vec![account], vaults: vec![vault], entries: vec![entry] };
        let (account, vault) = (r#"{key:"one",balance:"two"}"#, r#"{kind:"one",name:"two",balance:"three"}"#);
        let entry = r#"{kind:"one",key:"two",value:"three"}"#;
        let text = format!("version:1,accounts:[{account}],vaults:[{vault}],entries:[{entry}]");
        agrees("Genesis", &genesis, &text);
    }
}
