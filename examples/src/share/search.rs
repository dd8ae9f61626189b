//! Step 4: the owner asks a host about records that the host cannot read.

use std::{collections::BTreeSet, sync::Arc};

use cpchain_crypto::{
    Domain,
    search::{
        FixedPoint, Predicate, SearchClient, SearchError,
        scan::{ScanIndex, ScanServer, Shape},
    },
};
use cpchain_otp::{
    Client, NodeConfig, NodeHandle, NodeParts, ProxyNode,
    access::{MemoryGrants, MemoryRegistry},
    backend::MemoryBackend,
};

use super::{
    actors::Actors,
    error::{During, ShareError},
    seller::Seller,
    source::Source,
};
use crate::adapters::SearchService;

const INDEX: Domain = Domain::new("cpchain/examples/search-index/v1");
const DAY: u64 = cpchain_storage::gateway::DAY_MS;
/// Decimals that are tried for the column, coarsest first.
const SCALES: [u32; 4] = [1, 10, 100, 1000];

/// What came of the private search.
pub(crate) struct SearchOutcome {
    /// Starts of the days found, in milliseconds.
    pub(crate) days: Vec<u64>,
    /// The answer is that of the plaintext, record for record.
    pub(crate) correct: bool,
    /// Bytes sent and received for index, query and answer.
    pub(crate) bytes: u64,
    /// What was asked, for people.
    pub(crate) question: String,
    /// Records in the index.
    pub(crate) records: usize,
}

/// A storage operator that keeps the seller's encrypted index.
pub(crate) struct IndexHost(NodeHandle);

/// The column as numbers, and what is asked of it.
struct Plain {
    days: Vec<u16>,
    values: Vec<u16>,
    question: [Predicate; 2],
    text: String,
}

impl IndexHost {
    /// Starts the host for the index of `seller`.
    async fn start(actors: &Actors, seller: &Seller, index: &ScanIndex) -> Result<Self, ShareError> {
        let service = SearchService::new(seller.client.public_key(), ScanServer::new(index.table(), 1 << 10));
        let grants = Arc::new(MemoryGrants::new());
        let parts = NodeParts::new(Arc::new(MemoryBackend::new()), Arc::new(MemoryRegistry::new()), grants);
        let seed = actors.secret("storage host", 0);
        let node = ProxyNode::start(NodeConfig::default(), &seed, parts.service(Arc::new(service))).await;
        Ok(Self(node.during("starting the index host")?))
    }
}

/// Builds the index, hands it to a host over OTP, asks, and compares the answer with the plaintext.
pub(crate) async fn private_search(
    actors: &Actors,
    seller: &Seller,
    source: &Source,
) -> Result<SearchOutcome, ShareError> {
    let plain = plain(source).during("preparing the private search")?;
    let key = seller.secret().derive(INDEX);
    // Two ranges, so the shape for ranges: the host sees that it is this one, and not which ranges of which field.
    let mut index = ScanIndex::new(key, &[4, 4]).during("making the search index")?.in_shape(Shape::Ranges);
    let host = IndexHost::start(actors, seller, &index).await?;
    let client =
        Client::connect(&host.0.address(), &seller.client.key().to_seed()).await.during("reaching the index host")?;
    let mut bytes = 0u64;

    let mut entropy = actors.entropy("private search");
    let (days, values) = (plain.days.clone(), plain.values.clone());
    let work = tokio::task::spawn_blocking(move || {
        let updates = index.append(&[&days, &values], &mut entropy)?;
        Ok::<_, SearchError>((index, updates, entropy))
    });
    let (mut index, updates, mut entropy) =
        work.await.during("encrypting the index")?.during("encrypting the index")?;
    for update in updates {
        let request = SearchService::request(SearchService::UPDATE, &update);
        bytes += request.len() as u64;
        client.call(SearchService::NAME, request).await.during("sending the index to its host")?;
    }

    let question = plain.question.clone();
    let work = tokio::task::spawn_blocking(move || {
        let made = index.query(&question, &mut entropy);
        made.map(|(query, pending)| (index, query, pending))
    });
    let (index, query, pending) = work.await.during("encrypting the query")?.during("encrypting the query")?;
    let request = SearchService::request(SearchService::QUERY, &query);
    bytes += request.len() as u64;
    let answer = client.call(SearchService::NAME, request).await.during("asking the index host")?;
    bytes += answer.len() as u64;
    let work = tokio::task::spawn_blocking(move || index.decode(pending, &answer));
    let found = work.await.during("reading the answer")?.during("reading the answer")?;
    host.0.stop().await;

    let [by_day, by_value] = &plain.question;
    let rows = plain.days.iter().zip(&plain.values);
    let truth: Vec<u64> = (0u64..)
        .zip(rows)
        .filter(|(_, (day, value))| by_day.matches(**day) && by_value.matches(**value))
        .map(|(record, _)| record)
        .collect();
    let times = source.table.timestamps_ms();
    let days: BTreeSet<u64> =
        found.iter().filter_map(|record| times.get(*record as usize)).map(|at| at - at % DAY).collect();
    Ok(SearchOutcome {
        days: days.into_iter().collect(),
        correct: found == truth,
        bytes,
        question: plain.text,
        records: plain.values.len(),
    })
}

fn plain(source: &Source) -> Result<Plain, SearchError> {
    let (name, threshold) = &source.question;
    let column = source.table.column(name).unwrap_or_default();
    let times = source.table.timestamps_ms();
    let first_day = times.first().map_or(0, |at| at / DAY);
    let day = |at: u64| u16::try_from((at / DAY).saturating_sub(first_day)).map_err(|_| SearchError::Value);
    let days = times.iter().map(|at| day(*at)).collect::<Result<Vec<_>, _>>()?;
    let (low, high) =
        column.iter().filter(|value| value.is_finite()).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    let exact = |scale: &u32| {
        let scaled = |value: &f64| value * f64::from(*scale);
        column.iter().filter(|v| v.is_finite()).all(|value| (scaled(value) - scaled(value).round()).abs() < 1e-6)
    };
    let fits = |scale: &&u32| (high - low) * f64::from(**scale) < 65_000.0;
    let coarse = SCALES.iter().rev().find(fits).copied().unwrap_or(1);
    let scale = SCALES.iter().find(|scale| exact(scale)).filter(fits).copied().unwrap_or(coarse);
    // One step below the smallest value stands for a missing reading: it is above no threshold.
    let fixed = FixedPoint::new(scale, (low * f64::from(scale)).floor() as i64 - 1)?;
    let number = |value: &f64| if value.is_finite() { fixed.encode(*value) } else { Ok(0) };
    let values = column.iter().map(number).collect::<Result<Vec<_>, _>>()?;
    let above = fixed.encode(threshold.clamp(low, high))?.saturating_add(1);
    let range = (day(source.wanted.start.max(first_day * DAY))?, day(source.wanted.end - 1).unwrap_or(u16::MAX));
    Ok(Plain {
        days,
        values,
        question: [
            Predicate::Between { low: range.0, high: range.1 },
            Predicate::Between { low: above, high: u16::MAX },
        ],
        text: format!("{name} above {threshold}"),
    })
}
