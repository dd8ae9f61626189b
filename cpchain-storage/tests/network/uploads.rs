//! A year of weather through the network: uploads and manifests go out, a stranger to them gets every one back.

use std::time::Instant;

use cpchain_storage::{CodecRegistry, Gateway, GatewayError, StreamConfig, Upload, manifest::MAX_INLINE_LEN};

use crate::{
    net::{Net, lease},
    support,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_of_uploads_is_published_found_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let source = support::weather();
    let config = StreamConfig::new("seattle", source.columns());
    let (owner, codecs) = (support::owner(), CodecRegistry::default());
    let mut gateway = Gateway::open(config, support::secret(), support::owner(), codecs, folder.path()).unwrap();
    let uploads: Vec<Upload> =
        gateway.uploads(source.map(|reading| Ok::<_, GatewayError>(reading.unwrap()))).map(Result::unwrap).collect();

    let net = Net::start(12).await;
    let (seller, buyer) = (net.client(1).await, net.client(2).await);
    let begin = Instant::now();
    for upload in &uploads {
        let params = upload.manifest.body().object.params;
        let stored = seller.put_object(&owner, upload.object.clone(), params, lease()).await.unwrap();
        assert_eq!(stored.object, upload.manifest.body().object);
        seller.publish_manifest(&owner, &upload.manifest, lease()).await.unwrap();
    }
    println!("{} uploads put in {:?}", uploads.len(), begin.elapsed());

    let begin = Instant::now();
    let stream = &uploads[0].manifest.body().stream;
    for upload in &uploads {
        let found = buyer.manifest(stream, upload.number()).await.unwrap().unwrap();
        assert_eq!(found, upload.manifest);
        let object = buyer.get_object(stream.owner().public_key(), &found.body().object).await.unwrap();
        assert!(found.verify(&object).is_ok());
    }
    println!("and got in {:?}", begin.elapsed());
    assert_eq!(buyer.manifest(stream, 99).await.unwrap(), None);
    println!(
        "longest manifest {:?}, inline up to {MAX_INLINE_LEN}",
        uploads.iter().map(|u| u.manifest.bytes().len()).max()
    );
}
