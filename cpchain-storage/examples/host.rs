//! A storage node on a folder: keeps records and shards for others until it is told to end.
//!
//! ```text
//! cargo run --release -p cpchain-storage --example host -- --folder /var/lib/cpchain --listen /ip4/0.0.0.0/tcp/4001
//! cargo run --release -p cpchain-storage --example host -- --folder b --join /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo…
//! ```
//!
//! The first line on standard output is `listening <address>`, which others join by. Ctrl-C or SIGTERM ends it; so does the
//! end of standard input with `--until-eof`, for programs that start a node. Figures go to standard error once a minute.

use std::{
    error::Error,
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use cpchain_storage::{
    ChunkStore, PackOptions, PackStore,
    index::SledIndex,
    network::{Multiaddr, NetworkConfig, NodeAddr, NodeHandle, RecordLog, StorageNode},
};

/// Runs a storage node on a folder.
#[derive(Debug, Parser)]
struct Options {
    /// Where the node's key, its shards and its records are. Made if it is not there.
    #[arg(long)]
    folder: PathBuf,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "/ip4/127.0.0.1/tcp/0")]
    listen: Multiaddr,
    /// A node of the network to join, `/ip4/<address>/tcp/<port>/p2p/<peer id>`; may be given several times.
    #[arg(long)]
    join: Vec<NodeAddr>,
    /// End when standard input ends.
    #[arg(long)]
    until_eof: bool,
    /// Seconds between two lines of figures.
    #[arg(long, default_value_t = 60)]
    figures: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(io::stderr).with_env_filter("error,cpchain_storage=info").init();
    let options = Options::parse();
    fs::create_dir_all(&options.folder)?;
    let seed = seed(&options.folder.join("node.key"))?;
    let index = SledIndex::open(options.folder.join("index"))?;
    let packs = Arc::new(PackStore::open(options.folder.join("packs"), PackOptions::default(), index)?);
    let store: Arc<dyn ChunkStore> = packs.clone();
    let records = Box::new(RecordLog::open(options.folder.join("records"))?);
    let config = NetworkConfig::default();
    let node = StorageNode::start_with_records(config, &seed, store, records, options.listen).await?;
    if let Some(address) = node.address() {
        println!("listening {address}");
        io::stdout().flush()?;
    }
    if !options.join.is_empty() {
        join(&node, &options.join).await;
    }
    let mut tick = tokio::time::interval(Duration::from_secs(options.figures.max(1)));
    let mut end = std::pin::pin!(end(options.until_eof));
    loop {
        tokio::select! {
            _ = &mut end => break,
            _ = tick.tick() => {
                let (shards, own) = (packs.stats()?, node.stats().await?);
                eprintln!(
                    "{} shards of {} bytes, {} records of {} bytes, {} peers, {} banned",
                    shards.chunks, shards.live_bytes, own.records, own.record_bytes, own.peers, own.bans
                );
            }
        }
    }
    node.stop().await;
    Ok(())
}

/// Tries until one of the nodes answers: a network may start in any order.
async fn join(node: &NodeHandle, through: &[NodeAddr]) {
    let mut pause = Duration::from_secs(1);
    while let Err(why) = node.join(through).await {
        eprintln!("cannot join yet: {why}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(60));
    }
}

/// The node's secret: read, or made at the first start. Readable by its owner alone.
fn seed(path: &Path) -> Result<[u8; 32], Box<dyn Error>> {
    if let Ok(bytes) = fs::read(path) {
        return bytes.try_into().map_err(|_| format!("{} is no key: 32 bytes belong there", path.display()).into());
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(&seed)?;
    Ok(seed)
}

/// Returns when the program is to end.
async fn end(until_eof: bool) {
    let eof = async {
        if until_eof {
            let read = tokio::task::spawn_blocking(|| io::stdin().lock().read_to_end(&mut Vec::new()));
            let _ = read.await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let asked = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let asked = std::future::pending::<()>();
    tokio::select! {
        () = eof => {}
        _ = asked => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
