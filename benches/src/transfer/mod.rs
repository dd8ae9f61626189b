//! `lab transfer`: an object from proxy to client over loopback, every byte proven, beside one raw libp2p stream of the same bytes
//! in the same run; from one, two and four proxies; and what both ends need of memory.
//!
//! All ends share this machine's cores, so that several proxies cost what one costs: the figures say what striping takes, not
//! what it gains on lines of their own.

mod memory;
#[cfg(feature = "remote")]
mod remote;

use std::{error::Error, path::Path, sync::Arc};

use bytes::Bytes;
use clap::Args;
use cpchain_crypto::{Digest, Signer, SigningKey};
use cpchain_otp::{
    Client, NodeConfig, NodeHandle, NodeParts, ProxyNode, Signed,
    access::{MemoryGrants, MemoryRegistry},
    backend::{Backend, OpendalBackend},
    records::Label,
    stripes::StripesConfig,
};

use crate::{
    measure::Effort,
    read::{Meter, figure, middle, plain_stream},
    report::Figure,
};

type Failure = Box<dyn Error>;

/// What `lab transfer` measures besides.
#[derive(Debug, Clone, Args)]
pub struct Transfer {
    /// Also from a bucket of this S3 server, such as `http://127.0.0.1:9000`; keys from AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY.
    #[cfg(feature = "remote")]
    #[arg(long, requires = "bucket")]
    s3: Option<String>,
    /// The bucket.
    #[cfg(feature = "remote")]
    #[arg(long)]
    bucket: Option<String>,
    /// Also from a web server under this URL, which serves `--folder`.
    #[cfg(feature = "remote")]
    #[arg(long, requires = "folder")]
    http: Option<String>,
    /// The folder that the web server serves: the object is written into it.
    #[cfg(feature = "remote")]
    #[arg(long)]
    folder: Option<std::path::PathBuf>,
    /// Fetch the objects of these roots from this address and print how the peak of memory grew: how the bench runs its own
    /// client.
    #[arg(long, hide = true, requires = "roots")]
    fetch: Option<String>,
    #[arg(long, hide = true)]
    roots: Option<String>,
}

/// Measures.
///
/// # Errors
/// What the network or the storage says.
pub fn run(work: &Transfer, effort: Effort, progress: &dyn Fn(String)) -> Result<Vec<Figure>, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let (Some(address), Some(roots)) = (&work.fetch, &work.roots) {
        runtime.block_on(memory::client(address, roots))?;
        return Ok(Vec::new());
    }
    let (mebibytes, rounds) = if effort == Effort::Quick { (32, 2) } else { (256, 5) };
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let mut figures = memory::figures(folder.path(), mebibytes, progress).await?;
        figures.extend(speed(folder.path(), mebibytes, rounds, progress).await?);
        #[cfg(feature = "remote")]
        figures.extend(remote::figures(work, mebibytes, progress).await?);
        Ok(figures)
    })
}

/// The object: the same bytes for all.
fn object(mebibytes: usize) -> Bytes {
    let mut bytes = vec![0; mebibytes << 20];
    blake3::Hasher::new().update(b"transfer").finalize_xof().fill(&mut bytes);
    bytes.into()
}

/// A proxy over a backend. Everybody may read these objects.
async fn proxy(seed: u8, backend: Arc<dyn Backend>, roots: &[Digest]) -> Result<NodeHandle, Failure> {
    let registry = MemoryRegistry::new();
    let owner = SigningKey::from_seed(&[1; 32]);
    for root in roots {
        let owner_key = owner.public_key();
        let label = Label { owner: owner_key, root: *root, stream: Digest::ZERO, intervals: 0..1, public: true };
        registry.label(Signed::sign(label, &owner)?)?;
    }
    let parts = NodeParts::new(backend, Arc::new(registry), Arc::new(MemoryGrants::new()));
    Ok(ProxyNode::start(NodeConfig::default(), &[seed; 32], parts).await?)
}

/// Fetches from one proxy after the other; the bytes are counted and dropped.
async fn drain(client: &Client, root: Digest) -> Result<u64, Failure> {
    let (mut fetch, mut bytes) = (client.fetch(root), 0);
    while let Some(piece) = fetch.next().await? {
        bytes += piece.len() as u64;
    }
    Ok(bytes)
}

async fn speed(
    folder: &Path,
    mebibytes: usize,
    rounds: usize,
    progress: &dyn Fn(String),
) -> Result<Vec<Figure>, Failure> {
    let object = object(mebibytes);
    let root = Digest::content(&object);
    let mut nodes = Vec::new();
    for seed in 0..4 {
        nodes.push(proxy(100 + seed, Arc::new(OpendalBackend::file_system(folder)?), &[root]).await?);
    }
    let first = nodes.first().ok_or("no proxy")?;
    first.objects().insert(object.clone()).await?;
    let client = Client::connect(&first.address(), &[9; 32]).await?;
    let mut others = Vec::new();
    for node in nodes.iter().skip(1) {
        others.push(client.also(&node.address()).await?);
    }
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    let mut striped = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        progress(format!("transfer: round {} of {rounds}", round + 1));
        plain.push(plain_stream(&object).await?);
        let meter = Meter::start(object.len());
        let got = drain(&client, root).await?;
        ours.push(meter.stop());
        if got != object.len() as u64 {
            return Err("the object came back short".into());
        }
        for (costs, count) in striped.iter_mut().zip([2, 4]) {
            let fetch = others.iter().take(count - 1).fold(client.fetch(root), |fetch, other| fetch.or(other));
            let (mut fetch, mut bytes) = (fetch.striped(StripesConfig::default()), 0);
            let meter = Meter::start(object.len());
            while let Some(piece) = fetch.next().await? {
                bytes += piece.len() as u64;
            }
            costs.push(meter.stop());
            if bytes != object.len() as u64 || fetch.shares().iter().any(|(_, share)| *share == 0) {
                return Err("a proxy had no share".into());
            }
        }
    }
    let (one, stream) = (middle(&ours), middle(&plain));
    let name = |sources: usize| format!("MiB={mebibytes} sources={sources}");
    let raw = "one raw libp2p stream";
    let mut figures = vec![
        figure("transfer::fetch", &name(1), one, rounds).against(raw, one.rate / stream.rate).at_least(0.5),
        figure("transfer::raw_stream", &format!("MiB={mebibytes}"), stream, rounds),
    ];
    let mut per_cpu =
        Figure::count("transfer::fetch", name(1), "MB/cpu-s", one.per_cpu).against(raw, one.per_cpu / stream.per_cpu);
    per_cpu.runs = rounds;
    figures.push(per_cpu);
    for (costs, count) in striped.iter().zip([2, 4]) {
        let cost = middle(costs);
        figures.push(
            figure("transfer::striped", &name(count), cost, rounds).against(raw, cost.rate / stream.rate).at_least(0.5),
        );
    }
    for node in nodes {
        node.stop().await;
    }
    Ok(figures)
}
