//! Private search by hand: a million sensor readings and a year of weather, indexed by their owner, kept by a host that cannot read them, and asked in
//! words.
//!
//! Owner and host are in one process and talk over OTP on loopback. The first start builds the index in a folder; the next one opens it. Every
//! query is explained before it is sent, and its answer can be compared with the plaintext.

mod build;
mod host;
mod options;
mod owner;
mod readings;
mod session;

pub use self::{options::Options, session::Outcome};
use self::{owner::Owner, session::Session};
use crate::share::{During as _, ShareError};

/// Builds or opens the index, then answers the queries of the options, or those of `lines` until they end. `say` prints for people.
///
/// # Errors
/// [`ShareError`] if the index cannot be built or opened, or an answer is not the plaintext's.
pub async fn run(
    options: &Options,
    lines: impl Iterator<Item = std::io::Result<String>>,
    mut say: impl FnMut(&str),
) -> Result<Vec<Outcome>, ShareError> {
    let records = readings::Readings::new(options)?;
    let owner = if Owner::is_whole(&options.folder()) {
        Owner::open(&options.folder())?
    } else {
        build::build(options, &records, &mut say).await?
    };
    let mut session = Session::start(options, owner, records, &mut say).await?;
    let mut outcomes = Vec::new();
    if options.query.is_empty() {
        say("type a query, as `room:kitchen AND temperature:[20.5 TO 23] AND NOT status:fault`; an empty line ends");
        for line in lines {
            let line = line.during("reading a query")?;
            if line.trim().is_empty() {
                break;
            }
            outcomes.extend(session.ask(&line, &mut say).await?);
        }
    }
    for query in &options.query {
        outcomes.extend(session.ask(query, &mut say).await?);
    }
    session.stop().await;
    Ok(outcomes)
}
