//! `node`: makes a network, runs one node of it, and asks it. `node --help` says how.

#![forbid(unsafe_code)]

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use cpchain_consensus::ledger::Amount;
use cpchain_crypto::PublicKey;
use cpchain_node::{
    client::Client,
    config::TimingTable,
    genesis::DporTable,
    keys,
    service::Service,
    setup::{ACCOUNT_FILE, Plan, init, seats},
};
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

/// A node of a CPChain network.
#[derive(Parser)]
#[command(version, about)]
struct Options {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the folders of a network: keys, genesis and one node.toml for each node.
    Init {
        /// Nodes that vote.
        #[arg(long, default_value_t = 4)]
        validators: usize,
        /// Default proposers: 1 to 4, or a multiple of 3.
        #[arg(long, default_value_t = 4)]
        proposers: usize,
        /// Nodes that stand for election, with their deposits in the genesis.
        #[arg(long, default_value_t = 0)]
        candidates: usize,
        /// Nodes that follow.
        #[arg(long, default_value_t = 0)]
        followers: usize,
        /// The name of the chain.
        #[arg(long, default_value = "devnet")]
        chain: String,
        /// Two ports for each node from this one on; without it free ones are chosen.
        #[arg(long)]
        base_port: Option<u16>,
        /// Proposers of a term; by default as many as there can be.
        #[arg(long)]
        seats: Option<usize>,
        /// How often each proposer has its turn in a term.
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// The folder to make.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Run one node until SIGTERM or SIGINT.
    Run {
        /// The folder of the node.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Ask a running node where it stands.
    Status {
        /// The folder of the node.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Send CPC from an account, and wait until it is final.
    Tx {
        /// The folder of the node to ask.
        #[arg(long)]
        dir: PathBuf,
        /// The receiver's account: 64 hexadecimal digits.
        #[arg(long)]
        to: String,
        /// How many CPC.
        #[arg(long)]
        amount: Amount,
        /// The file of the sender's key; the node's account.key if not given.
        #[arg(long)]
        from: Option<PathBuf>,
        /// Answer as soon as the transaction is accepted.
        #[arg(long)]
        no_wait: bool,
    },
    /// Call any RPC method of a running node.
    Call {
        /// The folder of the node.
        #[arg(long)]
        dir: PathBuf,
        /// The method.
        method: String,
        /// Its parameters, as a JSON object.
        #[arg(default_value = "{}")]
        params: String,
    },
}

fn main() -> ExitCode {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,libp2p_gossipsub=error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("node: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(carry_out(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("node: {error}");
            ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error>;

async fn carry_out(options: &Options) -> Result<(), Failure> {
    match &options.command {
        Command::Init {
            validators,
            proposers,
            candidates,
            followers,
            chain,
            base_port,
            seats: wanted,
            rounds,
            dir,
        } => {
            let seats = wanted.unwrap_or_else(|| seats(*proposers));
            let plan = Plan {
                validators: *validators,
                proposers: *proposers,
                candidates: *candidates,
                followers: *followers,
                chain: chain.clone(),
                base_port: *base_port,
                timing: TimingTable::default(),
                dpor: DporTable { seats, rounds: *rounds, ..DporTable::default() },
            };
            let nodes = init(dir, &plan)?;
            let folders: Vec<_> = nodes.iter().map(|folder| folder.display().to_string()).collect();
            print(options, &json!({ "genesis": dir.join("genesis.toml").display().to_string(), "nodes": folders }))
        }
        Command::Run { dir } => run(options, dir.clone()).await,
        Command::Status { dir } => print(options, &Client::of(dir)?.call("status", json!({})).await?),
        Command::Tx { dir, to, amount, from, no_wait } => {
            let to: PublicKey = keys::public(to).ok_or("--to needs 64 hexadecimal digits")?;
            let key = keys::read(&from.clone().unwrap_or_else(|| dir.join(ACCOUNT_FILE)))?;
            let client = Client::of(dir)?;
            let transaction = client.transfer(&key, to, *amount).await?;
            let answer = client.submit(&transaction, !no_wait).await?;
            print(options, &answer)?;
            match answer.get("error").and_then(Value::as_str) {
                Some(error) => Err(error.to_owned().into()),
                None => Ok(()),
            }
        }
        Command::Call { dir, method, params } => {
            let params: Value = serde_json::from_str(params)?;
            print(options, &Client::of(dir)?.call(method, params).await?)
        }
    }
}

async fn run(options: &Options, dir: PathBuf) -> Result<(), Failure> {
    // Before the start, so that a signal during it ends the node too.
    let told = told_to_stop()?;
    let service = Service::start(&dir).await?;
    print(options, &json!({ "rpc": service.rpc().to_string(), "key": service.node().key().to_string() }))?;
    tokio::select! {
        cause = service.ended() => {
            service.stop().await;
            return Err(format!("the node ended without being told to: {cause}").into());
        }
        () = told => {}
    }
    service.stop().await;
    Ok(())
}

#[cfg(unix)]
fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// One JSON object on a line, or a line for each field.
fn print(options: &Options, value: &Value) -> Result<(), Failure> {
    let mut text = String::new();
    match value {
        Value::Object(fields) if !options.json => {
            for (name, value) in fields {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                text.push_str(&format!("{name:<20} {value}\n"));
            }
        }
        other => text = format!("{other}\n"),
    }
    io::stdout().write_all(text.as_bytes())?;
    io::stdout().flush()?;
    Ok(())
}
