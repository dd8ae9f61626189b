//! `buy`: a buyer in a terminal of its own.

use std::{
    fs::File,
    io::{self, Write},
    ops::Range,
    path::PathBuf,
};

use cpchain_consensus::ledger::Amount;
use cpchain_crypto::SystemEntropy;
use cpchain_market::{
    catalog::{Catalog, Query, TantivyCatalog},
    listing::{Listing, SignedOperation},
    sync::Follower,
};
use cpchain_storage::Table;
use tokio::runtime::Handle;

use super::{
    network::NetworkFile,
    options::Buy,
    party::{Party, short},
};
use crate::{
    adapters::ChainListingLog,
    share::{
        ShareError,
        buyer::{Buyer, Find},
        error::During,
        progress::Progress,
        source::{parse_time, show},
    },
};

/// Hits that are shown.
const HITS: usize = 10;

/// What was bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Rows that were decrypted, each checked against what the chain vouches for.
    pub rows: usize,
    /// Intervals that were paid for.
    pub intervals: u32,
    /// What was paid for them.
    pub price: Amount,
}

/// Looks for what is asked, and buys it if a hit was chosen.
///
/// # Errors
/// [`ShareError`]; before the escrow nothing was paid.
pub async fn buy(options: &Buy) -> Result<Option<Receipt>, ShareError> {
    let wish = Wish::read(options)?;
    let mut progress = Progress::start();
    progress.begin("join the network", 1);
    let network = NetworkFile::read(&options.joining.network)?;
    let party = Party::join(&network, &options.joining.key, options.joining.state.as_deref()).await?;
    let (account, view) = (party.account(), party.client.view().clone());
    progress.end(0, format!("account {account} with {} CPC, height {}", view.balance(&account), view.height()));

    progress.begin("search", 1);
    let hits = search(&party, &options.query).await?;
    progress.end(0, format!("{} of the chain's listings fit «{}»", hits.len(), options.query));
    let Some(chosen) = options.hit else {
        drop(progress.finish());
        party.leave().await;
        show_hits(&hits)?;
        return Ok(None);
    };
    let listing = chosen.checked_sub(1).and_then(|place| hits.get(place)).cloned();
    let listing = listing.ok_or_else(|| ShareError::Input(format!("--hit {chosen}: there are {} hits", hits.len())))?;
    let receipt = purchase(&wish, &party, listing, &mut progress).await;
    drop(progress.finish());
    party.leave().await;
    receipt.map(Some)
}

/// What of a listing is to be bought, and for how much.
struct Wish {
    from_ms: Option<u64>,
    to_ms: Option<u64>,
    at_most: Option<Amount>,
    output: Option<PathBuf>,
}

impl Wish {
    fn read(options: &Buy) -> Result<Self, ShareError> {
        let time = |text: &Option<String>, option: &str| {
            let wrong = |text| {
                ShareError::Input(format!("{option} {text}: not a time, write it as 2010-03-01 or 2010-03-01T12:00:00"))
            };
            text.as_ref().map(|text| parse_time(text).ok_or_else(|| wrong(text))).transpose()
        };
        let wrong = |text: &String| ShareError::Input(format!("--at-most {text}: not an amount of CPC"));
        let amount = |text: &String| text.parse::<Amount>().map_err(|_| wrong(text));
        let wish = Self {
            from_ms: time(&options.from, "--from")?,
            to_ms: time(&options.to, "--to")?,
            at_most: options.at_most.as_ref().map(amount).transpose()?,
            output: options.output.clone(),
        };
        if wish.to_ms.is_some_and(|to| to <= wish.from_ms.unwrap_or_default()) {
            return Err(ShareError::Input("the range from --from to --to is empty".to_owned()));
        }
        Ok(wish)
    }

    fn range(&self, find: &Find) -> Range<u64> {
        let blocks = find.manifests.iter().flat_map(|manifest| &manifest.body().blocks);
        let first = blocks.map(|block| block.start_ms).min().unwrap_or_default();
        self.from_ms.unwrap_or(first)..self.to_ms.unwrap_or(u64::MAX)
    }
}

