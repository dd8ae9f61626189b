//! The main job, end to end: one process, real sockets on loopback, real files.
//!
//! Read [`run`] from top to bottom; each step is a file of its own.

pub(crate) mod actors;
mod appraiser;
pub(crate) mod buyer;
pub(crate) mod candidates;
pub(crate) mod chain;
mod collusion;
pub(crate) mod error;
pub(crate) mod founding;
pub(crate) mod hosts;
pub(crate) mod market;
pub(crate) mod options;
mod page;
pub(crate) mod progress;
pub(crate) mod proxies;
mod search;
pub(crate) mod seller;
pub(crate) mod source;
mod summary;
pub(crate) mod trade;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use cpchain_consensus::ledger::{block_transactions, dpor::Settings};
use cpchain_crypto::{PublicKey, Signer};
use cpchain_otp::records::ProxyId;
use cpchain_storage::{
    Table,
    network::{ChunkTransport, Dht, RecordKind, SignedRecord},
};

pub(crate) use self::error::During;
use self::{
    actors::Actors,
    buyer::Buyer,
    candidates::Campaign,
    chain::{Chain, Tempo},
    hosts::Hosts,
    page::{BlockRow, Page, Series},
    progress::Progress,
    proxies::Proxy,
    seller::Seller,
    source::Source,
};
pub use self::{
    appraiser::{Appraiser, Goods, Holders, MAX_INTERVALS},
    candidates::TermRow,
    error::ShareError,
    options::Options,
    summary::{Step, Summary},
};
use crate::adapters::{ChainClient, Market};

/// Proxies of the share.
pub(crate) const PROXIES: usize = 3;
/// Points of a plotted curve.
const PLOTTED: usize = 1500;

