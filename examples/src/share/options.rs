//! What a person can ask `share` for.

use std::path::PathBuf;

use clap::Parser;

/// One share of IoT data, end to end, on real parts: a gateway seals sensor readings into a DHT, LBFT 2.0 orders
/// their voucher, a buyer finds the listing, pays into escrow, gets exactly the intervals that it paid for by proxy
/// re-encryption, and verifies every byte.
#[derive(Debug, Clone, Parser)]
#[command(name = "share", version, about, long_about = None)]
pub struct Options {
    /// A CSV file with a header row and a timestamp column; numeric columns are detected.
    #[arg(long, value_name = "FILE.csv", default_value_os_t = default_input())]
    pub input: PathBuf,

    /// Buy from this day on (YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, UTC). Default: 1 March of the first year, or the middle third of the data.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,

    /// Buy up to this time, not included. Default: 1 June of the first year, or the middle third of the data.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,

    /// Validators of the chain.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=31))]
    pub validators: u16,

    /// Nodes that stand for election as proposers; the validators propose until the first elected ones take over.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=31))]
    pub proposers: u16,

    /// Nodes of the storage network.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=60))]
    pub storage_nodes: u16,

    /// All keys come from this number: the same number gives the same actors. Without it they are random.
    #[arg(long)]
    pub seed: Option<u64>,

    /// Keep the files of all nodes in this directory (it must be empty or absent).
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,

    /// Write one self-contained HTML page about the run.
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,

    /// Print one JSON object on standard output; all else goes to standard error.
    #[arg(long)]
    pub json: bool,

    /// What the buyer types into the market's search. Default: a sentence from the file's columns.
    #[arg(long, value_name = "TEXT")]
    pub query: Option<String>,

    /// The column of the private search. Default: `temperature`, or the first numeric column.
    #[arg(long, value_name = "NAME")]
    pub column: Option<String>,

    /// The threshold of the private search. Default: above nine tenths of the values in the range.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pub above: Option<f64>,

    /// Fault: stop this many validators before the first voucher.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub stop_validators: u16,

    /// Fault: this many candidates campaign and then never propose; their heights are impeached.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub silent_proposers: u16,

    /// Fault: stop this many storage nodes after the upload.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub stop_storage_nodes: u16,
}

/// The shipped file, wherever the workspace was cloned to.
pub(crate) fn default_input() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/data/seattle-weather-hourly.csv"))
}
