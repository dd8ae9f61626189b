//! The wire format: golden bytes, round trips, the .proto file, and arbitrary bytes.

use std::path::Path;

use cpchain_crypto::{Signer, SigningKey};
use proptest::prelude::*;
use protox::prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage as _};

use super::*;
use crate::{
    ids::ChainId,
    lbft::{Closing, Committee, FinalEntry, SignatureCache},
};

fn committee() -> (Committee, SigningKey) {
    let key = SigningKey::from_seed(&[1; 32]);
    let me = vec![key.public_key()];
    (Committee::new(ChainId::new("golden", b"genesis"), Term(1), me.clone(), me).unwrap(), key)
}

/// One message of each kind, every field set.
fn samples() -> Vec<(&'static str, Message)> {
    let (committee, key) = committee();
    let block = Block::seal(&committee, &key, Height(5), Height(3), Digest([3; 32]), Bytes::from_static(b"payload"));
    // Signer 0 would be the default value, which is not encoded.
    let vote = |kind, height, digest| Vote { signer: 1, ..Vote::cast(&committee, 0, &key, kind, height, digest) };
    let certificate = |kind, height, digest| {
        let vote = Vote::cast(&committee, 0, &key, kind, height, digest);
        Certificate::from_votes(&committee, kind, height, digest, &[vote])
    };
    let parent = certificate(Kind::Commit, Height(3), Digest([3; 32]));
    let impeachment = certificate(Kind::ImpeachPrepare, Height(4), Digest::ZERO);
    let block = Arc::new(block);
    let proposal = Proposal { block: block.clone(), parent: Some(parent.clone()), impeachment: Some(impeachment) };
    vec![
        ("propose", Message::Propose(proposal)),
        ("vote", Message::Vote(vote(Kind::Prepare, Height(5), block.digest()))),
        ("certificate", Message::Certificate(parent.clone())),
        ("block", Message::Block(block.clone())),
        (
            "pull",
            Message::Pull(Pull {
                heights: vec![Height(7), Height(8)],
                digests: vec![Digest([9; 32])],
                range: Some(Height(3)),
                pieces: 4,
            }),
        ),
        (
            "range",
            Message::Range(Range {
                blocks: vec![block.clone(), block.clone()],
                certificate: parent.clone(),
                more: true,
            }),
        ),
        // What hands a term over travels as any vote and certificate.
        ("vote", Message::Vote(vote(Kind::Handover, Height(9), committee.digest()))),
        ("certificate", Message::Certificate(certificate(Kind::Handover, Height(9), committee.digest()))),
    ]
}

#[test]
fn golden_messages() {
    let text: String = samples().iter().map(|(name, m)| format!("{name} {}\n", Digest::content(&m.encode()))).collect();
    assert_eq!(text, include_str!("../../testdata/messages.txt"));
}

#[test]
fn every_message_round_trips() {
    for (name, message) in samples() {
        assert_eq!(Message::decode(message.encode()), Ok(message), "{name}");
    }
}

#[test]
fn the_proto_file_describes_these_messages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let files = protox::compile(["lbft.proto"], [folder]).unwrap();
    let pool = DescriptorPool::from_file_descriptor_set(files).unwrap();
    let schema = |name: &str| pool.get_message_by_name(&format!("cpchain.consensus.lbft.v2.{name}")).unwrap();
    let agrees = |name: &str, bytes: &[u8], fields: &[&str]| {
        let read = DynamicMessage::decode(schema(name), bytes).unwrap();
        assert_eq!(read.unknown_fields().count(), 0, "{name}");
        let set: Vec<_> = read.fields().map(|(field, _)| field.name().to_owned()).collect();
        assert_eq!(set, fields, "{name}");
        assert_eq!(read.encode_to_vec(), bytes, "{name}");
        read
    };
    for (name, message) in samples() {
        let envelope = agrees("Envelope", &message.encode(), &[name]);
        let body = envelope.get_field_by_name(name).unwrap();
        let inner = body.as_message().unwrap();
        assert_eq!(inner.unknown_fields().count(), 0, "{name}");
        assert_eq!(inner.fields().count(), inner.descriptor().fields().count(), "{name}: every field is set");
    }
    let all = samples();
    let (Message::Block(block), Message::Certificate(certificate)) = (&all[3].1, &all[2].1) else { panic!() };
    let header = ["chain_id", "term", "height", "parent_height", "parent_digest", "payload_digest"];
    agrees("Header", block.encoded_header(), &header);
    let entry = FinalEntry {
        term: Term(1),
        block: crate::FinalBlock {
            height: Height(5),
            digest: block.digest(),
            parent: Digest([3; 32]),
            proposer: SigningKey::from_seed(&[1; 32]).public_key(),
            impeached: false,
            payload: block.payload().clone(),
        },
        sealed: Some(block.clone()),
        certificate: Some(certificate.clone()),
        closing: Some(Closing { blocks: vec![block.clone()], certificate: certificate.clone() }),
    };
    let fields = ["height", "digest", "parent", "proposer", "block", "certificate", "term", "closing"];
    agrees("FinalRecord", &crate::storage::final_bytes(&entry), &fields);
    let (committee, _) = committee();
    let committee = committee.until(Height(9)).unwrap();
    let fields = ["chain_id", "term", "first", "last", "validators", "proposers"];
    agrees("Committee", &committee.to_bytes(), &fields);
}