/// Runs the share and says what held.
///
/// # Errors
/// [`ShareError`] if it did not come to its end.
pub async fn run(options: &Options) -> Result<Summary, ShareError> {
    let mut progress = Progress::start();
    progress.begin("read the source", 1);
    let source = Source::read(options)?;
    let actors = Actors::new(options.seed).during("making keys")?;
    let (dir, _temporary) = folder(options)?;
    let rows = source.table.len();
    progress.end(0, format!("{rows} rows in order, columns {}", source.columns().join(", ")));

    let (seller_key, buyer_key) = (actors.key("seller", 0), actors.key("buyer", 0));
    let stream =
        cpchain_storage::StreamId::new(seller_key.public_key().into(), seller::STREAM).during("naming the stream")?;

    progress.begin("start the network", 4);
    let operators: Vec<PublicKey> = (0..2).map(|i| actors.key("market", i).public_key()).collect();
    let mut funded: Vec<PublicKey> = (0..PROXIES).map(|i| actors.key("proxy", i).public_key()).collect();
    funded.extend(operators);
    funded.extend([seller_key.public_key(), buyer_key.public_key()]);
    let mut chain = Chain::start(options, &Tempo::default(), &actors, &funded, 2, &[], &dir).await?;
    let campaign = Campaign::start(&chain, &actors)?;
    progress.part();
    let hosts = Hosts::start(options.storage_nodes.into(), &actors, &dir).await?;
    progress.part();
    let [first, second] = chain.followers.as_slice() else {
        return Err(ShareError::Failed { doing: "starting the network", why: "two followers are needed".to_owned() });
    };
    let account = |key, node: &chain::ChainNode| ChainClient::new(key, node.node.clone(), node.view.clone());
    let mut proxies = Vec::new();
    for index in 0..PROXIES {
        proxies.push(Proxy::start(index, &actors, &hosts, first, &dir).await?);
    }
    progress.part();
    let open = |client, name: &str| Market::open(client, &dir.join(name)).map(Arc::new).during("opening a market");
    let published_here = open(account(actors.key("market", 0), first), "market-0")?;
    let searched_here = open(account(actors.key("market", 1), second), "market-1")?;
    let seller_storage = hosts.client(&actors.secret("seller storage client", 0)).await?;
    let buyer_storage = hosts.client(&actors.secret("buyer storage client", 0)).await?;
    let seller =
        Arc::new(Seller::new(account(seller_key.clone(), first), stream.clone(), seller_storage.clone(), &actors));
    let mut entropy = actors.entropy("buyer");
    let buyer_account = account(buyer_key, second);
    let buyer = Buyer::new(buyer_account.clone(), buyer_storage, actors.secret("buyer", 0), &mut entropy)?;
    publish_descriptors(&proxies, &actors, &seller_storage).await?;
    let view = second.view.clone();
    let (node, dpor) = (second.node.clone(), second.dpor.clone());
    progress.end(
        0,
        format!(
            "{} validators, {} of {} candidates, {} storage hosts, {PROXIES} proxies, 2 markets",
            chain.validators.len(),
            chain.candidates.len(),
            chain.standing.len(),
            hosts.nodes.len(),
        ),
    );
    if options.stop_validators > 0 {
        chain.stop_validators(options.stop_validators.into()).await;
        progress.say(&format!("fault: {} validators stopped", options.stop_validators));
    }

    progress.begin("1 gateway: seal", 1);
    let uploads = seller.seal(&source, options, &dir).await?;
    let sealed: usize = uploads.iter().map(|upload| upload.object.len()).sum();
    let count =
        |of: fn(&cpchain_storage::ManifestBody) -> usize| uploads.iter().map(|u| of(u.manifest.body())).sum::<usize>();
    let (blocks, intervals) = (count(|body| body.blocks.len()), count(|body| body.intervals.len()));
    progress
        .end(sealed as u64, format!("{blocks} chained blocks, {intervals} interval keys, {} uploads", uploads.len()));

    progress.begin("2 store and vouch", uploads.len());
    let uploaded = Arc::new(seller.upload(&uploads, &hosts.nodes, &progress).await?);
    let vouched = uploads.len();
    progress.end(
        uploaded.stored_bytes,
        format!("{} signed receipts of hosts, {vouched} vouchers in final blocks", uploaded.receipts),
    );
    let stopped_nodes = hosts.stop_some(options.stop_storage_nodes.into()).await;
    if options.stop_storage_nodes > 0 {
        progress.say(&format!("fault: {} storage hosts stopped", options.stop_storage_nodes));
    }

    progress.begin("3 list and find", 2);
    let offered: Vec<_> = proxies.iter().map(|p| (ProxyId::from(p.key()), p.key(), p.node.address())).collect();
    let listing = seller.listing(&source, &offered)?;
    let others = market::other_listings(&actors)?;
    for operation in others.iter().chain([&listing]) {
        published_here.publish(operation).during("publishing a listing")?;
    }
    let words = options.query.clone().unwrap_or_else(|| question(&source));
    let found = market::search(&searched_here, &words, others.len() + 1).await?;
    progress.part();
    if found != listing {
        return Err(ShareError::Failed { doing: "searching", why: format!("«{words}» found another listing first") });
    }
    let find = buyer.inspect(found).await?;
    let same = market::search(&published_here, &words, others.len() + 1).await.is_ok()
        && market::digest(&published_here)? == market::digest(&searched_here)?;
    if !same {
        return Err(ShareError::Failed { doing: "comparing the markets", why: "their catalogues differ".to_owned() });
    }
    progress.end(
        listing.as_bytes().len() as u64,
        format!("«{words}» found it in the other market, of {}; both catalogues are equal", others.len() + 1),
    );

    progress.begin("4 private search", 1);
    let private = search::private_search(&actors, &seller, &source).await?;
    progress.end(
        private.bytes,
        format!(
            "«{}»: {} days in {} records, {} the plaintext's answer; the host saw neither",
            private.question,
            private.days.len(),
            private.records,
            if private.correct { "exactly" } else { "NOT" },
        ),
    );

    progress.begin("5 fetch and verify", 1);
    let fetched = buyer.fetch(&find, &source.wanted).await?;
    progress.end(fetched.bytes, "every byte, block, chain link and leaf is as vouched for".to_owned());

    progress.begin("5 elected proposers", 1);
    let serving = campaign.take_over(&chain).await?;
    progress.end(
        0,
        format!(
            "term {} (heights {} to {}): {}; each deposited {} CPC and proved its claim",
            serving.term,
            serving.first,
            serving.last,
            serving.proposers.join(", "),
            dpor.settings().deposit(),
        ),
    );

    progress.begin("5 escrow", 1);
    let agent = seller.clone().serve_orders(uploaded.clone());
    let before = (view.balance(&seller_key.public_key()), buyer.balance());
    let mut bought = buyer.buy(&find, &fetched).await?;
    let table = buyer.open(&find, &fetched, &bought)?;
    buyer.confirm(&mut bought).await?;
    let paid = view.balance(&seller_key.public_key()).0 - before.0.0;
    let intervals = fetched.intervals.end - fetched.intervals.start;
    if paid != seller::price().0 * u128::from(intervals) {
        return Err(ShareError::Failed {
            doing: "settling the order",
            why: "the seller was not paid the price".to_owned(),
        });
    }
    agent.abort();
    let nodes = bought.seeds.len();
    progress.end(bought.events.bytes, format!(
        "{intervals} intervals for {}; {nodes} keys handed over by 2 of {PROXIES} proxies, each fragment verified by the chain",
        cpchain_market::Amount(paid),
    ));

    progress.begin("6 decrypt and compare", 1);
    let expected = expected_rows(&source, &find.manifests, &fetched.intervals);
    let rows_verified = equal_rows(&expected, &table);
    let colluders: Vec<_> = (0..PROXIES).map(|index| actors.key("proxy", index)).collect();
    let refused = buyer.unbought_stays_closed(&find, &fetched, &bought, &colluders).await?;
    progress.end(
        (table.len() * (table.columns().len() + 1) * 8) as u64,
        format!(
            "{rows_verified} rows equal to the source bit for bit; interval {}, not bought, {}",
            fetched.unbought.unwrap_or_default(),
            if refused { "stays closed" } else { "OPENS" },
        ),
    );

    let status = node.status();
    let mut page = Page {
        source: source.name.clone(),
        series: series(&source.table),
        bought: expected.timestamps_ms().first().copied().unwrap_or_default()
            ..expected.timestamps_ms().last().copied().unwrap_or_default(),
        found: private.days.clone(),
        question: private.question.clone(),
        blocks: Vec::new(),
        placements: uploaded.placements.clone(),
        stopped_nodes,
        order: bought.events.history.clone(),
        terms: candidates::terms(&dpor, &chain, status.final_height),
    };
    let mut impeached_heights = 0;
    let mut final_blocks = 0;
    for height in 1..=status.final_height.0 {
        let Some(entry) = node.block(cpchain_consensus::Height(height)).await.during("reading the chain")? else {
            continue;
        };
        final_blocks += u64::from(!entry.block.impeached);
        impeached_heights += u64::from(entry.block.impeached);
        page.blocks.push(block_row(&chain, dpor.settings(), &entry));
    }
    let sale: BTreeSet<u64> = page.order.iter().map(|(_, height)| *height).collect();
    let by_elected = |height: &u64| {
        let block = page.blocks.iter().find(|block| block.height == *height);
        let proposed =
            |term: &TermRow| block.is_some_and(|block| !block.impeached && term.proposers.contains(&block.proposer));
        page.terms.iter().any(|term| (term.first..=term.last).contains(height) && term.elected && proposed(term))
    };
    let sale_blocks_by_elected = sale.iter().filter(|height| by_elected(height)).count();
    let (steps, seconds) = progress.finish();
    let summary = Summary {
        rows_bought: expected.len(),
        rows_verified,
        unbought_interval_refused: refused,
        private_search_correct: private.correct,
        chain_height: status.height.0,
        final_blocks,
        impeached_heights,
        elected_proposers: !sale.is_empty() && sale_blocks_by_elected == sale.len(),
        sale_blocks: sale.len(),
        sale_blocks_by_elected,
        terms: page.terms.clone(),
        seconds,
        steps,
    };
    if let Some(path) = &options.report {
        std::fs::write(path, page.render(&summary)).during("writing the report")?;
    }

    campaign.stop().await;
    market::stop(published_here).await;
    market::stop(searched_here).await;
    futures::future::join_all(proxies.into_iter().map(Proxy::stop)).await;
    hosts.stop().await;
    chain.stop().await;
    Ok(summary)
}

