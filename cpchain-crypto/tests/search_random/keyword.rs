//! Engine K: pages of terms, from one to three segments, merged or not, from one host or from shards.

use std::collections::{BTreeMap, BTreeSet};

use cpchain_crypto::search::{
    SearchClient, SearchServer, Term,
    keyword::{KeywordClient, KeywordIndex, KeywordServer, Lookup, Page, ParameterSet, Posting, Shard, add_answers},
};

use super::dice::{Dice, Memory};

/// Bytes that a host takes.
const MAX: u64 = 1 << 26;

/// The records of each term in one segment.
type Plain = BTreeMap<u64, BTreeSet<u64>>;

fn term(number: u64) -> Term {
    Term::new("random", &number.to_le_bytes())
}

/// A segment of 64 to 4,096 postings: most terms are rare, some have several pages.
fn segment(dice: &mut Dice, terms: u64) -> Plain {
    let mut plain = Plain::new();
    for _ in 0..dice.size(64, 4096) {
        let popular = dice.below(4) == 0;
        let number = dice.below(if popular { terms.min(12) } else { terms });
        plain.entry(number).or_default().insert(dice.below(1 << 20));
    }
    plain
}

/// What a page has, by the records of each segment.
fn page(segments: &[Plain], number: u64, page: usize) -> Page {
    let (mut records, mut more) = (BTreeSet::new(), false);
    for of_term in segments.iter().filter_map(|segment| segment.get(&number)) {
        records.extend(of_term.iter().skip(page * Lookup::PAGE).take(Lookup::PAGE));
        more |= of_term.len() > (page + 1) * Lookup::PAGE;
    }
    Page { records: records.into_iter().collect(), more }
}

pub fn ask(dice: &mut Dice, queries: usize) {
    let fetches = dice.of(&[1, 1, 1, 1, 1, 1, 1, 2, 2, 8]);
    let terms = dice.size(16, 4096) as u64;
    let mut index = KeywordIndex::new(dice.key(), ParameterSet::Bucket1K, fetches).unwrap();
    let count = dice.of(&[1, 1, 1, 1, 2, 3]);
    let mut segments: Vec<Plain> = (0..count).map(|_| segment(dice, terms)).collect();
    let mut updates = Vec::new();
    for plain in &segments {
        let postings = plain.iter().flat_map(|(number, records)| {
            records.iter().map(|record| Posting { term: term(*number), record: *record })
        });
        let postings: Vec<Posting> = postings.collect();
        updates.push(index.append(&postings, dice.entropy()).unwrap());
    }
    if count > 1 && dice.below(2) == 0 {
        let merged: Vec<&[u8]> = updates.iter().map(Vec::as_slice).collect();
        let update = index.compact(&merged, dice.entropy()).unwrap();
        updates.push(update);
        let mut plain = Plain::new();
        for (number, records) in segments.drain(..).flatten() {
            plain.entry(number).or_default().extend(records);
        }
        segments.push(plain);
    }
    let shards = dice.of(&[1, 1, 1, 2, 3]);
    let hosts: Vec<KeywordServer> = (0..shards)
        .map(|number| {
            let mut host = KeywordServer::new(index.table(), Shard::new(number, shards).unwrap(), MAX);
            updates.iter().for_each(|update| host.apply(update).unwrap());
            host
        })
        .collect();
    let mut client = KeywordClient::new(index, dice.key(), Memory::counter());
    for _ in 0..queries {
        // Also of terms that there are not, and of pages behind the last one.
        let asked: Vec<(u64, u32)> = (0..=dice.below(fetches as u64))
            .map(|_| {
                let end = dice.of(&[12, terms, 2 * terms]);
                (dice.below(end), dice.of(&[0, 0, 0, 1, 2, 7]))
            })
            .collect();
        let lookups: Vec<Lookup> =
            asked.iter().map(|(number, page)| Lookup { term: term(*number), page: *page }).collect();
        let (query, pending) = client.query(&lookups, dice.entropy()).unwrap();
        let answers: Vec<Vec<u8>> = hosts.iter().map(|host| host.answer(&query).unwrap()).collect();
        let answers: Vec<&[u8]> = answers.iter().map(Vec::as_slice).collect();
        let found = client.decode(pending, &add_answers(&answers).unwrap()).unwrap();
        let wanted: Vec<Page> = asked.iter().map(|(number, at)| page(&segments, *number, *at as usize)).collect();
        assert_eq!(found, wanted, "{asked:?}");
    }
}
