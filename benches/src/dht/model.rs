//! What a network of a million nodes would cost, on paper: from costs measured in the largest network of the run.
//!
//! A node of a network of N nodes with D records each, of which R keep each record, sweeps once an hour. Of R keepers one sweeps
//! a record each hour and offers it to the R - 1 others. The records of a node lie in a part of the key space that two or three
//! lookups show, whatever N is; a lookup asks about 3 + log2(N / 20) nodes one after the other, three at a time.

use cpchain_storage::network::{NetworkConfig, SweepReport};

use crate::Figure;

/// Nodes that a lookup asks in a network of so many.
pub(super) fn messages(nodes: f64) -> f64 {
    // The closest twenty all have to answer; before them, each step comes one bit closer, at three nodes a step.
    20.0f64.min(nodes) + 3.0 * (nodes / 20.0).max(1.0).log2()
}

/// Costs of the largest network measured so far.
#[derive(Default)]
pub(super) struct Costs {
    nodes: f64,
    /// Processor seconds of a lookup, of all who take part.
    lookup: f64,
    /// Processor seconds of a record in an offer, of both sides.
    offered: f64,
    lookups_per_node: f64,
}

impl Costs {
    pub(super) fn add(&mut self, nodes: usize, lookup: f64, cpu: f64, report: &SweepReport, records: usize) {
        let nodes = nodes as f64;
        let keepers = (NetworkConfig::default().replication as f64).min(nodes);
        let offers = records as f64 * (keepers - 1.0).max(1.0);
        *self = Self {
            nodes,
            lookup,
            offered: ((cpu - lookup * report.lookups as f64) / offers).max(0.0),
            lookups_per_node: report.lookups as f64 / nodes,
        };
    }

    /// A million nodes with a thousand, and with a million records each.
    pub(super) fn paper(&self) -> Vec<Figure> {
        let (nodes, keepers) = (1e6, NetworkConfig::default().replication as f64);
        let lookup = self.lookup * messages(nodes) / messages(self.nodes);
        let lookups = self.lookups_per_node.max(3.0);
        let figures = [1e3, 1e6].map(|each| {
            // Of a node's records it sweeps one in `keepers` each hour.
            let offers = each / keepers * (keepers - 1.0);
            let day = super::SWEEPS_PER_DAY * (offers * self.offered + lookups * lookup);
            let bytes = super::SWEEPS_PER_DAY * (offers * 24.0 + lookups * messages(nodes) * 2048.0);
            let requests =
                super::SWEEPS_PER_DAY * ((offers / 1024.0).max(lookups * (keepers - 1.0)) + lookups * messages(nodes));
            let objects = each / keepers / super::RECORDS_PER_OBJECT;
            let params = format!("nodes=1000000 records_per_node={each} keepers={keepers}");
            [
                Figure::count("dht::paper_node_day", params.clone(), "cpu-s/node", day),
                Figure::count("dht::paper_node_bytes", params.clone(), "MB/node", bytes / 1e6),
                Figure::count("dht::paper_node_messages", params.clone(), "messages/node", requests),
                Figure::count("dht::paper_object_day", params, "cpu-ms/object", day / objects * 1e3),
            ]
        });
        figures.into_iter().flatten().collect()
    }
}
