//! `market`: a market at a node of a chain, or a whole network to look at. `market --help` says how.

#![forbid(unsafe_code)]

mod options;

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use clap::Parser as _;
use cpchain_crypto::Signer as _;
use cpchain_examples::{
    adapters::{ChainClient, Market, chain::with_market},
    demo::Demo,
    share::Appraiser,
    terminals::write_key,
};
use cpchain_market::escrow::Rules;
use cpchain_market_server::{App, Parts, serve::serve};
use cpchain_node::{keys, service::Service, setup::ACCOUNT_FILE};
use options::{Command, Options};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tracing_subscriber::EnvFilter;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("market: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(carry_out(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("market: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(options: &Options) -> Result<(), Failure> {
    match &options.command {
        Command::Demo { dir, listen } => demo(dir, *listen).await,
        Command::Run { dir, listen } => run(dir, Some(*listen)).await,
        Command::Node { dir } => run(dir, None).await,
    }
}

/// Answers at an address until it is told to stop.
struct Server {
    address: SocketAddr,
    app: Arc<App>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    fn start(listener: TcpListener, parts: Parts) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let app = App::start(parts);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(serve(listener, app.clone(), stopped));
        Ok(Self { address, app, stop, task })
    }

    async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
        self.app.stop().await;
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    Ok(listener.map_err(|error| format!("cannot listen on {address}: {error}; is the port taken?"))?)
}

async fn demo(dir: &Path, address: SocketAddr) -> Result<(), Failure> {
    std::fs::create_dir_all(dir)?;
    if std::fs::read_dir(dir)?.next().is_some() {
        return Err(format!("--dir {}: the folder is not empty", dir.display()).into());
    }
    let told = told_to_stop()?;
    // What is taken shows before anything is started.
    let listener = listen(address).await?;
    let demo = tokio::select! {
        demo = Demo::start(dir, |what| eprintln!("  {what}")) => demo?,
        () = told_to_stop()? => return Err("interrupted".into()),
    };
    let key = dir.join("visitor.key");
    write_key(&key, demo.visitor())?;
    let market = Market::open(demo.operator().clone(), &dir.join("market"))?;
    let parts = Parts {
        node: demo.node().clone(),
        view: demo.view().clone(),
        dpor: demo.dpor().clone(),
        market,
        appraiser: Some(Appraiser::new(demo.storage().clone(), demo.view().clone())),
    };
    let server = Server::start(listener, parts)?;
    let account = demo.visitor().public_key();
    say(&format!("market  http://{}/\nvisitor {account}\nkey     {}\n", server.address, key.display()))?;
    told.await;
    server.stop().await;
    demo.stop().await;
    Ok(())
}

/// A node of a network of `node init`, with a market at it or without.
async fn run(dir: &Path, address: Option<SocketAddr>) -> Result<(), Failure> {
    let told = told_to_stop()?;
    let listener = match address {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let service = Service::start_with(dir, |ledger| with_market(ledger, Rules::default())).await?;
    let (node, view) = (service.node().clone(), service.view().clone());
    let mut server = None;
    if let Some(listener) = listener {
        let operator = ChainClient::new(keys::read(&dir.join(ACCOUNT_FILE))?, node.clone(), view.clone());
        let market = Market::open(operator, &dir.join("market"))?;
        let parts = Parts { node, view, dpor: service.dpor().clone(), market, appraiser: None };
        let started = Server::start(listener, parts)?;
        say(&format!("market  http://{}/\n", started.address))?;
        server = Some(started);
    }
    say(&format!("rpc     {}\n", service.rpc()))?;
    let ended = tokio::select! {
        cause = service.ended() => Err(format!("the node ended without being told to: {cause}").into()),
        () = told => Ok(()),
    };
    if let Some(server) = server {
        server.stop().await;
    }
    service.stop().await;
    ended
}

fn say(text: &str) -> io::Result<()> {
    io::stdout().write_all(text.as_bytes())?;
    io::stdout().flush()
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
