//! The walk through a node's records.

use std::{collections::HashMap, ops::Bound, time::Duration};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};
use futures::future::join_all;

use super::{
    SweepReport,
    region::{end, keepers},
};
use crate::network::{
    dht::DhtError,
    driver::Command,
    meter,
    node::{NodeHandle, WeakNode},
    records::Point,
    wire::{Answer, Ask, GiveRecords, MAX_GIVE, MAX_GIVE_BYTES, MAX_OFFER, OfferRecords},
};

/// A piece of a node's records in the order of the key space.
pub(crate) struct Page {
    /// Points, versions, and whether a neighbour has just spread them.
    pub(crate) records: Vec<(Point, u64, bool)>,
    /// The key of the first that is due.
    pub(crate) first_due: Option<(Point, Digest)>,
}

/// What is noted when a region is done.
pub(crate) struct Settled {
    /// They were passed over, and are due next time.
    pub(crate) passed_over: Vec<Point>,
    /// Others keep them.
    pub(crate) let_go: Vec<Point>,
}

/// Sweeps again and again until the node ends, at times that drift apart from those of its neighbours.
pub(crate) async fn run(node: WeakNode, interval: Duration) {
    let mut round = 0u64;
    loop {
        let id = node.id();
        let hash = Digest::content(&[id.0.as_slice(), &round.to_le_bytes()].concat());
        let share = f64::from(hash.0.first().copied().unwrap_or(0)) / 255.0;
        tokio::time::sleep(interval.mul_f64(0.75 + share / 2.0)).await;
        round += 1;
        let mut sweep = Sweep::default();
        loop {
            // Held only for one region: a node ends with the last of its owner's handles.
            let Some(handle) = node.upgrade() else { return };
            match sweep.region(&handle).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(DhtError::Stopped) => return,
                Err(why) => {
                    tracing::debug!(%why, "a sweep was broken off");
                    break;
                }
            }
        }
        tracing::debug!(report = ?sweep.report, "swept");
    }
}

/// A walk under way.
pub(crate) struct Sweep {
    from: Bound<Point>,
    pub(crate) report: SweepReport,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { from: Bound::Unbounded, report: SweepReport::default() }
    }
}

impl Sweep {
    /// Does the next region; `false` when there was none left.
    pub(crate) async fn region(&mut self, node: &NodeHandle) -> Result<bool, DhtError> {
        let from = self.from;
        let page = node.query(|reply| Command::Page(from, reply)).await?;
        let Some((last, ..)) = page.records.last().copied() else { return Ok(false) };
        let mut last_of_region = last;
        let mut let_go = Vec::new();
        let mut records = page.records;
        if let Some((first, key)) = page.first_due {
            let found = match node.query(|reply| Command::Closest(key, reply)).await {
                Ok(found) => found,
                // Nobody is there to keep anything.
                Err(DhtError::NoNodes) => return Ok(false),
                Err(why) => return Err(why),
            };
            self.report.lookups += 1;
            let points: Vec<_> = found.iter().filter_map(Point::of_node).collect();
            if points.len() != found.len() {
                return Err(DhtError::NoNodes);
            }
            let end = end(first, &points, node.replication());
            records.retain(|(point, ..)| *point <= end);
            last_of_region = records.last().map_or(last, |(point, ..)| *point);
            let due: Vec<_> =
                records.iter().filter(|(.., spread)| !spread).map(|(point, tag, _)| (*point, *tag)).collect();
            let_go = self.spread(node, &found, points, &due).await;
        }
        let passed_over: Vec<_> = records.iter().filter(|(.., spread)| *spread).map(|(point, ..)| *point).collect();
        self.report.records += (records.len() - passed_over.len()) as u64;
        self.report.passed_over += passed_over.len() as u64;
        self.report.let_go += let_go.len() as u64;
        meter::count("cpchain_storage_swept_records_total", (records.len() - passed_over.len()) as u64);
        node.query(|reply| Command::Settle(Settled { passed_over, let_go }, reply)).await?;
        self.from = Bound::Excluded(last_of_region);
        Ok(true)
    }

