//! What a person can ask `vehicles` for.

use std::path::PathBuf;

use clap::Parser;

/// Vehicles and a crossing without lights: gateways at the roadside agree by LBFT 2.0, over real links on the loopback, on who drives when.
/// Three scenes: all is well, a gateway crashes, a gateway lies. Prints how long a request takes until its grant is final.
#[derive(Debug, Clone, Parser)]
#[command(name = "vehicles", version, about, long_about = None)]
pub struct Options {
    /// Gateways: validators and proposers in one.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=16))]
    pub gateways: u16,

    /// Vehicles. The last one falls silent once it has a slot.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(2..=64))]
    pub vehicles: u16,

    /// How often each vehicle drives through in each scene.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub crossings: u16,

    /// How long a vehicle is in the crossing, in milliseconds. It stands for the drive; no figure counts it.
    #[arg(long, default_value_t = 20)]
    pub drive_ms: u64,

    /// Where the gateways keep their logs. A vote is durable before it is sent, so a request waits for three writes in a row: what one costs
    /// there is printed beside the times. Default: the system's folder for temporary files.
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,

    /// All keys and ways come from this number.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,

    /// Wanted: 99 of 100 requests have their final grant within so many milliseconds.
    #[arg(long, default_value_t = 50.0)]
    pub goal_ms: f64,

    /// Print one JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}
