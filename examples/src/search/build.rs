//! The first start: indexing everything.

use std::time::{Duration, Instant};

use cpchain_crypto::{
    SystemEntropy,
    search::{keyword::Posting, plan::Engine, scan::BLOCK_RECORDS},
};
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    Options, Owner,
    host::Host,
    readings::{Readings, schema},
};
use crate::share::{During as _, ShareError};

/// Indexes all readings and hands the tables to the host, which is stopped again.
pub(super) async fn build(
    options: &Options,
    readings: &Readings,
    say: &mut impl FnMut(&str),
) -> Result<Owner, ShareError> {
    let (begun, state, schema) = (Instant::now(), options.folder(), schema()?);
    let mut owner = Owner::create(&state)?;
    let host = Host::start(&state, &owner).await?;
    let bar = ProgressBar::new(readings.len());
    let style = ProgressStyle::with_template("{spinner} {msg} {wide_bar:.cyan/blue} {human_pos}/{human_len} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar.set_message("indexing readings");
    let mut postings = Vec::new();
    let mut number = 0;
    let totals = schema.summarised().during("finding the table of counts and sums")?.clone();
    let mut days: Vec<Vec<(u16, u32)>> = Vec::new();
    while number < readings.len() {
        let mut columns = vec![Vec::with_capacity(BLOCK_RECORDS); schema.digits().len()];
        let end = readings.len().min(number + BLOCK_RECORDS as u64);
        for record in number..end {
            let reading = readings.get(record).during("reading a record")?;
            let indexed = schema.index(&reading.fields()).during("indexing a record")?;
            let cell = totals.cell(&reading.fields()).during("counting a record")?;
            days.resize_with(days.len().max(cell.interval + 1), Vec::new);
            days.get_mut(cell.interval).into_iter().for_each(|day| day.push((cell.number, cell.value)));
            columns.iter_mut().zip(indexed.columns).for_each(|(column, number)| column.push(number));
            postings.extend(indexed.terms.into_iter().map(|term| Posting { term, record }));
        }
        let columns: Vec<&[u16]> = columns.iter().map(Vec::as_slice).collect();
        let updates = tokio::task::block_in_place(|| owner.scan.append(&columns, &mut SystemEntropy));
        let updates = updates.during("encrypting the index")?;
        owner.save()?;
        for update in updates {
            host.update(Engine::Scan, &update).await?;
        }
        number = end;
        bar.set_position(number);
    }
    bar.set_message("adding up the days");
    let tallies: Result<Vec<_>, _> = days.into_iter().map(|day| owner.totals.bins().tally(day)).collect();
    let updates = owner.totals.append(&tallies.during("adding up a day")?, &mut SystemEntropy);
    let updates = updates.during("encrypting the index")?;
    owner.save()?;
    for update in updates {
        host.update(Engine::Aggregate, &update).await?;
    }
    bar.set_message("sealing words and devices");
    let count = postings.len();
    let update = tokio::task::block_in_place(|| owner.keyword.append(&postings, &mut SystemEntropy));
    let update = update.during("encrypting the index")?;
    owner.save()?;
    host.update(Engine::Keyword, &update).await?;
    owner.finish()?;
    host.stop().await;
    bar.finish_and_clear();
    let seconds = begun.elapsed().as_secs_f64();
    say(&format!(
        "indexed {} readings with {count} postings in {seconds:.1} s, in {}",
        readings.len(),
        state.display()
    ));
    Ok(owner)
}