    /// Brings records to their keepers. Returns those that this node need not keep.
    async fn spread(
        &mut self,
        node: &NodeHandle,
        found: &[PublicKey],
        mut points: Vec<Point>,
        due: &[(Point, u64)],
    ) -> Vec<Point> {
        // This node is one more.
        let me = points.len();
        points.extend(Point::of_node(&node.id()));
        let mut lists: HashMap<usize, Vec<(Point, u64)>> = HashMap::new();
        let mut foreign = Vec::new();
        for (point, tag) in due {
            let keepers = keepers(*point, &points, node.replication());
            if !keepers.contains(&me) {
                foreign.push((*point, keepers.len()));
            }
            for keeper in keepers.into_iter().filter(|keeper| *keeper != me) {
                lists.entry(keeper).or_default().push((*point, *tag));
            }
        }
        let peers = lists.into_iter().filter_map(|(keeper, list)| Some((*found.get(keeper)?, list)));
        let done = join_all(peers.map(|(peer, list)| bring(node, peer, list))).await;
        let mut has: HashMap<Point, usize> = HashMap::new();
        for (report, kept) in done {
            self.report.requests += report.requests;
            self.report.bytes += report.bytes;
            self.report.copies += report.copies;
            meter::count("cpchain_storage_swept_copies_total", report.copies);
            for point in kept {
                *has.entry(point).or_default() += 1;
            }
        }
        foreign.retain(|(point, keepers)| has.get(point) == Some(keepers));
        foreign.into_iter().map(|(point, _)| point).collect()
    }
}

/// Offers records to one node and gives it what it wants. Returns what it has in the end.
async fn bring(node: &NodeHandle, peer: PublicKey, list: Vec<(Point, u64)>) -> (SweepReport, Vec<Point>) {
    let (mut report, mut has) = (SweepReport::default(), Vec::new());
    for part in list.chunks(MAX_OFFER) {
        let Some(wanted) = offer(node, peer, part, &mut report).await else { break };
        let (want, have): (Vec<_>, Vec<_>) = part.iter().zip(wanted).partition(|(_, wanted)| *wanted);
        has.extend(have.iter().map(|((point, _), _)| *point));
        let points = want.iter().map(|((point, _), _)| *point).collect();
        let Ok(records) = node.query(|reply| Command::Read(points, reply)).await else { break };
        let mut batch: Vec<(Point, Bytes)> = Vec::new();
        let mut bytes = 0;
        for (point, record) in records {
            if batch.len() >= MAX_GIVE || bytes + record.len() > MAX_GIVE_BYTES {
                give(node, peer, std::mem::take(&mut batch), &mut report, &mut has).await;
                bytes = 0;
            }
            bytes += record.len();
            batch.push((point, record));
        }
        give(node, peer, batch, &mut report, &mut has).await;
    }
    (report, has)
}

async fn offer(
    node: &NodeHandle,
    peer: PublicKey,
    part: &[(Point, u64)],
    report: &mut SweepReport,
) -> Option<Vec<bool>> {
    let items = OfferRecords::items(part);
    report.requests += 1;
    report.bytes += items.len() as u64;
    match node.request(peer, Ask::Offer(OfferRecords { items })).await {
        Ok(Answer::Offer(reply)) if reply.wanted.len() == part.len() => Some(reply.wanted),
        Ok(_) => None,
        Err(why) => {
            tracing::debug!(%peer, %why, "an offer of records was not answered");
            None
        }
    }
}

async fn give(
    node: &NodeHandle,
    peer: PublicKey,
    batch: Vec<(Point, Bytes)>,
    report: &mut SweepReport,
    has: &mut Vec<Point>,
) {
    if batch.is_empty() {
        return;
    }
    report.requests += 1;
    report.bytes += batch.iter().map(|(_, record)| record.len() as u64).sum::<u64>();
    let records = batch.iter().map(|(_, record)| record.clone()).collect();
    if let Ok(Answer::Give(reply)) = node.request(peer, Ask::Give(GiveRecords { records })).await {
        let taken = batch.iter().zip(reply.taken).filter(|(_, taken)| *taken);
        let taken: Vec<_> = taken.map(|((point, _), _)| *point).collect();
        report.copies += taken.len() as u64;
        has.extend(taken);
    }
}
