//! What the command line of `node` takes.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use cpchain_consensus::ledger::Amount;
use cpchain_node::wallet::money::Pool;

/// A node of a CPChain network, and a wallet that asks one.
#[derive(Parser)]
#[command(version, about)]
pub(crate) struct Options {
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which node to ask.
#[derive(Args)]
pub(crate) struct At {
    /// The folder of the node to ask.
    #[arg(long)]
    pub(crate) dir: PathBuf,
}

/// Who signs, and how long to wait.
#[derive(Args)]
pub(crate) struct By {
    /// The folder of the node to ask.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// The file of the key that signs.
    #[arg(long)]
    pub(crate) from: Option<PathBuf>,
    /// Seconds to wait until it is final: 1 to 60.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) timeout: u64,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make the folders of a network: keys, genesis and one node.toml for each node.
    Init {
        /// Nodes that vote.
        #[arg(long, default_value_t = 4)]
        validators: usize,
        /// Default proposers.
        #[arg(long, default_value_t = 4)]
        proposers: usize,
        /// Nodes that stand for election, with their deposits in the genesis.
        #[arg(long, default_value_t = 0)]
        candidates: usize,
        /// Nodes that follow.
        #[arg(long, default_value_t = 0)]
        followers: usize,
        /// Proposers of a term: 1 to 4, or a multiple of 3; by default as many as the default proposers allow.
        #[arg(long)]
        seats: Option<usize>,
        /// How often each proposer has its turn in a term.
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// The name of the chain.
        #[arg(long, default_value = "devnet")]
        chain: String,
        /// Two ports for each node from this one on; without it free ones are chosen.
        #[arg(long)]
        base_port: Option<u16>,
        /// The folder to make.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Run one node until SIGTERM or SIGINT.
    Run(At),
    /// Ask a running node where it stands.
    Status(At),
    /// Make a key, or show the public half of one.
    #[command(subcommand)]
    Keys(Keys),
    /// What an account can spend, and its deposits.
    Balance {
        #[command(flatten)]
        at: At,
        /// 64 hexadecimal digits or a did:key; the node's account.key if not given.
        account: Option<String>,
    },
    /// Send CPC from an account (account.key if not given), and wait until it is final.
    #[command(visible_alias = "tx")]
    Send {
        #[command(flatten)]
        by: By,
        /// The receiver: 64 hexadecimal digits or a did:key.
        #[arg(long)]
        to: String,
        /// How many CPC, with up to 18 decimal places.
        #[arg(long)]
        amount: Amount,
        /// Answer as soon as the transaction is accepted.
        #[arg(long)]
        no_wait: bool,
    },
    /// Put CPC into a pool. The key is node.key for the RNode pool and account.key for the economy pool if not given.
    Deposit {
        #[command(flatten)]
        by: By,
        /// Which pool.
        pool: Pool,
        /// How many CPC.
        amount: Amount,
    },
    /// Take CPC out of a pool: all of an RNode's deposit, or an amount from the economy pool.
    Withdraw {
        #[command(flatten)]
        by: By,
        /// Which pool.
        pool: Pool,
        /// How many CPC; only for the economy pool.
        amount: Option<Amount>,
    },
    /// Take the interest of the economy pool, while a season settles (account.key if not given).
    Interest(By),
    /// Stand for election as an RNode (node.key if not given): finds the proofs and sends the claim.
    Campaign {
        #[command(flatten)]
        by: By,
        /// For how many terms: 1 to 3.
        #[arg(long, default_value_t = 3)]
        terms: u8,
        /// The file of the beacon key; the node's beacon.key if not given.
        #[arg(long)]
        beacon: Option<PathBuf>,
    },
    /// What was put to the vote, and what came of it.
    Proposals {
        #[command(flatten)]
        at: At,
        /// From the one after this number on.
        #[arg(long)]
        after: Option<u64>,
    },
    /// Put something to the vote. The key is node.key for what validators vote on, and account.key for the rest, if not given.
    Propose {
        #[command(flatten)]
        by: By,
        /// For how many heights votes are taken.
        #[arg(long, default_value_t = 8_640)]
        heights: u64,
        #[command(subcommand)]
        action: Proposed,
    },
    /// Vote: as a validator with node.key or as an economy node with account.key if no key is given.
    Vote {
        #[command(flatten)]
        by: By,
        /// The number of the proposal.
        proposal: u64,
        /// For or against it.
        ballot: Ballot,
    },
    /// The term that the node is in.
    Term(At),
    /// Who votes and who proposes.
    Committee {
        #[command(flatten)]
        at: At,
        /// In another term than the present one: up to three ahead.
        #[arg(long)]
        term: Option<u64>,
    },
    /// What an account's reputation is made of.
    Reputation {
        #[command(flatten)]
        at: At,
        /// 64 hexadecimal digits or a did:key; that of node.key if not given.
        account: Option<String>,
    },
    /// Call any RPC method of a running node.
    Call {
        #[command(flatten)]
        at: At,
        /// The method.
        method: String,
        /// Its parameters, as a JSON object.
        #[arg(default_value = "{}")]
        params: String,
    },
}

/// How to vote.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ballot {
    Yes,
    No,
}

/// What can be put to the vote.
#[derive(Subcommand)]
pub(crate) enum Proposed {
    /// Zero bits of the CPU proof of a claim.
    CpuBits { bits: u32 },
    /// Zero bits of the memory proof of a claim.
    MemoryBits { bits: u32 },
    /// The least deposit of an RNode, in CPC.
    RnodeDeposit { amount: Amount },
    /// From a height on, claims need this software.
    SoftUpdate { version: u32, from: u64 },
    /// From a height on, blocks need this software: older nodes stop.
    HardUpdate { version: u32, from: u64 },
    /// An industry node, with the reputation that it has at least: 1000 to 10000.
    AdmitIndustry { account: String, weight: u32 },
    /// It is an industry node no more.
    RemoveIndustry { account: String },
    /// Money of the public vault.
    Spend { to: String, amount: Amount },
    /// A validator from the next term on.
    AddValidator { key: String },
    /// No validator from the next term on.
    RemoveValidator { key: String },
}

#[derive(Subcommand)]
pub(crate) enum Keys {
    /// Write a new key to a new file, which only you can read.
    New {
        /// The file to make.
        file: PathBuf,
        /// A key for beacons and not for signatures.
        #[arg(long)]
        beacon: bool,
    },
    /// Show the public half of a key.
    Show {
        /// The file.
        file: PathBuf,
        /// It is a key for beacons.
        #[arg(long)]
        beacon: bool,
    },
}
