//! What reputation is made of, counted as blocks become final: each block adds what happened in it and takes out what left the
//! window, so nothing is walked over.
//!
//! | key in the module's space | value |
//! | --- | --- |
//! | `p`, height | proposer and 1 if it was impeached, as long as a window needs it |
//! | `x`, height, part | accounts (32) and how many transactions each sent (4), at most [`PART`] of them |
//! | `m`, account | its final blocks in the window |
//! | `k`, account | its impeached heights in the window |
//! | `a`, account | its transactions in the window |
//!
//! Counts are 8 bytes; all numbers are big-endian.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    super::{
        amount::Amount,
        module::{Context, ModuleError},
        transaction::AccountId,
    },
    elections::number,
    report::Report,
};
use crate::dpor::reputation::{ACTIVITY_WINDOW, IMPEACHMENT_WINDOW, Record};

const BLOCKS: u8 = b'm';
const IMPEACHED: u8 = b'k';
const SENT: u8 = b'a';
/// Accounts in one entry: 144 KiB.
const PART: usize = 4096;
const ROW: usize = 36;

fn counter(of: u8, account: &[u8]) -> Vec<u8> {
    [&[of], account].concat()
}

fn turn(height: u64) -> Vec<u8> {
    [b"p".as_slice(), &height.to_be_bytes()].concat()
}

fn sent(height: u64) -> Vec<u8> {
    [b"x".as_slice(), &height.to_be_bytes()].concat()
}

/// Changes a count; at zero it is gone.
fn change(context: &mut Context<'_>, key: &[u8], by: impl Fn(u64) -> u64) -> Result<(), ModuleError> {
    match by(context.get(key).as_deref().and_then(number).unwrap_or(0)) {
        0 => {
            context.remove(key);
            Ok(())
        }
        count => context.put(key, count.to_be_bytes()),
    }
}

/// At the end of a block.
pub(super) fn count(context: &mut Context<'_>) -> Result<(), ModuleError> {
    let height = context.height().0;
    let (proposer, impeached) = (context.proposer(), context.is_impeached());
    let counted = if impeached { IMPEACHED } else { BLOCKS };
    change(context, &counter(counted, &proposer.0), |count| count.saturating_add(1))?;
    context.put(&turn(height), [proposer.0.as_slice(), &[u8::from(impeached)]].concat())?;
    count_senders(context, height)?;

    if let Some(old) = height.checked_sub(ACTIVITY_WINDOW) {
        forget_turn(context, old, false)?;
        forget_senders(context, old)?;
    }
    if let Some(old) = height.checked_sub(IMPEACHMENT_WINDOW) {
        forget_turn(context, old, true)?;
    }
    Ok(())
}

fn forget_turn(context: &mut Context<'_>, height: u64, impeached: bool) -> Result<(), ModuleError> {
    let key = turn(height);
    let Some(value) = context.get(&key) else { return Ok(()) };
    let Some((proposer, [flag])) = value.split_first_chunk::<32>() else { return Ok(()) };
    if *flag != u8::from(impeached) {
        return Ok(());
    }
    context.remove(&key);
    let counted = if impeached { IMPEACHED } else { BLOCKS };
    change(context, &counter(counted, proposer), |count| count.saturating_sub(1))
}

fn count_senders(context: &mut Context<'_>, height: u64) -> Result<(), ModuleError> {
    let mut counts: BTreeMap<AccountId, u32> = BTreeMap::new();
    for sender in context.senders() {
        let count = counts.entry(*sender).or_default();
        *count = count.saturating_add(1);
    }
    let rows: Vec<_> = counts.into_iter().collect();
    for (part, rows) in (0u8..).zip(rows.chunks(PART)) {
        let value: Vec<u8> =
            rows.iter().flat_map(|(account, count)| account.0.into_iter().chain(count.to_be_bytes())).collect();
        context.put(&[sent(height).as_slice(), &[part]].concat(), value)?;
    }
    for (account, count) in rows {
        change(context, &counter(SENT, &account.0), |sum| sum.saturating_add(count.into()))?;
    }
    Ok(())
}

fn forget_senders(context: &mut Context<'_>, height: u64) -> Result<(), ModuleError> {
    for (key, value) in context.scan(&sent(height), None, usize::MAX) {
        for row in value.as_chunks::<ROW>().0 {
            let Some((account, count)) = row.split_first_chunk::<32>() else { continue };
            let count = <[u8; 4]>::try_from(count).map_or(0, u32::from_be_bytes);
            change(context, &counter(SENT, account), |sum| sum.saturating_sub(count.into()))?;
        }
        context.remove(&key);
    }
    Ok(())
}

/// Impeached heights of an account in the window.
pub(in crate::ledger) fn impeached(get: impl Fn(&str, &[u8]) -> Option<Bytes>, account: &AccountId) -> u64 {
    get(super::Campaigns::KIND, &counter(IMPEACHED, &account.0)).as_deref().and_then(number).unwrap_or(0)
}

/// What is known of an account. `get` reads a module's key, `balance` is what the account can spend.
pub(super) fn record(
    get: impl Fn(&str, &[u8]) -> Option<Bytes>,
    reporters: &[String],
    account: &AccountId,
    balance: Amount,
) -> Record {
    let count = |of| get(super::Campaigns::KIND, &counter(of, &account.0)).as_deref().and_then(number).unwrap_or(0);
    let mut record = Record {
        balance: balance.0,
        transactions: count(SENT),
        blocks: count(BLOCKS),
        impeached: count(IMPEACHED),
        ..Record::default()
    };
    for kind in reporters {
        let Some(report) = get(kind, &Report::key(account)).and_then(|value| Report::from_value(&value)) else {
            continue;
        };
        record.is_proxy |= report.is_proxy;
        record.trades = record.trades.saturating_add(report.trades);
        record.vouchers = record.vouchers.saturating_add(report.vouchers);
        record.sales = record.sales.saturating_add(report.sales);
    }
    record
}
