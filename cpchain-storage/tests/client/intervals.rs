//! Intervals from a voucher alone, and every way in which that can fail.

use cpchain_crypto::{Digest, key_tree::IntervalId};
use cpchain_storage::{
    AccessRights, CodecRegistry, Manifest, ManifestError, ManifestHead, ReadError, StreamConfig, Table, Upload,
    Voucher, VoucherError,
    client::{ClientError, IntervalError, IntervalPart, StorageClient},
    encode_object,
    network::{RecordKey, RecordKind, SignedRecord},
};

use crate::{
    network::{Fault, Network, config, lease},
    support::{self, owner, readings, secret},
};

/// Four uploads of four days, two intervals each, in a network that knows nothing else.
async fn published(uploads: &[Upload]) -> (Network, StorageClient<Network>) {
    let net = Network::new(12);
    let client = net.client(config());
    for upload in uploads {
        publish(&client, upload).await;
    }
    (net, client)
}

async fn publish(client: &StorageClient<Network>, upload: &Upload) {
    let params = upload.manifest.body().object.params;
    client.put_object(&owner(), upload.object.clone(), params, lease()).await.unwrap();
    client.publish_manifest(&owner(), &upload.manifest, lease()).await.unwrap();
}

fn rows(parts: &[IntervalPart]) -> Table {
    let mut all: Option<Table> = None;
    for part in parts {
        let rows = part.read(&secret(), &CodecRegistry::default()).unwrap();
        match &mut all {
            None => all = Some(rows),
            Some(all) => all.append(&rows).unwrap(),
        }
    }
    all.unwrap()
}

