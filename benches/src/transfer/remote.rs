//! The same from storage behind HTTP, through a proxy.

use std::{error::Error, path::Path, sync::Arc, time::Duration};

use cpchain_crypto::Digest;
use cpchain_otp::{
    Client, Objects, ObjectsConfig,
    backend::{Backend, OpendalBackend, Retry, S3Bucket},
};

use super::{Transfer, drain, object, proxy};
use crate::{
    read::{Meter, figure},
    report::Figure,
};

type Failure = Box<dyn Error>;

pub(super) async fn figures(
    work: &Transfer,
    mebibytes: usize,
    progress: &dyn Fn(String),
) -> Result<Vec<Figure>, Failure> {
    let mut figures = Vec::new();
    if let (Some(endpoint), Some(bucket)) = (&work.s3, &work.bucket) {
        progress("transfer: s3".into());
        let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
        let bucket = S3Bucket {
            endpoint: endpoint.clone(),
            bucket: bucket.clone(),
            region: std::env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".into()),
            root: "/".into(),
            access_key_id: variable("AWS_ACCESS_KEY_ID")?,
            secret_access_key: variable("AWS_SECRET_ACCESS_KEY")?,
        };
        let backend = Arc::new(OpendalBackend::s3(&bucket)?);
        let root = put(backend.clone(), mebibytes).await?;
        figures.push(through_proxy("s3", 97, backend, root, mebibytes).await?);
    }
    if let (Some(url), Some(folder)) = (&work.http, &work.folder) {
        progress("transfer: http".into());
        let root = put(Arc::new(OpendalBackend::file_system(Path::new(folder))?), mebibytes).await?;
        figures.push(through_proxy("http", 96, Arc::new(OpendalBackend::http(url)?), root, mebibytes).await?);
    }
    Ok(figures)
}

async fn put(backend: Arc<dyn Backend>, mebibytes: usize) -> Result<Digest, Failure> {
    Ok(Objects::new(vec![backend], None, ObjectsConfig::default()).insert(object(mebibytes)).await?)
}

async fn through_proxy(
    name: &str,
    seed: u8,
    backend: Arc<OpendalBackend>,
    root: Digest,
    mebibytes: usize,
) -> Result<Figure, Failure> {
    let retry = Retry::new(backend.as_ref().clone(), 5, Duration::from_millis(50));
    let node = proxy(seed, Arc::new(retry), &[root]).await?;
    let client = Client::connect(&node.address(), &[9; 32]).await?;
    let meter = Meter::start(mebibytes << 20);
    let bytes = drain(&client, root).await?;
    let cost = meter.stop();
    node.stop().await;
    if bytes != (mebibytes << 20) as u64 {
        return Err("the object came back short".into());
    }
    Ok(figure("transfer::backend", &format!("MiB={mebibytes} backend={name}"), cost, 1))
}
