//! The catalogue: built, opened, searched, and kept level with a log.

use std::{path::Path, time::Instant};

use cpchain_market::{
    Amount, Cursor, Height, ListingLog as _, MemoryLog,
    catalog::{Catalog as _, Entry, Query, TantivyCatalog},
    sync::Follower,
};

use super::{AnyError, disk, listings::Market};
use crate::{
    measure::{Clock, Effort, ProcessClock, Sample},
    report::Figure,
};

/// Listings that are handed to the catalogue at once, as a synchroniser does.
const BATCH: usize = 10_000;

pub(super) fn catalogue(effort: Effort, progress: &impl Fn(&'static str)) -> Result<Vec<Figure>, AnyError> {
    let (listings, synced) = match effort {
        Effort::Full => (1_000_000, 100_000),
        Effort::Quick => (20_000, 5_000),
    };
    let mut figures = sync(synced, effort, progress)?;
    let dir = tempfile::tempdir()?;
    let mut market = Market::new(1);
    let params = format!("listings={listings}");
    let goals = effort == Effort::Full;

    progress("market::catalogue, filling");
    let before = disk::anonymous_memory();
    let mut catalog = TantivyCatalog::open(dir.path())?;
    let (mut spent, mut written) = (0.0, 0);
    while written < listings {
        let mut batch = Vec::with_capacity(BATCH);
        for _ in 0..BATCH.min(listings - written) {
            let at = Cursor { height: Height(1), index: (written + batch.len()) as u32 };
            batch.push(Entry { operation: market.publish()?, at });
        }
        written += batch.len();
        let next = Cursor { height: Height(1), index: written as u32 };
        let clock = ProcessClock::now();
        catalog.apply(&batch, next)?;
        spent += clock.elapsed_nanos();
    }
    figures.push(Figure::count("market::fill", format!("{params} of=all"), "ns", spent));
    drop(catalog);

    progress("market::catalogue, the index from its rows");
    disk::remove(&dir.path().join("index"))?;
    let clock = ProcessClock::now();
    let catalog = TantivyCatalog::open(dir.path())?;
    let build = Figure::count("market::build", format!("{params} of=index"), "ns", clock.elapsed_nanos());
    figures.push(if goals { build.at_most(60e9) } else { build });
    drop(catalog);

    progress("market::catalogue, opening");
    let (clock, wall) = (ProcessClock::now(), Instant::now());
    let catalog = TantivyCatalog::open(dir.path())?;
    figures.push(Figure::count("market::open", format!("{params} of=processor"), "ns", clock.elapsed_nanos()));
    figures.push(Figure::count("market::open", format!("{params} of=wall"), "ns", wall.elapsed().as_nanos() as f64));

    figures.extend(sizes(dir.path(), listings, goals, before)?);
    progress("market::catalogue, searching");
    figures.extend(queries(&catalog, &mut market, &params, effort)?);
    Ok(figures)
}

fn sizes(path: &Path, listings: usize, goals: bool, before: Option<f64>) -> Result<Vec<Figure>, AnyError> {
    let each =
        |name: &str| -> Result<f64, AnyError> { Ok(disk::bytes_below(&path.join(name))? as f64 / listings as f64) };
    let params = format!("listings={listings}");
    let index = Figure::count("market::bytes", format!("{params} of=index"), "bytes", each("index")?);
    let mut figures = vec![
        if goals { index.at_most(400.0) } else { index },
        Figure::count("market::bytes", format!("{params} of=rows"), "bytes", each("rows")?),
    ];
    if let (Some(before), Some(now)) = (before, disk::anonymous_memory()) {
        figures.push(Figure::count("market::bytes", format!("{params} of=memory"), "bytes", (now - before).max(0.0)));
    }
    Ok(figures)
}

/// Each query once, so that none finds its own pages warm; the clock is that of the searching thread.
fn queries(
    catalog: &TantivyCatalog,
    market: &mut Market,
    params: &str,
    effort: Effort,
) -> Result<Vec<Figure>, AnyError> {
    let runs = if effort == Effort::Full { 1_000 } else { 50 };
    let mut figures = Vec::new();
    let mut run = |name: &str, make: &mut dyn FnMut(&mut Market) -> Query| -> Result<Sample, AnyError> {
        let mut times = Vec::with_capacity(runs);
        for _ in 0..runs {
            let query = make(market);
            let clock = Clock::now();
            std::hint::black_box(catalog.search(&query)?);
            times.push(clock.elapsed_nanos());
        }
        let sample = Sample::from(times);
        figures.push(Figure::nanoseconds("market::query", format!("{params} terms={name}"), &sample));
        Ok(sample)
    };
    run("1", &mut |market| Query::new(market.word()))?;
    run("8", &mut |market| Query::new(market.words(8)))?;
    run("2+price", &mut |market| {
        Query::new(market.words(2)).price(Amount(0)..=Amount(u128::from(u64::MAX) * 500_000))
    })?;
    run("2+category+period", &mut |market| {
        Query::new(market.words(2)).category("category 7").period_ms(3_600_000..=3_600_000)
    })?;
    run("typo", &mut |market| Query::new(format!("{}x", market.word())))?;
    let three = run("3", &mut |market| Query::new(market.words(3)))?;
    if effort == Effort::Full {
        let of = |q: &str, value| Figure::count("market::query", format!("{params} terms=3 of={q}"), "ns", value);
        figures.push(of("p50", three.quantile(0.5)).at_most(5e6));
        figures.push(of("p99", three.quantile(0.99)).at_most(20e6));
    }
    Ok(figures)
}

/// An empty market follows a log, signatures and all.
fn sync(listings: usize, effort: Effort, progress: &impl Fn(&'static str)) -> Result<Vec<Figure>, AnyError> {
    progress("market::sync, signing listings");
    let (log, mut market) = (MemoryLog::default(), Market::new(2));
    for written in 0..listings {
        log.append(&market.publish()?)?;
        if written % 1_000 == 999 {
            log.seal_block();
        }
    }
    log.seal_block();
    progress("market::sync, following");
    let dir = tempfile::tempdir()?;
    let mut catalog = TantivyCatalog::open(dir.path())?;
    let (clock, wall) = (ProcessClock::now(), Instant::now());
    Follower::default().catch_up(&log, &mut catalog)?;
    let (spent, wall) = (clock.elapsed_nanos(), wall.elapsed().as_secs_f64());
    let params = format!("listings={listings}");
    let rate = Figure::count("market::sync", format!("{params} of=processor"), "/s", listings as f64 / spent * 1e9);
    Ok(vec![
        if effort == Effort::Full { rate.not_below(10_000.0) } else { rate },
        Figure::count("market::sync", format!("{params} of=wall"), "/s", listings as f64 / wall),
    ])
}