/// The folder for all files; the second value removes a temporary one when it is dropped.
fn folder(options: &Options) -> Result<(PathBuf, Option<tempfile::TempDir>), ShareError> {
    let Some(keep) = &options.keep else {
        let temporary =
            tempfile::Builder::new().prefix("cpchain-share-").tempdir().during("making a temporary folder")?;
        return Ok((temporary.path().to_owned(), Some(temporary)));
    };
    std::fs::create_dir_all(keep).during("making the folder of --keep")?;
    let mut entries = std::fs::read_dir(keep).during("reading the folder of --keep")?;
    if entries.next().is_some() {
        return Err(ShareError::Input(format!("--keep {}: the folder is not empty", keep.display())));
    }
    Ok((keep.clone(), None))
}

/// Each proxy tells the DHT where it is.
pub(crate) async fn publish_descriptors<N: Dht + ChunkTransport + Clone>(
    proxies: &[Proxy],
    actors: &Actors,
    storage: &cpchain_storage::client::StorageClient<N>,
) -> Result<(), ShareError> {
    for (index, proxy) in proxies.iter().enumerate() {
        let descriptor = proxy.node.descriptor().during("describing a proxy")?;
        let (key, body) = (actors.key("proxy", index), descriptor.to_bytes());
        let record = SignedRecord::sign(
            &key,
            RecordKind::ProxyDescriptor,
            &[],
            trade::now_ms(),
            descriptor.expires_ms,
            body.to_vec(),
        );
        storage.dht().put_record(&record.during("signing a descriptor")?).await.during("publishing a descriptor")?;
    }
    Ok(())
}

