//! Manifests: what a good one is, and that nothing else is one.
#![cfg(all(feature = "csv", feature = "pco"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::LazyLock;

use cpchain_crypto::{Digest, SigningKey};
use cpchain_storage::{
    ErasureParams, Manifest, ManifestBody, ManifestError, ManifestHead, Upload,
    erasure::Coder,
    manifest::{MAX_INLINE_LEN, UploadError},
};
use proptest::prelude::*;
use support::*;

fn upload() -> Upload {
    static UPLOAD: LazyLock<Upload> = LazyLock::new(|| uploads(4).remove(0));
    UPLOAD.clone()
}

#[test]
fn golden_manifest() {
    let hash = upload().manifest.hash().to_string();
    assert_eq!(hash, include_str!("../testdata/manifest_hash.hex").trim());
}

#[test]
fn signed_bytes_come_back_as_they_are() {
    let manifest = upload().manifest;
    let again = Manifest::decode(manifest.bytes().clone()).unwrap();
    assert_eq!(again, manifest);
    assert_eq!(again.bytes(), manifest.bytes());
}

#[test]
fn only_the_owner_signs() {
    let body = upload().manifest.body().clone();
    let stranger = SigningKey::from_seed(&[9; 32]);
    assert_eq!(Manifest::sign(body, &stranger), Err(ManifestError::NotOwner));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_change_of_a_manifest_decodes(place: prop::sample::Index, bit in 0u8..8) {
        let manifest = upload().manifest;
        let mut bytes = manifest.bytes().to_vec();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        // The envelope has few ways to say the same: what decodes has the same signed body.
        if let Ok(decoded) = Manifest::decode(bytes) {
            prop_assert_eq!(decoded.hash(), manifest.hash());
        }
    }

    #[test]
    fn any_flipped_bit_of_the_object_is_found(place: prop::sample::Index, bit in 0u8..8) {
        let upload = upload();
        let mut object = upload.object.to_vec();
        let place = place.index(object.len());
        object[place] ^= 1 << bit;
        prop_assert_eq!(upload.manifest.verify(&object).err(), Some(UploadError::Root));
        let is_cut = matches!(upload.manifest.verify(&object[..place]), Err(UploadError::Length { .. }));
        prop_assert!(is_cut);
    }

    #[test]
    fn any_bytes_decode_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let _ = Manifest::decode(bytes.clone());
        let _ = ManifestHead::decode(&bytes);
        let _ = cpchain_storage::ObjectRef::decode(&bytes);
        let _ = cpchain_storage::Voucher::decode(bytes);
    }
}

#[test]
fn contradictions_are_not_signed() {
    let refused = |change: &dyn Fn(&mut ManifestBody)| {
        let mut body = upload().manifest.body().clone();
        change(&mut body);
        let result = Manifest::sign(body, &owner());
        assert!(matches!(result, Err(ManifestError::Inconsistent(_))), "{result:?}");
    };
    refused(&|body| body.blocks.clear());
    refused(&|body| body.period_ms = 0);
    refused(&|body| body.blocks[1].index += 1);
    refused(&|body| body.blocks[1].offset += 1);
    refused(&|body| body.blocks[1].length = 10);
    refused(&|body| body.blocks[1].start_ms += 1);
    refused(&|body| body.blocks.swap(1, 2));
    refused(&|body| body.blocks[3].interval.0 = 0);
    refused(&|body| body.intervals.swap(0, 1));
    refused(&|body| body.intervals.truncate(1));
    refused(&|body| body.leaf_count += 1);
    refused(&|body| body.object.length += 1);
    refused(&|body| body.previous = Digest([1; 32]));
    refused(&|body| body.upload = 1);
}

#[test]
fn an_owner_who_signs_the_wrong_thing_is_seen_before_the_sale() {
    let upload = upload();
    let verify = |change: &dyn Fn(&mut ManifestBody)| {
        let mut body = upload.manifest.body().clone();
        change(&mut body);
        Manifest::sign(body, &owner()).unwrap().verify(&upload.object).map(|_| ()).unwrap_err()
    };
    assert_eq!(verify(&|body| body.leaf_root = Digest::ZERO), UploadError::LeafRoot);
    let of_block = |index, what| UploadError::Block { index, what };
    assert_eq!(verify(&|body| body.blocks[2].hash = Digest::ZERO), of_block(2, "hash"));
    assert_eq!(verify(&|body| body.blocks[2].count += 1), of_block(2, "count"));
    assert_eq!(verify(&|body| body.blocks.iter_mut().for_each(|b| b.index += 5)), of_block(5, "index"));
}

#[test]
fn manifests_form_a_chain() {
    let uploads = uploads(12);
    let manifests: Vec<_> = uploads.iter().map(|upload| &upload.manifest).collect();
    manifests[0].follows(None).unwrap();
    manifests[1].follows(Some(manifests[0])).unwrap();
    manifests[2].follows(Some(manifests[1])).unwrap();
    assert!(matches!(manifests[1].follows(None), Err(ManifestError::Chain(_))));
    assert!(matches!(manifests[2].follows(Some(manifests[0])), Err(ManifestError::Chain(_))));
    assert!(matches!(manifests[1].follows(Some(manifests[1])), Err(ManifestError::Chain(_))));
    assert!(matches!(manifests[0].follows(Some(manifests[1])), Err(ManifestError::Chain(_))));
}

#[test]
fn heads() {
    let short = upload().manifest;
    assert!(short.bytes().len() <= MAX_INLINE_LEN);
    let (head, chunks) = ManifestHead::of(&short).unwrap();
    assert!(chunks.is_empty());
    let bytes = head.encode();
    assert!(bytes.len() < 8 * 1024);
    assert_eq!(ManifestHead::decode(&bytes).unwrap().resolve(Default::default()).unwrap(), short);

    // Four hundred blocks do not fit a record.
    let dir = tempfile::tempdir().unwrap();
    let config = cpchain_storage::StreamConfig { blocks_per_interval: 100, ..config() };
    let codecs = cpchain_storage::CodecRegistry::default();
    let mut gateway = cpchain_storage::Gateway::open(config, secret(), owner(), codecs, dir.path()).unwrap();
    readings(0..150).into_iter().for_each(|reading| assert!(gateway.push(reading).unwrap().is_none()));
    let long = gateway.finish().unwrap().unwrap().manifest;
    assert!(long.bytes().len() > MAX_INLINE_LEN);
    let (head, chunks) = ManifestHead::of(&long).unwrap();
    let bytes = head.encode();
    assert!(bytes.len() < 8 * 1024);
    let head = ManifestHead::decode(&bytes).unwrap();
    let ManifestHead::Stored { object, .. } = &head else { panic!("{head:?}") };
    let mut coder = Coder::new(ErasureParams::default());
    let shards = (20u8..30).map(|i| (i, chunks[0].shards[usize::from(i)].bytes().clone()));
    let stored = coder.decode_chunk(&object.chunks[0], object.chunk_len(0).unwrap(), shards).unwrap();
    assert_eq!(head.clone().resolve(stored).unwrap(), long);
    assert!(head.resolve(short.bytes().clone()).is_err());
}
