//! What a transfer needs of memory: the client in a process of its own, the node in this one.

use std::{error::Error, io::Write as _, path::Path, process::Command, sync::Arc};

use cpchain_crypto::Digest;
use cpchain_otp::{Client, backend::OpendalBackend};

use super::{drain, proxy};
use crate::report::Figure;

type Failure = Box<dyn Error>;

/// What a transfer may add to the peak of either end, in MiB, for an object of any size.
const FLAT: f64 = 8.0;

/// Peak of this process's memory in MiB, as Linux counts it.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / 1024.0)
}

/// The client's part: a small object first, so that all that any transfer needs is there; then the large one.
pub(super) async fn client(address: &str, roots: &str) -> Result<(), Failure> {
    let roots: Vec<Digest> = roots.split(',').filter_map(digest).collect();
    let client = Client::connect(address, &[9; 32]).await?;
    let mut peaks = Vec::new();
    for root in roots {
        drain(&client, root).await?;
        peaks.push(peak().unwrap_or(f64::NAN));
    }
    let growth = peaks.last().zip(peaks.first()).map_or(f64::NAN, |(last, first)| last - first);
    println!("{growth}");
    Ok(())
}

fn digest(text: &str) -> Option<Digest> {
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    Digest::from_slice(&bytes?)
}

/// Growth of both ends' peaks between an object of 8 MiB and one of `mebibytes`. Nothing where memory is not counted.
pub(super) async fn figures(
    folder: &Path,
    mebibytes: usize,
    progress: &dyn Fn(String),
) -> Result<Vec<Figure>, Failure> {
    if peak().is_none() {
        return Ok(Vec::new());
    }
    progress(format!("transfer: memory for {mebibytes} MiB"));
    let roots = [file(&folder.join("small"), 8)?, file(&folder.join("large"), mebibytes)?];
    let node = proxy(99, Arc::new(OpendalBackend::file_system(folder)?), &roots).await?;
    for name in ["small", "large"] {
        node.objects().adopt(0, name).await?;
    }
    let [small, large] = roots;
    child(&node.address(), &[small]).await?;
    let before = peak().unwrap_or(f64::NAN);
    let grown = child(&node.address(), &[small, large]).await?;
    let after = peak().unwrap_or(f64::NAN);
    node.stop().await;
    let figure = |end: &str, value: f64| {
        Figure::count("transfer::memory", format!("MiB={mebibytes} end={end}"), "MiB", value).at_most(FLAT)
    };
    Ok(vec![figure("client", grown), figure("node", after - before)])
}

/// Writes a file piece by piece; its root.
fn file(path: &Path, mebibytes: usize) -> Result<Digest, Failure> {
    let mut file = std::fs::File::create(path)?;
    let mut bytes = blake3::Hasher::new().update(b"memory").finalize_xof();
    let (mut hasher, mut piece) = (blake3::Hasher::new(), vec![0; 1 << 20]);
    for _ in 0..mebibytes {
        bytes.fill(&mut piece);
        hasher.update(&piece);
        file.write_all(&piece)?;
    }
    Ok(Digest(*hasher.finalize().as_bytes()))
}

/// Runs this program again as the client; how much its peak grew from the first object to the last, in MiB.
async fn child(address: &str, roots: &[Digest]) -> Result<f64, Failure> {
    let roots: Vec<String> = roots.iter().map(ToString::to_string).collect();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["transfer", "--fetch", address, "--roots", &roots.join(",")]);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
