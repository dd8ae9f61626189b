//! What a person can ask `sell` and `buy` for.

use std::path::PathBuf;

use clap::{Args, Parser};

/// Where the network is and who one is there.
#[derive(Debug, Clone, Args)]
pub struct Joining {
    /// The network: `network.json`, as `market demo --dir net` writes it into its folder.
    #[arg(long, value_name = "FILE")]
    pub network: PathBuf,
    /// The key of the account: 64 hexadecimal digits in a file that only its owner reads.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Keep what must outlive the program in this folder; a temporary one otherwise.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

/// Sells a file of readings: seals it block by block, stores it with hosts that cannot read it, has the chain order its vouchers, lists it, and then
/// answers every order until Ctrl-C. Buyers get the keys of the intervals that they pay for, and no others.
#[derive(Debug, Clone, Parser)]
#[command(name = "sell", version, about, long_about = None)]
pub struct Sell {
    /// The network and the key.
    #[command(flatten)]
    pub joining: Joining,
    /// A CSV file with a header row and a timestamp column; numeric columns are detected.
    #[arg(long, value_name = "FILE.csv")]
    pub input: PathBuf,
    /// The name of the stream; one of the file's name without it.
    #[arg(long, value_name = "NAME")]
    pub stream: Option<String>,
    /// The title of the listing; one of the file's name without it.
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// The category of the listing.
    #[arg(long, value_name = "TEXT", default_value = "sensor data")]
    pub category: String,
    /// The price of one interval, in CPC.
    #[arg(long, value_name = "CPC", default_value = "5")]
    pub price: String,
    /// End after this many settled orders.
    #[arg(long, value_name = "N")]
    pub orders: Option<u32>,
}

/// Buys readings: finds a listing, fetches the ciphertext and checks it against the chain before any money moves, pays into escrow, opens what it
/// paid for, checks every row and writes them as CSV.
#[derive(Debug, Clone, Parser)]
#[command(name = "buy", version, about, long_about = None)]
pub struct Buy {
    /// The network and the key.
    #[command(flatten)]
    pub joining: Joining,
    /// What to look for, in plain words.
    pub query: String,
    /// Which of the hits to buy, counted from 1; the hits are only shown without it.
    #[arg(long, value_name = "N")]
    pub hit: Option<usize>,
    /// From this time on (YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, UTC); from the first reading on without it.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Up to this time, not included; to the last reading without it.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Pay at most this much, in CPC.
    #[arg(long, value_name = "CPC")]
    pub at_most: Option<String>,
    /// Where the rows go; standard output without it.
    #[arg(long, value_name = "FILE.csv")]
    pub output: Option<PathBuf>,
}
