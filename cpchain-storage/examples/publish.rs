//! Seals the readings of a CSV file as a stream and publishes its uploads: objects to storage nodes, manifests to the DHT.
//!
//! ```text
//! cargo run --release -p cpchain-storage --example publish -- --csv readings.csv --join /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo…
//! ```
//!
//! Prints one line of JSON for each upload: what a reader, in this language or another, must know to find it. Keys are
//! made anew in each run and forgotten, so the stream is good for trying readers and for nothing else.

use std::{error::Error, path::PathBuf};

use clap::Parser;
use cpchain_crypto::{Signer, SigningKey, key_tree::StreamSecret};
use cpchain_storage::{
    CodecRegistry, Gateway, Lease, StreamConfig,
    client::{ClientConfig, StorageClient},
    gateway::{CsvOptions, CsvSource},
    network::{NetworkConfig, NodeAddr, StorageNode},
};

/// Publishes the readings of a CSV file.
#[derive(Debug, Parser)]
struct Options {
    /// A file with a heading line; the first column is the time.
    #[arg(long)]
    csv: PathBuf,
    /// A storage node of the network; may be given several times.
    #[arg(long, required = true)]
    join: Vec<NodeAddr>,
    /// Name of the stream.
    #[arg(long, default_value = "readings")]
    stream: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let mut seeds = [[0; 32]; 3];
    for seed in &mut seeds {
        getrandom::fill(seed).map_err(|error| error.to_string())?;
    }
    let [owner, secret, node] = seeds;
    let owner = SigningKey::from_seed(&owner);
    let key = owner.public_key();

    let state = tempfile::tempdir()?;
    let source = CsvSource::open(&options.csv, &CsvOptions::default())?;
    let config = StreamConfig::new(options.stream.as_str(), source.columns());
    let lease = Lease::until(now_ms()? + 24 * 60 * 60 * 1000);
    let mut gateway =
        Gateway::open(config, StreamSecret::from_bytes(secret), owner.clone(), CodecRegistry::default(), state.path())?;

    let node = StorageNode::light(NetworkConfig::default(), &node).await?;
    node.join(&options.join).await?;
    let client = StorageClient::over(node.clone(), ClientConfig::default());
    for upload in gateway.uploads(source.map(|reading| reading.map_err(Box::<dyn Error>::from))) {
        let upload = upload?;
        let manifest = upload.manifest.body();
        let stored = client.put_object(&owner, upload.object.clone(), manifest.object.params, lease).await?;
        client.publish_manifest(&owner, &upload.manifest, lease).await?;
        println!(
            r#"{{"owner":"{key}","stream":"{}","upload":{},"manifest":"{}","object":"{}","blocks":{},"receipts":{}}}"#,
            options.stream,
            manifest.upload,
            upload.manifest.hash(),
            stored.object.root,
            manifest.blocks.len(),
            stored.receipts.len()
        );
    }
    node.stop().await;
    Ok(())
}

fn now_ms() -> Result<u64, Box<dyn Error>> {
    Ok(u64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?)
}