async fn purchase(
    wish: &Wish,
    party: &Party,
    listing: SignedOperation,
    progress: &mut Progress,
) -> Result<Receipt, ShareError> {
    let mut seed = [0; 32];
    cpchain_crypto::Entropy::fill(&mut SystemEntropy, &mut seed).during("making the order's key")?;
    let mut entropy = cpchain_crypto::SeededEntropy::new(&seed);
    let node_key = party.actors.secret("proxy connection", 0);
    let buyer = Buyer::new(party.client.clone(), party.storage.clone(), node_key, &mut entropy)?;

    progress.begin("fetch and verify", 1);
    let find = buyer.inspect(listing).await?;
    let fetched = buyer.fetch(&find, &wish.range(&find)).await?;
    progress.end(fetched.bytes, "every byte, block, chain link and leaf is as vouched for; nothing is paid yet");
    let intervals = fetched.intervals.end - fetched.intervals.start;
    let content = find.listing.content().during("reading a listing")?;
    let price = Amount(content.quote(intervals).during("quoting a price")?.0);
    if wish.at_most.is_some_and(|most| price > most) {
        return Err(ShareError::Input(format!("{intervals} intervals cost {price} CPC: more than --at-most")));
    }

    progress.begin("escrow", 1);
    let mut bought = buyer.buy(&find, &fetched).await?;
    let table = buyer.open(&find, &fetched, &bought)?;
    buyer.confirm(&mut bought).await?;
    progress.end(bought.events.bytes, format!("{intervals} intervals for {price} CPC; the seller is paid"));
    write(&table, wish)?;
    Ok(Receipt { rows: table.len(), intervals, price })
}

/// The best hits of a catalogue of the buyer's own, made from the chain: no market can hide a listing from it or invent one.
async fn search(party: &Party, query: &str) -> Result<Vec<SignedOperation>, ShareError> {
    let log = ChainListingLog::new(party.client.clone(), Handle::current());
    let (dir, query) = (party.dir().join("catalogue"), query.to_owned());
    let look = move || {
        let mut catalog = TantivyCatalog::open(dir).during("opening a catalogue")?;
        Follower::default().catch_up(&log, &mut catalog).during("reading the listings of the chain")?;
        let hits = catalog.search(&Query::new(query).limit(HITS)).during("searching")?;
        let rows = hits.iter().map(|hit| catalog.get(hit.id).during("searching"));
        rows.filter_map(Result::transpose).map(|row| row.map(|row| row.operation)).collect()
    };
    tokio::task::spawn_blocking(look).await.during("searching")?
}

fn show_hits(hits: &[SignedOperation]) -> Result<(), ShareError> {
    let mut out = io::stdout().lock();
    for (number, hit) in (1..).zip(hits) {
        let Listing { title, description, price, from_ms, to_ms, .. } = hit.content().during("reading a listing")?;
        let (seller, price) = (short(&hit.operation().seller), Amount(price.0));
        let until = if *to_ms == 0 { "goes on".to_owned() } else { format!("to {}", show(*to_ms)) };
        writeln!(out, "{number:>2}  {title}\n    {description}").during("printing")?;
        writeln!(out, "    {price} CPC an interval, from {} {until}, seller {seller}", show(*from_ms))
            .during("printing")?;
    }
    writeln!(out, "buy one with --hit N, a part of it with --from and --to").during("printing")
}

fn write(table: &Table, wish: &Wish) -> Result<(), ShareError> {
    match &wish.output {
        Some(path) => rows(table, File::create(path).during("creating the file of --output")?),
        None => rows(table, io::stdout().lock()),
    }
}

fn rows(table: &Table, out: impl Write) -> Result<(), ShareError> {
    let mut out = csv::Writer::from_writer(out);
    let names = ["timestamp"].into_iter().chain(table.columns().iter().map(|column| column.name()));
    out.write_record(names).during("writing the rows")?;
    for (row, at) in table.timestamps_ms().iter().enumerate() {
        let at = i64::try_from(*at).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
        let at = at.during("writing the rows")?.to_string();
        let cells = table.columns().iter().map(|column| {
            let value = column.values().get(row).copied().unwrap_or(f64::NAN);
            if value.is_nan() { String::new() } else { value.to_string() }
        });
        out.write_record(std::iter::once(at).chain(cells)).during("writing the rows")?;
    }
    out.flush().during("writing the rows")
}
