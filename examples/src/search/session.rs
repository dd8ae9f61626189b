//! Asking: explain, send, combine, compare.

use std::time::{Duration, Instant};

use cpchain_crypto::{
    SystemEntropy,
    counter::FileCounter,
    search::{
        language::Schema,
        plan::{Engine, Indexes, Options as PlanOptions, Padding, Plan, Rates, RunError, Searcher},
    },
};

use super::{
    Options, Owner,
    host::Host,
    readings::{Readings, schema},
};
use crate::share::{During as _, ShareError};

/// Bytes that pass loopback in a second, for estimates.
const LOOPBACK: f64 = 1e9;

/// What a query found.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Numbers of the records, ascending.
    pub records: Vec<u64>,
    /// Queries that were sent.
    pub queries: usize,
    /// Bytes of queries and answers.
    pub bytes: usize,
    /// From the question to the result.
    pub seconds: f64,
    /// Equal to the plaintext's; none if it was not compared.
    pub verified: Option<bool>,
}

/// The records of a plan, and how long each query took.
type Answered = (Vec<u64>, Vec<(Engine, Duration)>);

/// An owner who asks its host.
pub(super) struct Session<'a> {
    options: &'a Options,
    schema: Schema,
    readings: Readings,
    indexes: Indexes<FileCounter>,
    host: Host,
    plan: PlanOptions,
}

impl<'a> Session<'a> {
    /// Starts the host, and measures how fast it is with queries of nothing.
    pub(super) async fn start(
        options: &'a Options,
        owner: Owner,
        readings: Readings,
        say: &mut impl FnMut(&str),
    ) -> Result<Self, ShareError> {
        let begun = Instant::now();
        let host = Host::start(&options.folder(), &owner).await?;
        let indexes = owner.into_indexes()?;
        let padding = match options.exactly.as_slice() {
            [keyword, scan] => Padding::Exactly(PlanShape { keyword: *keyword, scan: *scan, ..PlanShape::default() }),
            _ => Padding::Rounded,
        };
        let rates = Rates { line_bytes: LOOPBACK, ..Rates::default() };
        let plan = PlanOptions { pages: options.pages, padding, rates };
        let mut session = Self { options, schema: schema()?, readings, indexes, host, plan };
        if session.indexes.tables().records() != Some(session.readings.len()) {
            let state = options.folder();
            let message = format!("--state {}: another number of records was indexed there", state.display());
            return Err(ShareError::Input(message));
        }
        session.measure().await?;
        let (records, seconds) = (session.readings.len(), begun.elapsed().as_secs_f64());
        say(&format!("{records} readings, host ready in {seconds:.1} s"));
        Ok(session)
    }

    /// One query of nothing to each engine.
    async fn measure(&mut self) -> Result<(), ShareError> {
        let options = PlanOptions {
            padding: Padding::Exactly(PlanShape { keyword: 1, scan: 1, ..PlanShape::default() }),
            ..self.plan
        };
        let nothing = self.schema.parse("status:none").during("measuring the host")?;
        let plan = Plan::new(&nothing, &self.schema, &self.indexes.tables(), &options).during("measuring the host")?;
        let explain = plan.explain().clone();
        let (_, times) = self.carry_out(plan).await?.during("measuring the host")?;
        for (engine, time) in times {
            let cost = if engine == Engine::Keyword { explain.keyword } else { explain.scan };
            let slower = time.as_secs_f64() * 1e9 / cost.map_or(1.0, |cost| cost.host_nanos).max(1.0);
            let rates = &mut self.plan.rates;
            match engine {
                Engine::Keyword => rates.keyword_bytes /= slower,
                _ => {
                    (rates.scan_nanos, rates.scan_query_nanos) =
                        (rates.scan_nanos * slower, rates.scan_query_nanos * slower)
                }
            }
        }
        Ok(())
    }

    /// Answers one query; none if it was not sent.
    pub(super) async fn ask(&mut self, text: &str, say: &mut impl FnMut(&str)) -> Result<Option<Outcome>, ShareError> {
        let begun = Instant::now();
        say(&format!("\n> {text}"));
        let expression = match self.schema.parse(text) {
            Ok(expression) => expression,
            Err(error) => {
                say(&error.show(text));
                return Ok(None);
            }
        };
        let plan = match Plan::new(&expression, &self.schema, &self.indexes.tables(), &self.plan) {
            Ok(plan) => plan,
            Err(error) => {
                say(&error.to_string());
                return Ok(None);
            }
        };
        say(&plan.explain().to_string());
        if self.options.explain {
            return Ok(None);
        }
        let (queries, bytes) = (plan.shape().keyword + plan.shape().scan, plan.explain().up() + plan.explain().down());
        let (records, times) = match self.carry_out(plan).await? {
            Ok(found) => found,
            Err(error @ RunError::MorePages { .. }) => {
                say(&format!("{error} (--pages)"));
                return Ok(None);
            }
            Err(error) => return Err(ShareError::while_doing("asking the host")(error)),
        };
        let seconds = begun.elapsed().as_secs_f64();
        let host: Duration = times.iter().map(|(_, time)| *time).sum();
        say(&format!(
            "{} records in {:.0} ms, {:.0} ms of them for the host and the way there",
            records.len(),
            seconds * 1e3,
            host.as_secs_f64() * 1e3
        ));
        for number in records.iter().take(self.options.show) {
            let reading = self.readings.get(*number).during("reading a record")?;
            say(&format!("  {number:9}  {reading}"));
        }
        let verified = if self.options.verify {
            let mut wanted = Vec::new();
            for number in 0..self.readings.len() {
                let reading = self.readings.get(number).during("reading a record")?;
                if self.schema.matches(&expression, &reading.fields()).during("comparing")? {
                    wanted.push(number);
                }
            }
            say(if wanted == records { "  equal to the plaintext's answer" } else { "  NOT the plaintext's answer" });
            Some(wanted == records)
        } else {
            None
        };
        Ok(Some(Outcome { records, queries, bytes, seconds, verified }))
    }

    /// Sends all queries of a plan, one after another.
    async fn carry_out(&mut self, plan: Plan) -> Result<Result<Answered, RunError>, ShareError> {
        let (mut searcher, mut times) = (Searcher::new(plan), Vec::new());
        loop {
            let next = tokio::task::block_in_place(|| searcher.next(&mut self.indexes, &mut SystemEntropy));
            let Some(request) = next.during("making a query")? else { break };
            let sent = Instant::now();
            let answer = self.host.query(request.engine, &request.query).await?;
            times.push((request.engine, sent.elapsed()));
            let taken = tokio::task::block_in_place(|| searcher.take(&self.indexes, request.number, &answer));
            taken.during("reading an answer")?;
        }
        Ok(searcher.finish().map(|records| (records, times)))
    }

    pub(super) async fn stop(self) {
        self.host.stop().await;
    }
}
