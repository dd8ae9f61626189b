//! `sell`: sells a file of readings, interval by interval. `sell --help` says what can be asked of it.

use std::{io, process::ExitCode};

use clap::Parser;
use cpchain_examples::{
    share::ShareError,
    terminals::{Sell, sell},
};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let options = Sell::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    match start(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sell: {error}");
            error.exit_code()
        }
    }
}

fn start(options: &Sell) -> Result<(), ShareError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(ShareError::while_doing("starting the runtime"))?;
    runtime.block_on(async {
        let mut told = std::pin::pin!(interrupted());
        sell(options, &mut told).await
    })
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
