//! What a person can ask `market` for.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand};

/// A market: a catalogue of sealed data at a node of the chain, as JSON over HTTP and as a web page.
#[derive(Debug, Parser)]
#[command(name = "market", version, about, long_about = None)]
pub(crate) struct Options {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a node in a folder of `node init`, and serves a market at it, until Ctrl-C. The node's `account.key` pays for publications.
    Run {
        /// The folder of the node.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// Where to serve the page and the API.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8780")]
        listen: SocketAddr,
    },
    /// Runs a node in a folder of `node init` whose ledger knows listings and orders: all nodes of a market's network are such ones.
    Node {
        /// The folder of the node.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// Starts a whole network on loopback in this process, with data for sale and orders in several states, and serves its market until Ctrl-C.
    Demo {
        /// An empty or new folder for all files.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// Where to serve the page and the API.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8780")]
        listen: SocketAddr,
    },
}
