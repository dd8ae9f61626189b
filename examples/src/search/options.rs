//! What a person can ask `search` for.

use std::path::PathBuf;

use clap::Parser;

/// Private search: index sensor readings, keep the index at a host that cannot read it, and ask in words.
///
/// In front of a query, or alone: `COUNT`, `SUM(temperature)`, `MEAN(temperature)`, `BY 1d`, `WHERE`.
///
/// Fields: room, temperature (°C), status, time (hours from 2010), id (of a device, `d-00000` to `d-49999`), log (text).
#[derive(Debug, Clone, Parser)]
#[command(name = "search", version, about)]
pub struct Options {
    /// Generated readings. The hours of the weather file come on top.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub records: u32,

    /// Keep keys, index and the host's tables in this folder, and open them again at the next start. Default: a folder of the system's temporary ones.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,

    /// Ask this and end; may be given several times. Without it queries are read from standard input, line by line.
    #[arg(long, value_name = "QUERY")]
    pub query: Vec<String>,

    /// Explain what a query would cost and show, and send nothing.
    #[arg(long)]
    pub explain: bool,

    /// Pages of eight records that are asked for of each word or device.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub pages: u32,

    /// Every plan sends as many queries: to the keyword search, and to the scan.
    #[arg(long, num_args = 2, value_names = ["KEYWORD", "SCAN"])]
    pub exactly: Vec<usize>,

    /// Compare each answer with the plaintext, record by record.
    #[arg(long)]
    pub verify: bool,

    /// Matches that are printed.
    #[arg(long, default_value_t = 10)]
    pub show: usize,
}

impl Options {
    /// Where everything is kept.
    pub(super) fn folder(&self) -> PathBuf {
        let name = || std::env::temp_dir().join(format!("cpchain-search-{}", self.records));
        self.state.clone().unwrap_or_else(name)
    }
}
