//! Engine A: predicates of every kind in every shape, over tables of one to four fields, with a hint or without.

use cpchain_crypto::search::{
    Predicate, SearchClient, SearchError, SearchServer,
    scan::{ScanClient, ScanIndex, ScanServer, Shape},
};

use super::dice::{Dice, Memory};

/// Digits of the fields of a table.
pub fn fields(dice: &mut Dice) -> &'static [u8] {
    match dice.below(32) {
        // A digit costs the same in all of them, and a field of four takes milliseconds to plan.
        0 => dice.of(&[&[4], &[3], &[2, 1, 1], &[1, 1, 1, 1]]),
        1..=4 => dice.of(&[&[2], &[1, 1]]),
        _ => &[1],
    }
}

/// A column of a field of so many digits: many values alike.
pub fn column(dice: &mut Dice, digits: u8, records: usize) -> Vec<u16> {
    let top = u64::from(u16::MAX >> (16 - 4 * u32::from(digits)));
    let usual: Vec<u64> = (0..8).map(|_| dice.below(top + 1)).collect();
    let mut value = || if dice.below(2) == 0 { dice.of(&usual) } else { dice.below(top + 1) };
    (0..records).map(|_| value() as u16).collect()
}

fn predicate(dice: &mut Dice, digits: u8, column: &[u16]) -> Predicate {
    let top = u64::from(u16::MAX >> (16 - 4 * u32::from(digits)));
    let mut value = || match dice.below(3) {
        0 if !column.is_empty() => dice.of(column),
        _ => dice.below(top + 1) as u16,
    };
    let (a, b) = (value(), value());
    let several: Vec<u16> = (0..7).map(|_| value()).collect();
    let (low, high) = (a.min(b), a.max(b));
    let asked = match dice.below(7) {
        0 => Predicate::Any,
        1 => Predicate::Equal(a),
        2 => Predicate::Between { low, high },
        3 => Predicate::Between { low, high: low.saturating_add(dice.below(40) as u16) },
        4 => Predicate::Prefix { value: a, free: dice.below(17) as u8 },
        5 => Predicate::OneOf(several[..dice.below(8) as usize].to_vec()),
        _ => Predicate::Between { low: high, high: low },
    };
    if dice.below(4) == 0 { Predicate::Not(Box::new(asked)) } else { asked }
}

/// A predicate for each field.
pub fn question(dice: &mut Dice, fields: &[u8], columns: &[Vec<u16>]) -> Vec<Predicate> {
    fields.iter().zip(columns).map(|(digits, column)| predicate(dice, *digits, column)).collect()
}

/// The records that match, by the meaning of predicates.
pub fn plain(question: &[Predicate], columns: &[Vec<u16>]) -> Vec<u64> {
    let matches = |record: usize| question.iter().zip(columns).all(|(asked, column)| asked.matches(column[record]));
    (0..columns[0].len()).filter(|record| matches(*record)).map(|record| record as u64).collect()
}

/// Half of all tables are asked in the shape that costs least.
pub fn shape(dice: &mut Dice) -> Shape {
    dice.of(&[Shape::Products, Shape::Products, Shape::Ranges, Shape::Classes])
}

pub fn ask(dice: &mut Dice, queries: usize) {
    let (fields, shape, hint) = (fields(dice), shape(dice), dice.below(2) == 0);
    let key = dice.key();
    let index = if hint { ScanIndex::with_hint(key, fields) } else { ScanIndex::new(key, fields) };
    let mut index = index.unwrap().in_shape(shape);
    let mut host = ScanServer::new(index.table(), 4);
    let mut columns = vec![Vec::new(); fields.len()];
    // Two blocks now and then.
    for _ in 0..dice.of(&[1, 1, 1, 1, 1, 1, 1, 2]) {
        let records = dice.size(64, 4096);
        let more: Vec<Vec<u16>> = fields.iter().map(|digits| column(dice, *digits, records)).collect();
        let slices: Vec<&[u16]> = more.iter().map(Vec::as_slice).collect();
        for update in index.append(&slices, dice.entropy()).unwrap() {
            host.apply(&update).unwrap();
        }
        columns.iter_mut().zip(more).for_each(|(column, more)| column.extend(more));
    }
    let mut client = ScanClient::new(index, dice.key(), Memory::counter());
    let mut asked = 0;
    while asked < queries {
        let question = question(dice, fields, &columns);
        let (query, pending) = match client.query(&question, dice.entropy()) {
            // More than the shape can ask: nothing was sent.
            Err(SearchError::Predicate) => continue,
            other => other.unwrap(),
        };
        let found = client.decode(pending, &host.answer(&query).unwrap()).unwrap();
        assert_eq!(found, plain(&question, &columns), "{question:?} in {shape:?}");
        asked += 1;
    }
}
