//! What a plan costs and shows, before anything is sent.

use alloc::{format, string::String, vec::Vec};
use core::fmt;

use super::{Engine, EngineCost, Padding, Rates, Tables};

/// A condition, and who answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The condition as it is written.
    pub condition: String,
    /// Who answers; none if no record can meet it.
    pub engine: Option<Engine>,
    /// Why.
    pub why: &'static str,
}

/// What a plan costs and shows. Prints as a text for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// Each condition, in the order of the expression.
    pub leaves: Vec<Leaf>,
    /// What each engine is asked; those that are asked nothing are left out.
    pub costs: Vec<EngineCost>,
    /// How the numbers of queries were rounded.
    pub padding: Padding,
    /// With what the times were estimated.
    pub rates: Rates,
    /// What each engine's host sees, as a line.
    shows: Vec<String>,
}

impl Explain {
    pub(super) fn new(
        tables: &Tables,
        leaves: Vec<Leaf>,
        costs: Vec<EngineCost>,
        padding: Padding,
        rates: Rates,
    ) -> Self {
        let shows = costs.iter().filter_map(|cost| shows(tables, cost)).collect();
        Self { leaves, costs, padding, rates, shows }
    }

    /// What this engine is asked.
    pub fn cost(&self, engine: Engine) -> Option<&EngineCost> {
        self.costs.iter().find(|cost| cost.engine == engine)
    }

    /// Bytes of all queries.
    pub fn up(&self) -> usize {
        self.costs.iter().map(EngineCost::up).sum()
    }

    /// Bytes of all answers.
    pub fn down(&self) -> usize {
        self.costs.iter().map(EngineCost::down).sum()
    }

    /// Seconds that hosts and line take, one after the other, as the rates say.
    pub fn seconds(&self) -> f64 {
        self.costs.iter().map(|cost| cost.seconds(&self.rates)).sum()
    }
}

/// What the host of an engine sees.
fn shows(tables: &Tables, cost: &EngineCost) -> Option<String> {
    let (name, queries) = (cost.engine.name(), cost.queries);
    Some(match cost.engine {
        Engine::Keyword => {
            let table = tables.keyword?;
            let (segments, table_len) = (table.segments, table.table_len.div_ceil(1024));
            format!("{name} queries: {queries}; segments: {segments}, of {table_len} KiB together")
        }
        Engine::Scan | Engine::Shared => {
            let shared = cost.engine == Engine::Shared;
            let table = if shared { tables.shared.as_ref()? } else { tables.scan.as_ref()? };
            let (blocks, records) = (table.blocks, table.block_records);
            let digits: usize = table.digits.iter().map(|digits| usize::from(*digits)).sum();
            let writers = if shared { "; which writer added which block" } else { "" };
            format!("{name} queries: {queries}; blocks: {blocks}, of {records} records; digits: {digits}{writers}")
        }
        Engine::Catalogue => {
            let table = tables.catalogue?;
            let (version, pages) = (table.version, table.pages);
            format!(
                "{name} queries: {queries}; version: {version}, of {pages} pages, which anyone can read; that they come from one reader"
            )
        }
        Engine::Aggregate => {
            let table = tables.aggregate.as_ref()?;
            let (bins, intervals) = (table.edges.len(), table.intervals);
            format!("{name} queries: {queries}; bins: {bins}; intervals: {intervals}")
        }
    })
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "asks")?;
        for leaf in &self.leaves {
            let engine = leaf.engine.map_or("nobody", Engine::name);
            writeln!(f, "  {engine:8}{}  ({})", leaf.condition, leaf.why)?;
        }
        writeln!(f, "costs")?;
        for cost in &self.costs {
            let (query, answer) = (cost.query_len.div_ceil(1024), cost.answer_len.div_ceil(1024));
            let (name, queries, host) = (cost.engine.name(), cost.queries, cost.host_nanos / 1e6);
            writeln!(f, "  {name:8}{queries} × (query {query} KiB, answer {answer} KiB, host {host:.1} ms)")?;
        }
        let (up, down) = (self.up().div_ceil(1024), self.down().div_ceil(1024));
        writeln!(f, "  in all  {up} KiB up, {down} KiB down, about {:.2} s", self.seconds())?;
        writeln!(f, "shows to the hosts")?;
        self.shows.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        let needed: usize = self.costs.iter().map(|cost| cost.needed).sum();
        let queries: usize = self.costs.iter().map(|cost| cost.queries).sum();
        writeln!(
            f,
            "  not shown: fields, values, matches, how they are combined; that {needed} of {queries} queries ask for something"
        )
    }
}
