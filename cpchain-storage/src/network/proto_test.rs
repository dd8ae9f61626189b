//! `proto/network.proto` describes the same messages as the structs of this module: numbers, types and names.

use std::fmt::Debug;

use bytes::Bytes;
use prost::Message;
use protox::prost_reflect::{DescriptorPool, DynamicMessage};

use crate::audit::AuditProof;

use super::{correspondence::CorrespondenceBody, holders::HoldersBody, receipt::ReceiptContent, record::*, wire::*};

/// Reads `message`, all of whose fields are set, by its description, and compares.
fn same<M: Message + Debug>(pool: &DescriptorPool, name: &str, message: &M) {
    let descriptor = pool.get_message_by_name(&format!("cpchain.storage.network.v1.{name}")).unwrap();
    let bytes = message.encode_to_vec();
    let read = DynamicMessage::decode(descriptor.clone(), bytes.as_slice()).unwrap();
    assert_eq!(read.unknown_fields().count(), 0, "{name} has a field that the file does not describe");
    assert_eq!(read.encode_to_vec(), bytes, "{name}");
    let text = format!("{message:?}");
    let mut set = 0;
    for field in descriptor.fields() {
        if field.containing_oneof().is_none() || read.has_field(&field) {
            assert!(read.has_field(&field), "{name}.{} is not set, or not of this type", field.name());
            set += 1;
        }
        if field.containing_oneof().is_none() {
            assert!(text.contains(&format!("{}:", field.name())), "{name}.{} is named otherwise", field.name());
        }
    }
    assert!(set > 0);
}

#[test]
fn the_proto_file_describes_these_messages() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let files = protox::compile(["network.proto"], [root]).unwrap();
    let pool = DescriptorPool::from_file_descriptor_set(files).unwrap();
    let bytes = || Bytes::from_static(b"bytes");
    let vec = || b"bytes".to_vec();
    same(&pool, "SignedBytes", &SignedBytes { content: bytes(), signature: bytes() });
    let record =
        RecordContent { kind: 1, owner: vec(), name: vec(), sequence: 1 << 40, expires_ms: 1 << 41, body: bytes() };
    same(&pool, "RecordContent", &record);
    same(&pool, "HoldersBody", &HoldersBody { nodes: vec(), chunks: vec![vec(), vec()] });
    let correspondence = CorrespondenceBody {
        stream: vec(),
        interval: 1,
        first_block: 1 << 40,
        block_count: 3,
        capsule: bytes(),
        key_commitment: vec(),
        manifest: vec(),
    };
    same(&pool, "CorrespondenceBody", &correspondence);
    let receipt = ReceiptContent { holder: vec(), shard: vec(), length: 7, lease_until_ms: 1 << 41 };
    same(&pool, "ReceiptContent", &receipt);
    same(&pool, "AuditProof", &AuditProof { receipt: bytes(), slice: bytes() });

    let put = PutShards { lease_until_ms: 1 << 41, shards: vec![bytes(), bytes()] };
    let get = GetShard { id: vec() };
    let has = HasShards { ids: vec![vec(), vec()] };
    same(&pool, "PutShards", &put);
    same(&pool, "GetShard", &get);
    same(&pool, "HasShards", &has);
    let slice = GetSlice { id: vec(), offset: 1 << 19, length: 1 << 20 };
    let audit = AuditShards { ids: vec![vec(), vec()], leaves: vec![1000, 3] };
    let renew = RenewShards { lease_until_ms: 1 << 41, ids: vec![vec(), vec()] };
    same(&pool, "GetSlice", &slice);
    same(&pool, "AuditShards", &audit);
    same(&pool, "RenewShards", &renew);
    let offer = OfferRecords { items: vec() };
    let give = GiveRecords { records: vec![bytes(), bytes()] };
    same(&pool, "OfferRecords", &offer);
    same(&pool, "GiveRecords", &give);
    let asks = [
        Ask::Put(put),
        Ask::Get(get),
        Ask::Has(has),
        Ask::Slice(slice),
        Ask::Audit(audit),
        Ask::Renew(renew),
        Ask::Offer(offer),
        Ask::Give(give),
    ];
    for ask in asks {
        same(&pool, "ChunkRequest", &ChunkRequest { ask: Some(ask) });
    }
    let put = PutReply { receipts: vec![bytes()] };
    let get = GetReply { shard: Some(bytes()) };
    let has = HasReply { held: vec![true, false] };
    let refused = Refusal { code: RefusalCode::Busy as i32 };
    same(&pool, "PutReply", &put);
    same(&pool, "GetReply", &get);
    same(&pool, "HasReply", &has);
    same(&pool, "Refusal", &refused);
    let slice = SliceReply { slice: Some(bytes()) };
    let audit = AuditReply { slices: vec![bytes(), bytes()] };
    let renew = RenewReply { receipts: vec![bytes(), bytes()] };
    same(&pool, "SliceReply", &slice);
    same(&pool, "AuditReply", &audit);
    same(&pool, "RenewReply", &renew);
    let offer = OfferReply { wanted: vec![true, false] };
    let give = GiveReply { taken: vec![true, false] };
    same(&pool, "OfferReply", &offer);
    same(&pool, "GiveReply", &give);
    let answers = [
        Answer::Put(put),
        Answer::Get(get),
        Answer::Has(has),
        Answer::Refused(refused),
        Answer::Slice(slice),
        Answer::Audit(audit),
        Answer::Renew(renew),
        Answer::Offer(offer),
        Answer::Give(give),
    ];
    for answer in answers {
        same(&pool, "ChunkResponse", &ChunkResponse { answer: Some(answer) });
    }
    let codes = pool.get_enum_by_name("cpchain.storage.network.v1.RefusalCode").unwrap();
    for code in codes.values() {
        assert_eq!(format!("{:?}", RefusalCode::try_from(code.number()).unwrap()).to_uppercase(), code.name());
    }
    assert_eq!(codes.values().count(), 5);
}
