//! The messages of `proto/storage.proto`, derived in source. Typed values are made from them with every bound checked.

/// A signed message: `body` is kept and verified as received, never encoded again.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Signed {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) body: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) signature: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ObjectRef {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) root: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub(crate) length: u64,
    #[prost(uint32, tag = "3")]
    pub(crate) data_shards: u32,
    #[prost(uint32, tag = "4")]
    pub(crate) total_shards: u32,
    #[prost(message, repeated, tag = "5")]
    pub(crate) chunks: Vec<ChunkRef>,
    /// Lists the chunks of a long object.
    #[prost(message, optional, boxed, tag = "6")]
    pub(crate) index: Option<Box<ObjectRef>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ChunkRef {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) root: Vec<u8>,
    /// 32 bytes a shard, in order.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) shards: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ManifestBody {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) owner: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(crate) stream_name: String,
    #[prost(uint64, tag = "4")]
    pub(crate) upload: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) period_ms: u64,
    #[prost(message, repeated, tag = "6")]
    pub(crate) blocks: Vec<BlockEntry>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) intervals: Vec<IntervalEntry>,
    #[prost(message, optional, tag = "8")]
    pub(crate) object: Option<ObjectRef>,
    #[prost(bytes = "vec", tag = "9")]
    pub(crate) leaf_root: Vec<u8>,
    #[prost(uint32, tag = "10")]
    pub(crate) leaf_count: u32,
    #[prost(bytes = "vec", tag = "11")]
    pub(crate) previous: Vec<u8>,
    #[prost(uint64, tag = "12")]
    pub(crate) expires_ms: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BlockEntry {
    #[prost(uint64, tag = "1")]
    pub(crate) index: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) interval: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) hash: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub(crate) offset: u64,
    #[prost(uint32, tag = "5")]
    pub(crate) length: u32,
    #[prost(uint64, tag = "6")]
    pub(crate) start_ms: u64,
    #[prost(uint32, tag = "7")]
    pub(crate) count: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct IntervalEntry {
    #[prost(uint32, tag = "1")]
    pub(crate) interval: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) key_commitment: Vec<u8>,
}

/// What the DHT holds of a manifest: the signed bytes, or the object that they are in.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ManifestHead {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) inline: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    pub(crate) object: Option<ObjectRef>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) hash: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct VoucherBody {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) owner: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) stream: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub(crate) upload: u64,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) manifest: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) block_root: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    pub(crate) leaf_root: Vec<u8>,
    #[prost(uint32, tag = "8")]
    pub(crate) leaf_count: u32,
    #[prost(bytes = "vec", tag = "9")]
    pub(crate) previous: Vec<u8>,
    #[prost(uint32, tag = "10")]
    pub(crate) access: u32,
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use protox::prost_reflect::{DescriptorPool, DynamicMessage, Value};

    use super::*;

    /// Encodes `message`, reads it by the `.proto` file, and expects every field of the file to be set, none to be unknown, and
    /// the same bytes back.
    fn same(pool: &DescriptorPool, name: &str, message: &impl Message) -> DynamicMessage {
        let descriptor = pool.get_message_by_name(&format!("cpchain.storage.v1.{name}")).unwrap();
        let bytes = message.encode_to_vec();
        let read = DynamicMessage::decode(descriptor.clone(), bytes.as_slice()).unwrap();
        assert_eq!(read.unknown_fields().count(), 0, "{name}");
        for field in descriptor.fields() {
            assert!(read.has_field(&field), "{name}.{} is not in the source", field.name());
        }
        assert_eq!(read.encode_to_vec(), bytes, "{name}");
        read
    }

    fn number(message: &DynamicMessage, field: &str) -> u64 {
        match message.get_field_by_name(field).unwrap().into_owned() {
            Value::U32(n) => n.into(),
            Value::U64(n) => n,
            Value::Bytes(bytes) => u64::from(bytes[0]),
            Value::String(text) => text.parse().unwrap(),
            other => panic!("{field}: {other:?}"),
        }
    }

    #[test]
    fn the_proto_file_describes_the_same_messages() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
        let files = protox::compile(["storage.proto"], [folder]).unwrap();
        let pool = DescriptorPool::from_file_descriptor_set(files).unwrap();
        let b = |n: u8| vec![n];
        let check = |name, message: &DynamicMessage, fields: &[&str]| {
            for (value, field) in (1u64..).zip(fields) {
                assert_eq!(number(message, field), value, "{name}.{field}");
            }
        };

        let signed = same(&pool, "Signed", &Signed { body: b(1), signature: b(2) });
        check("Signed", &signed, &["body", "signature"]);
        let chunk = ChunkRef { root: b(1), shards: b(2) };
        check("ChunkRef", &same(&pool, "ChunkRef", &chunk), &["root", "shards"]);
        let mut object =
            ObjectRef { root: b(1), length: 2, data_shards: 3, total_shards: 4, chunks: vec![chunk], index: None };
        object.index = Some(Box::new(object.clone()));
        let fields = ["root", "length", "data_shards", "total_shards"];
        check("ObjectRef", &same(&pool, "ObjectRef", &object), &fields);
        let block = BlockEntry { index: 1, interval: 2, hash: b(3), offset: 4, length: 5, start_ms: 6, count: 7 };
        let fields = ["index", "interval", "hash", "offset", "length", "start_ms", "count"];
        check("BlockEntry", &same(&pool, "BlockEntry", &block), &fields);
        let interval = IntervalEntry { interval: 1, key_commitment: b(2) };
        check("IntervalEntry", &same(&pool, "IntervalEntry", &interval), &["interval", "key_commitment"]);
        let manifest = ManifestBody {
            version: 1,
            owner: b(2),
            stream_name: "3".to_owned(),
            upload: 4,
            period_ms: 5,
            blocks: vec![block],
            intervals: vec![interval],
            object: Some(object.clone()),
            leaf_root: b(6),
            leaf_count: 7,
            previous: b(8),
            expires_ms: 9,
        };
        let fields = [
            "version",
            "owner",
            "stream_name",
            "upload",
            "period_ms",
            "leaf_root",
            "leaf_count",
            "previous",
            "expires_ms",
        ];
        check("ManifestBody", &same(&pool, "ManifestBody", &manifest), &fields);
        let head = ManifestHead { inline: b(1), object: Some(object), hash: b(2) };
        check("ManifestHead", &same(&pool, "ManifestHead", &head), &["inline", "hash"]);
        let voucher = VoucherBody {
            version: 1,
            owner: b(2),
            stream: b(3),
            upload: 4,
            manifest: b(5),
            block_root: b(6),
            leaf_root: b(7),
            leaf_count: 8,
            previous: b(9),
            access: 10,
        };
        let fields = [
            "version",
            "owner",
            "stream",
            "upload",
            "manifest",
            "block_root",
            "leaf_root",
            "leaf_count",
            "previous",
            "access",
        ];
        check("VoucherBody", &same(&pool, "VoucherBody", &voucher), &fields);
    }
}
