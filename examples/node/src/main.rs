//! `node`: makes a network, runs one node of it, and asks it. `node --help` says how.

#![forbid(unsafe_code)]

mod options;

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Parser as _;
use cpchain_consensus::{
    Height,
    ledger::governance::{Action, Electorate, Parameter, ProposalId},
};
use cpchain_crypto::{Did, PublicKey, Signer as _, vrf::VrfPublicKey};
use cpchain_node::{
    client::Client,
    config::{BEACON_FILE, NodeFile, TimingTable},
    genesis::DporTable,
    keys,
    service::Service,
    setup::{ACCOUNT_FILE, Plan, init, seats},
    wallet::{Wallet, money::Pool, text, vote},
};
use options::{At, Ballot, By, Command, Keys, Options, Proposed};
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

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
    let answer = match &options.command {
        Command::Init { .. } => make(&options.command)?,
        Command::Run(At { dir }) => return run(options, dir.clone()).await,
        Command::Status(at) => ask(at, "status", json!({})).await?,
        Command::Call { at, method, params } => ask(at, method, serde_json::from_str(params)?).await?,
        Command::Keys(command) => keys(command)?,
        Command::Term(at) => ask(at, "term", json!({})).await?,
        Command::Committee { at, term } => ask(at, "committee", json!({ "term": term })).await?,
        Command::Balance { at, account } => {
            let account = account_of(account.as_deref(), at, ACCOUNT_FILE)?;
            let mut answer = ask(at, "deposits", json!({ "account": account.to_string() })).await?;
            if let Some(fields) = answer.as_object_mut() {
                fields.insert("account".into(), account.to_string().into());
                fields.insert("did".into(), Did::from(account).to_string().into());
            }
            answer
        }
        Command::Reputation { at, account } => {
            let key = NodeFile::read(&at.dir)?.key;
            let account = match account {
                Some(text) => read_account(text)?,
                None => keys::read(&key)?.public_key(),
            };
            let answer = ask(at, "reputation", json!({ "account": account.to_string() })).await?;
            return if options.json { print(options, &answer) } else { write(&text::reputation(&answer)) };
        }
        Command::Send { by, to, amount, no_wait } => {
            let to = read_account(to)?;
            let wallet = wallet(by, by.dir.join(ACCOUNT_FILE))?;
            if *no_wait { wallet.leave(to, *amount).await? } else { wallet.send(to, *amount).await? }
        }
        Command::Deposit { by, pool, amount } => wallet(by, key_of(&by.dir, *pool)?)?.deposit(*pool, *amount).await?,
        Command::Withdraw { by, pool, amount } => wallet(by, key_of(&by.dir, *pool)?)?.withdraw(*pool, *amount).await?,
        Command::Interest(by) => wallet(by, by.dir.join(ACCOUNT_FILE))?.take_interest().await?,
        Command::Proposals { at, after } => ask(at, "proposals", json!({ "after": after })).await?,
        Command::Propose { by, heights, action } => {
            let action = proposed(action)?;
            let key = voter(&by.dir, action.electorate() == Electorate::Validators)?;
            wallet(by, key)?.propose(action, *heights).await?
        }
        Command::Vote { by, proposal, ballot } => {
            let proposal = ProposalId(*proposal);
            let validators = vote::is_for_validators(&Client::of(&by.dir)?, proposal).await?;
            wallet(by, voter(&by.dir, validators)?)?.vote(proposal, *ballot == Ballot::Yes).await?
        }
        Command::Campaign { by, terms, beacon } => {
            let path = beacon.clone().unwrap_or_else(|| by.dir.join(BEACON_FILE));
            let beacon =
                keys::read_beacon(&path)?.ok_or("there is no such beacon key: `node keys new --beacon FILE`")?;
            wallet(by, key_of(&by.dir, Pool::Rnode)?)?.campaign(beacon.public_key(), *terms).await?
        }
    };
    print(options, &answer)
}

