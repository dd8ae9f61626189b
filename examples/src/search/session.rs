//! Asking: explain, send, combine, compare.

use std::time::{Duration, Instant};

use cpchain_crypto::{
    SystemEntropy,
    counter::FileCounter,
    search::{
        language::{Expression, Figure, FigureKind, Question, Schema},
        plan::{
            Engine, Found, Indexes, Interval, Options as PlanOptions, Padding, Plan, Rates, RunError, Searcher,
            Shape as PlanShape,
        },
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
    /// Figures, if these were asked for.
    pub figures: Vec<Interval>,
    /// Queries that were sent.
    pub queries: usize,
    /// Bytes of queries and answers.
    pub bytes: usize,
    /// From the question to the result.
    pub seconds: f64,
    /// Equal to the plaintext's; none if it was not compared.
    pub verified: Option<bool>,
}

/// What a plan found, and how long each query took.
type Answered = (Found, Vec<(Engine, Duration)>);

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
            let cost = explain.cost(engine);
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
        let question = match self.schema.ask(text) {
            Ok(question) => question,
            Err(error) => {
                say(&error.show(text));
                return Ok(None);
            }
        };
        let plan = match Plan::ask(&question, &self.schema, &self.indexes.tables(), &self.plan) {
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
        let (queries, bytes) = (plan.shape().total(), plan.explain().up() + plan.explain().down());
        let (found, times) = match self.carry_out(plan).await? {
            Ok(found) => found,
            Err(error @ RunError::MorePages { .. }) => {
                say(&format!("{error} (--pages)"));
                return Ok(None);
            }
            Err(error) => return Err(ShareError::while_doing("asking the host")(error)),
        };
        let seconds = begun.elapsed().as_secs_f64();
        let host: Duration = times.iter().map(|(_, time)| *time).sum();
        let (records, figures) = match found {
            Found::Records(records) => (records, Vec::new()),
            Found::Totals(figures) => (Vec::new(), figures),
            Found::Count(count) => (Vec::new(), vec![Interval { from_ms: 0, to_ms: 0, count, steps: 0, per_unit: 1 }]),
            _ => (Vec::new(), Vec::new()),
        };
        let what = if matches!(question, Question::Records(_)) {
            (records.len(), "records")
        } else {
            (figures.len(), "figures")
        };
        say(&format!(
            "{} {} in {:.0} ms, {:.0} ms of them for the host and the way there",
            what.0,
            what.1,
            seconds * 1e3,
            host.as_secs_f64() * 1e3
        ));
        for number in records.iter().take(self.options.show) {
            let reading = self.readings.get(*number).during("reading a record")?;
            say(&format!("  {number:9}  {reading}"));
        }
        if let Question::Figure(figure) = &question {
            figures.iter().take(self.options.show).for_each(|interval| say(&shown(figure, interval)));
        }
        let verified = if self.options.verify {
            let right = match &question {
                Question::Records(expression) => self.matching(Some(expression))? == records,
                Question::Figure(figure) => self.right(figure, &figures)?,
            };
            say(if right { "  equal to the plaintext's answer" } else { "  NOT the plaintext's answer" });
            Some(right)
        } else {
            None
        };
        Ok(Some(Outcome { records, figures, queries, bytes, seconds, verified }))
    }

    /// The records that match in plaintext.
    fn matching(&self, expression: Option<&Expression>) -> Result<Vec<u64>, ShareError> {
        let mut wanted = Vec::new();
        for number in 0..self.readings.len() {
            let reading = self.readings.get(number).during("reading a record")?;
            let matches = match expression {
                Some(expression) => self.schema.matches(expression, &reading.fields()).during("comparing")?,
                None => true,
            };
            wanted.extend(matches.then_some(number));
        }
        Ok(wanted)
    }

    /// Do the figures have all that matches in plaintext, each in its interval?
    fn right(&self, figure: &Figure, figures: &[Interval]) -> Result<bool, ShareError> {
        let mut left: Vec<(u64, i128)> = figures.iter().map(|interval| (interval.count, interval.steps)).collect();
        let timeless = figures.iter().all(|interval| interval.from_ms == interval.to_ms);
        for number in self.matching(figure.of.as_ref())? {
            let (at, value) = self.readings.get(number).during("reading a record")?.measured();
            let of = figures.iter().position(|interval| timeless || (interval.from_ms..interval.to_ms).contains(&at));
            let Some((count, steps)) = of.and_then(|of| left.get_mut(of)) else { return Ok(false) };
            let Some(fewer) = count.checked_sub(1) else { return Ok(false) };
            (*count, *steps) = (fewer, *steps - (value * 10.0).round() as i128);
        }
        Ok(left.iter().all(|(count, steps)| *count == 0 && (timeless || *steps == 0)))
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
        Ok(searcher.finish().map(|found| (found, times)))
    }

    pub(super) async fn stop(self) {
        self.host.stop().await;
    }
}

/// A figure as a line.
fn shown(figure: &Figure, interval: &Interval) -> String {
    let value = match &figure.kind {
        FigureKind::Count => interval.count.to_string(),
        FigureKind::Sum(_) => format!("{:.1}", interval.sum()),
        FigureKind::Mean(_) => interval.mean().map_or_else(|| "-".to_owned(), |mean| format!("{mean:.2}")),
    };
    if interval.from_ms == interval.to_ms {
        return format!("  {value}");
    }
    let from = jiff::Timestamp::from_millisecond(interval.from_ms).unwrap_or_default();
    format!("  from {from}  {value}  of {} records", interval.count)
}