/// What a person would type who looks for this file.
fn question(source: &Source) -> String {
    if source.name == "seattle-weather-hourly.csv" {
        return "hourly temperature and wind in Seattle".to_owned();
    }
    format!("{} {} {}", source.cadence(), source.subject(), source.columns().join(" "))
}

/// The rows of the source that lie in the bought intervals.
fn expected_rows(source: &Source, manifests: &[cpchain_storage::Manifest], intervals: &std::ops::Range<u32>) -> Table {
    let blocks = manifests.iter().flat_map(|manifest| {
        let period = manifest.body().period_ms;
        manifest.body().blocks_of(intervals.clone()).iter().map(move |block| block.start_ms..block.start_ms + period)
    });
    let periods: Vec<_> = blocks.collect();
    let times = source.table.timestamps_ms();
    let inside: Vec<usize> = times
        .iter()
        .enumerate()
        .filter(|(_, at)| {
            let next = periods.partition_point(|period| period.end <= **at);
            periods.get(next).is_some_and(|period| period.contains(at))
        })
        .map(|(row, _)| row)
        .collect();
    let pick = |values: &[f64]| inside.iter().filter_map(|row| values.get(*row).copied()).collect::<Vec<_>>();
    let stamps = inside.iter().filter_map(|row| times.get(*row).copied()).collect();
    let columns =
        source.table.columns().iter().map(|column| (column.name().to_owned(), pick(column.values()))).collect();
    Table::from_columns(stamps, columns).unwrap_or_default()
}

/// Rows that are the same in both tables: time, names and every bit of every value.
fn equal_rows(expected: &Table, found: &Table) -> usize {
    let names = |table: &Table| table.columns().iter().map(|column| column.name().to_owned()).collect::<Vec<_>>();
    if expected.len() != found.len() || names(expected) != names(found) {
        return 0;
    }
    let same = |row: usize| {
        expected.timestamps_ms().get(row) == found.timestamps_ms().get(row)
            && expected.columns().iter().zip(found.columns()).all(|(a, b)| {
                a.values().get(row).map(|value| value.to_bits()) == b.values().get(row).map(|value| value.to_bits())
            })
    };
    (0..expected.len()).filter(|row| same(*row)).count()
}

fn series(table: &Table) -> Vec<Series> {
    let step = table.len().div_ceil(PLOTTED).max(1);
    let thin = |values: &[f64]| {
        let points = table.timestamps_ms().iter().copied().zip(values.iter().copied());
        points.step_by(step).filter(|(_, value)| value.is_finite()).collect()
    };
    table
        .columns()
        .iter()
        .map(|column| Series { name: column.name().to_owned(), points: thin(column.values()) })
        .collect()
}

fn block_row(chain: &Chain, settings: &Settings, entry: &cpchain_consensus::lbft::FinalEntry) -> BlockRow {
    let block = &entry.block;
    let committee = &chain.committee;
    let certificate = entry.certificate.as_ref().filter(|certificate| certificate.height == block.height);
    let signers = certificate.map(|certificate| {
        let signed: Vec<u16> = certificate.signers().collect();
        (0u16..).take(committee.validators().len()).map(|validator| signed.contains(&validator)).collect()
    });
    BlockRow {
        height: block.height.0,
        digest: block.digest.to_string(),
        term: settings.term(block.height).0,
        proposer: candidates::name(chain, &block.proposer),
        transactions: block_transactions(&block.payload).map_or(0, |all| all.len()),
        impeached: block.impeached,
        signers,
    }
}
