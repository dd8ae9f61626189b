//! Puts a file into a network of storage nodes and gets it back.
//!
//! ```text
//! cargo run --release -p cpchain-storage --example host -- --folder a      # prints `listening <address>`; some more of them
//! cargo run --release -p cpchain-storage --example put_get -- --join <address> put film.mp4 --key owner.key > film.ref
//! cargo run --release -p cpchain-storage --example put_get -- --join <address> get film.ref back.mp4
//! cargo run --release -p cpchain-storage --example put_get -- demo film.mp4
//! ```
//!
//! `put` prints the reference of the object: whoever has it can get the file and check every byte. It names the owner, whose
//! key the hosts' records are signed with. The file itself is stored as it is; seal what others must not read. `demo` starts
//! thirteen nodes in this process, puts the file, stops three of them, and gets it back.

use std::{
    error::Error,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::{Parser, Subcommand};
use cpchain_crypto::{PublicKey, Signer, SigningKey};
use cpchain_storage::{
    ErasureParams, Lease, ObjectRef, PackOptions, PackStore,
    client::{ClientConfig, Progress, StorageClient},
    index::MemoryIndex,
    network::{NetworkConfig, NodeAddr, NodeHandle, StorageNode},
};
use indicatif::{ProgressBar, ProgressStyle};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Puts a file into a storage network and gets it back.
#[derive(Debug, Parser)]
struct Options {
    /// A node of the network, `/ip4/<address>/tcp/<port>/p2p/<peer id>`; may be given several times.
    #[arg(long, global = true)]
    join: Vec<NodeAddr>,
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, Subcommand)]
enum Work {
    /// Puts a file and prints its reference, in hexadecimal.
    Put {
        /// The file, of any length.
        file: PathBuf,
        /// The owner's secret key; made if it is not there.
        #[arg(long, default_value = "owner.key")]
        key: PathBuf,
        /// Days that the nodes keep it.
        #[arg(long, default_value_t = 30)]
        days: u64,
        /// Shards that are enough to get it back.
        #[arg(long, default_value_t = 10)]
        data: u8,
        /// Shards in all.
        #[arg(long, default_value_t = 30)]
        total: u8,
    },
    /// Gets a file by its reference.
    Get {
        /// A file with what `put` printed.
        reference: PathBuf,
        /// Where the bytes go.
        file: PathBuf,
    },
    /// Does both in a network of its own.
    Demo {
        /// The file to put.
        file: PathBuf,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let Options { join, work } = Options::parse();
    match work {
        Work::Put { file, key, days, data, total } => {
            let client = client(&join, bar(fs::metadata(&file)?.len())).await?;
            let key = SigningKey::from_seed(&secret(&key)?);
            let reference = put(&client, &key, &file, ErasureParams::new(data, total)?, days).await?;
            println!("{}{}", hex(&key.public_key().0), hex(&reference.encode()));
        }
        Work::Get { reference, file } => {
            let text = fs::read_to_string(reference)?;
            let bytes = unhex(text.trim()).ok_or("not a reference: it is the text that `put` printed")?;
            let (owner, object) = bytes.split_at_checked(32).ok_or("the reference is cut")?;
            let object = ObjectRef::decode(object)?;
            let client = client(&join, bar(object.length)).await?;
            get(&client, PublicKey::from_slice(owner).ok_or("no owner")?, &object, &file).await?;
        }
        Work::Demo { file } => demo(&file).await?,
    }
    Ok(())
}

async fn put(
    client: &StorageClient<NodeHandle>,
    owner: &SigningKey,
    file: &Path,
    params: ErasureParams,
    days: u64,
) -> Result<ObjectRef> {
    let lease = Lease::until(now_ms() + days * 24 * 60 * 60 * 1000);
    let reader = tokio::fs::File::open(file).await?;
    let mut receipts = 0;
    let object = client.put_reader(owner, reader, params, lease, |chunk| receipts += chunk.receipts.len()).await?;
    eprintln!("{} bytes, {receipts} shards with receipts", object.length);
    Ok(object)
}

/// Into a new file beside it, which takes the name once every byte is verified.
async fn get(client: &StorageClient<NodeHandle>, owner: PublicKey, object: &ObjectRef, file: &Path) -> Result<()> {
    let part = file.with_added_extension("part");
    let mut writer = tokio::fs::File::create(&part).await?;
    let got = client.get_to(owner, object, &mut writer).await;
    if let Err(why) = got {
        fs::remove_file(&part)?;
        return Err(why.into());
    }
    writer.sync_all().await?;
    fs::rename(&part, file)?;
    eprintln!("{} bytes, every one verified", object.length);
    Ok(())
}

async fn demo(file: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut nodes: Vec<NodeHandle> = Vec::new();
    for n in 0..13u8 {
        let store = PackStore::open(folder.path().join(n.to_string()), PackOptions::default(), MemoryIndex::default())?;
        let listen = "/ip4/127.0.0.1/tcp/0".parse()?;
        let node = StorageNode::start(NetworkConfig::default(), &[100 + n; 32], Arc::new(store), listen).await?;
        if let Some(first) = nodes.first().and_then(NodeHandle::address) {
            node.join(std::slice::from_ref(first)).await?;
        }
        nodes.push(node);
    }
    let known: Vec<_> = nodes.iter().filter_map(|node| node.address().cloned()).collect();
    let length = fs::metadata(file)?.len();
    let owner = SigningKey::from_seed(&[1; 32]);
    let seller = client(&known, bar(length)).await?;
    let object = put(&seller, &owner, file, ErasureParams::default(), 1).await?;
    for node in nodes.iter().take(3) {
        node.stop().await;
    }
    eprintln!("three of thirteen nodes are stopped");
    let back = folder.path().join("back");
    let buyer = client(&known, bar(length)).await?;
    get(&buyer, owner.public_key(), &object, &back).await?;
    if fs::read(file)? != fs::read(&back)? {
        return Err("the file came back changed".into());
    }
    println!("the same {length} bytes came back");
    Ok(())
}

/// A client over a light node, whose progress is shown on standard error.
async fn client(join: &[NodeAddr], bar: ProgressBar) -> Result<StorageClient<NodeHandle>> {
    if join.is_empty() {
        return Err("no way into the network: give --join with the address that a node prints".into());
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
    let node = StorageNode::light(NetworkConfig::default(), &seed).await?;
    node.join(join).await?;
    let progress = move |progress: Progress| {
        bar.set_position(progress.bytes_done);
        bar.set_message(format!("{} hosts", progress.hosts));
        if progress.bytes_done >= bar.length().unwrap_or_default() {
            bar.finish();
        }
    };
    Ok(StorageClient::over(node, ClientConfig { progress: Some(Arc::new(progress)), ..ClientConfig::default() }))
}

fn bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let style = "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {msg}";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The secret in a file, readable by its owner alone.
fn secret(path: &Path) -> Result<[u8; 32]> {
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
    io::stderr().write_all(b"a new key was made: keep it, it renews what it has put\n")?;
    Ok(seed)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