/// The file of the key that a pool's deposits belong to: an RNode proposes with the key of its node.
fn key_of(dir: &Path, pool: Pool) -> Result<PathBuf, Failure> {
    Ok(match pool {
        Pool::Rnode => NodeFile::read(dir)?.key,
        Pool::Economy => dir.join(ACCOUNT_FILE),
    })
}

/// The file of the key that votes: that of the node or the account.
fn voter(dir: &Path, validators: bool) -> Result<PathBuf, Failure> {
    key_of(dir, if validators { Pool::Rnode } else { Pool::Economy })
}

fn proposed(action: &Proposed) -> Result<Action, Failure> {
    Ok(match action {
        Proposed::CpuBits { bits } => Action::Set(Parameter::CpuBits, (*bits).into()),
        Proposed::MemoryBits { bits } => Action::Set(Parameter::MemoryBits, (*bits).into()),
        Proposed::RnodeDeposit { amount } => Action::Set(Parameter::RNodeDeposit, amount.0),
        Proposed::SoftUpdate { version, from } => Action::SoftUpdate { version: *version, from: Height(*from) },
        Proposed::HardUpdate { version, from } => Action::HardUpdate { version: *version, from: Height(*from) },
        Proposed::AdmitIndustry { account, weight } => {
            Action::AdmitIndustry { account: read_account(account)?, weight: *weight }
        }
        Proposed::RemoveIndustry { account } => Action::RemoveIndustry(read_account(account)?),
        Proposed::Spend { to, amount } => Action::Spend { to: read_account(to)?, amount: *amount },
        Proposed::AddValidator { key } => Action::AddValidator(read_account(key)?),
        Proposed::RemoveValidator { key } => Action::RemoveValidator(read_account(key)?),
    })
}

async fn ask(at: &At, method: &str, params: Value) -> Result<Value, Failure> {
    Ok(Client::of(&at.dir)?.call(method, params).await?)
}

fn wallet(by: &By, default: PathBuf) -> Result<Wallet, Failure> {
    let key = keys::read(&by.from.clone().unwrap_or(default))?;
    Ok(Wallet::new(Client::of(&by.dir)?, key, Duration::from_secs(by.timeout)))
}

fn read_account(text: &str) -> Result<PublicKey, Failure> {
    Ok(keys::account(text).ok_or("an account is 64 hexadecimal digits or a did:key")?)
}

fn account_of(text: Option<&str>, at: &At, default: &str) -> Result<PublicKey, Failure> {
    match text {
        Some(text) => read_account(text),
        None => Ok(keys::read(&at.dir.join(default))?.public_key()),
    }
}

fn keys(command: &Keys) -> Result<Value, Failure> {
    let name = |path: &Path| path.display().to_string();
    let beacon = |path, key: VrfPublicKey| json!({ "file": name(path), "beacon": hex::encode(key.0) });
    let account = |path, key: PublicKey| json!({ "file": name(path), "account": key.to_string(), "did": Did::from(key).to_string() });
    Ok(match command {
        Keys::New { file, beacon: true } => beacon(file, keys::create_beacon(file)?.public_key()),
        Keys::New { file, beacon: false } => account(file, keys::create(file)?.public_key()),
        Keys::Show { file, beacon: true } => {
            beacon(file, keys::read_beacon(file)?.ok_or("there is no such file")?.public_key())
        }
        Keys::Show { file, beacon: false } => account(file, keys::read(file)?.public_key()),
    })
}

fn make(command: &Command) -> Result<Value, Failure> {
    let Command::Init { validators, proposers, candidates, followers, seats: wanted, rounds, chain, base_port, dir } =
        command
    else {
        return Err("not the command that makes a network".into());
    };
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
    let folders: Vec<_> = init(dir, &plan)?.iter().map(|folder| folder.display().to_string()).collect();
    Ok(json!({ "genesis": dir.join("genesis.toml").display().to_string(), "nodes": folders }))
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
    if options.json { write(&format!("{value}\n")) } else { write(&text::lines(value)) }
}

fn write(text: &str) -> Result<(), Failure> {
    io::stdout().write_all(text.as_bytes())?;
    io::stdout().flush()?;
    Ok(())
}