#[test]
fn bounds() {
    let long = Bytes::from(vec![0; MAX_MESSAGE + 1]);
    assert_eq!(Message::decode(long), Err(DecodeError::TooLong(MAX_MESSAGE + 1)));
    assert_eq!(Message::decode(Bytes::new()), Err(DecodeError::Malformed));
    let greedy = Pull { heights: vec![Height(1); MAX_PULL + 1], ..Pull::default() };
    assert_eq!(Message::decode(Message::Pull(greedy).encode()), Err(DecodeError::Bounds));
    let Message::Range(range) = samples().remove(5).1 else { panic!() };
    let greedy = Range { blocks: vec![range.blocks[0].clone(); MAX_RANGE + 1], ..range };
    assert_eq!(Message::decode(Message::Range(greedy).encode()), Err(DecodeError::Bounds));
    let (committee, key) = committee();
    let seal = |size| {
        let block = Block::seal(&committee, &key, Height(1), Height(0), Digest::ZERO, Bytes::from(vec![0; size]));
        Message::decode(Message::Block(Arc::new(block)).encode())
    };
    assert!(seal(MAX_PAYLOAD).is_ok());
    assert_eq!(seal(MAX_PAYLOAD + 1), Err(DecodeError::Bounds));
    // The largest block with two certificates of the largest committee fits.
    let certificate = Certificate {
        signers: vec![0xff; 32].into(),
        signatures: vec![0; 256 * 64].into(),
        ..samples().into_iter().find_map(|(_, m)| if let Message::Certificate(c) = m { Some(c) } else { None }).unwrap()
    };
    let block = Block::seal(&committee, &key, Height(1), Height(0), Digest::ZERO, Bytes::from(vec![0; MAX_PAYLOAD]));
    let (parent, impeachment) = (Some(certificate.clone()), Some(certificate));
    let largest = Message::Propose(Proposal { block: Arc::new(block), parent, impeachment }).encode();
    assert!(largest.len() <= MAX_MESSAGE, "{}", largest.len());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Message::decode(bytes.into());
    }

    /// One flipped byte is refused, is another message, or is the same message; it is never a signature that still holds
    /// over something else.
    #[test]
    fn a_changed_byte_never_verifies_as_something_else(which in 0_usize..6, at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let (committee, _) = committee();
        let cache = SignatureCache::new(10);
        // The sample's signer is another than signed; a lost field must not be what makes it hold.
        let message = match samples().remove(which).1 {
            Message::Vote(vote) => Message::Vote(Vote { signer: 0, ..vote }),
            other => other,
        };
        let mut bytes = message.encode().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(changed) = Message::decode(bytes.into())
            && changed != message
        {
            let holds = match changed {
                Message::Vote(vote) => vote.verify(&committee, &cache).is_some(),
                Message::Certificate(c) => c.verify(&committee, &cache).is_ok(),
                Message::Block(block) => block.verify_seal(&committee, &cache),
                Message::Propose(_) | Message::Pull(_) | Message::Range(_) => false,
            };
            prop_assert!(!holds);
        }
    }
}

/// Padding is skipped by protobuf readers; a slice of the message would keep it.
#[test]
fn a_block_does_not_keep_a_larger_message() {
    let net = committee();
    let payload = Bytes::from_static(b"small");
    let block = Block::seal(&net.0, &net.1, Height(1), Height(0), Digest::ZERO, payload);
    let mut padded = Message::Block(Arc::new(block)).encode().to_vec();
    // Field 100 of the envelope, unknown: bytes.
    padded.extend_from_slice(&[0xa2, 0x06, 0x80, 0x80, 0x20]);
    padded.resize(padded.len() + (512 << 10), 0);
    let message = Bytes::from(padded);
    let range = message.as_ptr_range();
    let Message::Block(read) = Message::decode(message).unwrap() else { panic!() };
    assert_eq!(&read.payload()[..], b"small");
    assert!(!range.contains(&read.payload().as_ptr()));
    // What is most of its message is not copied.
    let block = Block::seal(&net.0, &net.1, Height(1), Height(0), Digest::ZERO, vec![7; 1000].into());
    let message = Message::Block(Arc::new(block)).encode();
    let range = message.as_ptr_range();
    let Message::Block(read) = Message::decode(message).unwrap() else { panic!() };
    assert!(range.contains(&read.payload().as_ptr()));
}