#[tokio::test(start_paused = true)]
async fn intervals_across_uploads_come_from_the_voucher_alone() {
    let uploads = support::uploads(16);
    assert_eq!(uploads.len(), 4);
    let (net, _) = published(&uploads).await;
    // Somebody who has nothing but the bytes of a voucher.
    let voucher = Voucher::decode(uploads[3].voucher.bytes().clone()).unwrap();
    let reader = net.client(config());
    let whole = reader.read_intervals(&voucher, ..).await.unwrap();
    assert_eq!(whole.len(), 4);
    assert!(rows(&whole).rows().eq(readings(0..16)));
    for (intervals, days, parts) in [(1..2, 2..4, 1), (1..5, 2..10, 3), (6..8, 12..16, 1), (3..7, 6..14, 3)] {
        let found = reader.read_intervals(&voucher, intervals).await.unwrap();
        assert_eq!(found.len(), parts);
        assert!(rows(&found).rows().eq(readings(days)));
    }
    assert!(rows(&reader.read_intervals(&voucher, 5..).await.unwrap()).rows().eq(readings(10..16)));
    // An earlier voucher reads what is before it.
    let first = &uploads[0].voucher;
    assert!(rows(&reader.read_intervals(first, 0..=1).await.unwrap()).rows().eq(readings(0..4)));
    let one_by_one = reader.uploads_of(&voucher, 2..4).await.unwrap();
    assert_eq!(one_by_one.len(), 1);
    assert_eq!(reader.read_part(&one_by_one[0], 3..4).await.unwrap().blocks().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn uploads_are_read_side_by_side() {
    let uploads = support::uploads(32);
    let (net, client) = published(&uploads).await;
    assert_eq!(uploads.len(), 8);
    let answer = std::time::Duration::from_millis(100);
    net.set(0..12, Some(Fault::Slow(answer)));
    let begin = tokio::time::Instant::now();
    let all = client.read_intervals(&uploads[7].voucher, ..).await.unwrap();
    assert!(rows(&all).rows().eq(readings(0..32)));
    // Two rounds of four; one after the other they would take eight answers' time.
    assert!(begin.elapsed() <= answer * 2, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn few_bytes_are_fetched_for_few_intervals() {
    // A long upload: 400 daily blocks, one interval a block.
    let dir = tempfile::tempdir().unwrap();
    let config = StreamConfig { blocks_per_interval: 1, intervals_per_upload: 400, ..support::config() };
    let codecs = CodecRegistry::default();
    let mut gateway = cpchain_storage::Gateway::open(config, secret(), owner(), codecs, dir.path()).unwrap();
    for reading in readings(0..400) {
        gateway.push(reading).unwrap();
    }
    let upload = gateway.finish().unwrap().unwrap();
    let (net, client) = published(std::slice::from_ref(&upload)).await;
    client.uploads_of(&upload.voucher, ..).await.unwrap();
    let before = net.served();
    let manifest = upload.manifest.clone();
    let part = client.read_part(&manifest, 100..101).await.unwrap();
    assert_eq!(part.blocks().len(), 1);
    let cost = net.served() - before;
    assert!(cost * 20 <= upload.object.len() as u64, "{cost} of {} bytes", upload.object.len());
}

fn head_keys(net: &Network) -> Vec<RecordKey> {
    net.record_keys().into_iter().filter(|key| key.kind == RecordKind::ManifestHead).collect()
}

/// Where the manifest of an upload lies.
fn head_key(net: &Network, manifest: &Manifest) -> RecordKey {
    let holds = |key: &RecordKey| ManifestHead::decode(net.record(key).body()).unwrap().hash() == manifest.hash();
    head_keys(net).into_iter().find(holds).unwrap()
}

/// Publishes something else, signed by the owner, under the name of the manifest.
fn publish_instead(net: &Network, manifest: &Manifest, body: Vec<u8>) {
    let key = head_key(net, manifest);
    let old = net.record(&key);
    let record = SignedRecord::sign(&owner(), key.kind, &key.name, old.sequence() + 1, lease().0, body).unwrap();
    net.replace_record(&record);
}

#[tokio::test(start_paused = true)]
async fn each_fault_on_the_way_has_a_name() {
    let uploads = support::uploads(16);
    let voucher = &uploads[3].voucher;

    let (net, client) = published(&uploads).await;
    let beyond = client.read_intervals(voucher, 6..9).await;
    assert!(matches!(beyond, Err(IntervalError::Beyond { last: IntervalId(7) })));
    let nothing = client.read_intervals(voucher, 5..5).await;
    assert!(matches!(nothing, Err(IntervalError::NoBlocks)));

    // A missing upload: asked for, or between those asked for and the voucher.
    net.forget_record(&head_key(&net, &uploads[2].manifest));
    for intervals in [4..6, 0..2] {
        let missing = client.read_intervals(voucher, intervals).await;
        assert!(matches!(missing, Err(IntervalError::MissingUpload { upload: 2 })));
    }
    assert!(client.read_intervals(voucher, 6..8).await.is_ok(), "what lies after it can be read");

    // A stream of the same owner under another name: its manifests are not this voucher's.
    let (net, client) = published(&uploads).await;
    let other = other_stream("cellar");
    publish(&client, &other[3]).await;
    let stolen = net.record(&head_key(&net, &other[3].manifest)).body().to_vec();
    publish_instead(&net, &uploads[3].manifest, stolen);
    let foreign = client.read_intervals(voucher, 6..8).await;
    assert!(matches!(foreign, Err(IntervalError::Manifest { upload: 3, source: ManifestError::Inconsistent(_) })));

    // The owner signed two manifests for one upload; the voucher and the chain know which is right.
    for wrong in [3, 1] {
        let (net, client) = published(&uploads).await;
        let mut body = uploads[wrong].manifest.body().clone();
        body.expires_ms += 1;
        let twin = Manifest::sign(body, &owner()).unwrap();
        publish_instead(&net, &uploads[wrong].manifest, ManifestHead::of(&twin).unwrap().0.encode());
        let result = client.read_intervals(voucher, 2..8).await;
        match (wrong, result) {
            (3, Err(IntervalError::Voucher { upload: 3, source: VoucherError::Manifest(_) })) => {}
            (1, Err(IntervalError::Chain { upload: 1, source: ManifestError::Chain(_) })) => {}
            (_, other) => panic!("{wrong}: {other:?}"),
        }
    }

    // What lies under the name is no manifest at all.
    let (net, client) = published(&uploads).await;
    publish_instead(&net, &uploads[3].manifest, b"nothing".to_vec());
    let bad = client.read_intervals(voucher, 6..8).await;
    assert!(matches!(bad, Err(IntervalError::Manifest { upload: 3, .. })));

    // Too few hosts are left.
    let (net, client) = published(&uploads).await;
    net.set(0..12, Some(Fault::Forgets));
    let gone = client.read_intervals(voucher, 6..8).await;
    assert!(matches!(gone, Err(IntervalError::Network { upload: 3, source: ClientError::TooFewShards { .. } })));
}

fn other_stream(name: &str) -> Vec<Upload> {
    let dir = tempfile::tempdir().unwrap();
    let config = StreamConfig { name: name.to_owned(), ..support::config() };
    let codecs = CodecRegistry::default();
    let mut gateway = cpchain_storage::Gateway::open(config, secret(), owner(), codecs, dir.path()).unwrap();
    let made = gateway.uploads(readings(0..16).into_iter().map(Ok::<_, cpchain_storage::GatewayError>));
    made.collect::<Result<_, _>>().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_block_that_the_owner_signed_wrongly_is_named() {
    let uploads = support::uploads(8);
    // The owner swaps two blocks of the object, and signs that object.
    let mut object = uploads[1].object.to_vec();
    let body = uploads[1].manifest.body();
    let (a, b) = (body.blocks[1], body.blocks[2]);
    assert_eq!(a.length, b.length);
    let length = a.length as usize;
    let (first, second) = object.split_at_mut(b.offset as usize);
    first[a.offset as usize..][..length].swap_with_slice(&mut second[..length]);
    let mut swapped = body.clone();
    (swapped.object, _) = encode_object(&object, swapped.object.params).unwrap();
    let manifest = Manifest::sign(swapped, &owner()).unwrap();
    let voucher =
        Voucher::sign(&manifest, uploads[0].voucher.hash(), AccessRights::PublicCiphertext, &owner()).unwrap();
    let forged = Upload { manifest, voucher, object: object.into() };
    let (_, client) = published(&[uploads[0].clone(), forged.clone()]).await;
    let wrong = client.read_intervals(&forged.voucher, 2..4).await;
    let found =
        matches!(wrong, Err(IntervalError::Blocks { upload: 1, source: ReadError::Swapped { expected: 5, found: 6 } }));
    assert!(found, "{wrong:?}");

    // An upload that follows by number, but whose blocks do not name the last one of the upload before.
    let other = {
        let mut body = uploads[1].manifest.body().clone();
        let twin = other_root();
        body.previous = twin.manifest.hash();
        let manifest = Manifest::sign(body, &owner()).unwrap();
        let voucher = Voucher::sign(&manifest, Digest([9; 32]), AccessRights::PublicCiphertext, &owner()).unwrap();
        [twin, Upload { manifest, voucher, object: uploads[1].object.clone() }]
    };
    let (_, client) = published(&other).await;
    let broken = client.read_intervals(&other[1].voucher, ..).await;
    let found = matches!(broken, Err(IntervalError::Blocks { upload: 1, source: ReadError::Chain { index: 4 } }));
    assert!(found, "{broken:?}");
}

/// A first upload of the same stream with other readings.
fn other_root() -> Upload {
    let dir = tempfile::tempdir().unwrap();
    let mut gateway = support::gateway(dir.path());
    for mut reading in readings(0..4) {
        reading.values[1] += 1.0;
        gateway.push(reading).unwrap();
    }
    gateway.finish().unwrap().unwrap()
}
