//! `buy`: buys intervals of readings and checks every row. `buy --help` says what can be asked of it.

use std::{io, process::ExitCode};

use clap::Parser;
use cpchain_examples::{
    share::ShareError,
    terminals::{Buy, buy},
};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let options = Buy::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    match start(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("buy: {error}");
            error.exit_code()
        }
    }
}

fn start(options: &Buy) -> Result<(), ShareError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(ShareError::while_doing("starting the runtime"))?;
    let receipt = runtime.block_on(async {
        tokio::select! {
            receipt = buy(options) => receipt,
            _ = tokio::signal::ctrl_c() => Err(ShareError::while_doing("running")("interrupted")),
        }
    })?;
    if let Some(receipt) = receipt {
        eprintln!("{} rows of {} intervals, verified, for {} CPC", receipt.rows, receipt.intervals, receipt.price);
    }
    Ok(())
}
