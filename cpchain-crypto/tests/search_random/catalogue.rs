//! Engine B: entries by position and by keyword, those that there are not among them, after appending and replacing.

use std::collections::BTreeMap;

use cpchain_crypto::search::{
    SearchClient, SearchServer, Term,
    catalogue::{Catalogue, CatalogueClient, CataloguePublisher, CatalogueServer, KeyLimits, Layout, Wanted},
};

use super::dice::Dice;

fn term(number: u64) -> Term {
    Term::new("random", &number.to_le_bytes())
}

fn entry(dice: &mut Dice, length: usize) -> Vec<u8> {
    let bytes: [u8; 64] = dice.bytes();
    bytes.iter().copied().cycle().take(length).collect()
}

pub fn ask(dice: &mut Dice, queries: usize) {
    let layout = dice.of(&[Layout::Position, Layout::Keyword]);
    let length = dice.size(1, 128);
    let mut publisher = CataloguePublisher::new(Catalogue::new(&dice.bytes::<8>(), layout, length).unwrap());
    let mut host = CatalogueServer::new(publisher.listing().catalogue(), 8, KeyLimits::default());
    let entries = dice.size(64, 4096) as u64;
    let mut plain: BTreeMap<u64, Vec<u8>> = (0..entries).map(|number| (number, entry(dice, length))).collect();
    let changed: BTreeMap<u64, Vec<u8>> = (0..5).map(|_| (dice.below(entries), entry(dice, length))).collect();
    let publish = |publisher: &mut CataloguePublisher, entries: &BTreeMap<u64, Vec<u8>>, first: bool| match layout {
        Layout::Keyword => {
            let entries: Vec<_> = entries.iter().map(|(number, entry)| (term(*number), entry.as_slice())).collect();
            publisher.insert(&entries, 0).unwrap()
        }
        _ if first => publisher.append(&entries.values().map(Vec::as_slice).collect::<Vec<_>>()).unwrap(),
        _ => {
            let entries: Vec<_> = entries.iter().map(|(number, entry)| (*number, entry.as_slice())).collect();
            publisher.replace(&entries).unwrap()
        }
    };
    for (first, entries) in [(true, &plain), (false, &changed)] {
        host.apply(&publish(&mut publisher, entries, first)).unwrap();
    }
    plain.extend(changed);
    let mut client = CatalogueClient::new(publisher.listing(), dice.entropy()).unwrap();
    host.register(client.evaluation_keys(), 0).unwrap();
    for _ in 0..queries {
        let (wanted, number) = match layout {
            Layout::Keyword => {
                let number = dice.below(entries + entries / 4);
                (Wanted::Keyword(term(number)), number)
            }
            _ => {
                let number = dice.below(entries);
                (Wanted::Position(number), number)
            }
        };
        let (query, pending) = client.query(&wanted, dice.entropy()).unwrap();
        let found = client.decode(pending, &host.answer(&query).unwrap()).unwrap();
        assert_eq!(found.as_ref(), plain.get(&number), "{number} of {entries}");
    }
}
