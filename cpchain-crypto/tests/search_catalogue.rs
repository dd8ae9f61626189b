//! The catalogue lookup from the outside: exact, of constant length, and refusing what is false.
//!
//! `CATALOGUE_LOOKUPS=10000 cargo test --release -p cpchain-crypto --features tfhe --test search_catalogue -- --ignored` runs the long ones.
#![cfg(feature = "tfhe")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::{
    SeededEntropy,
    search::{
        SearchClient, SearchError, SearchServer, Term,
        catalogue::{
            Catalogue, CatalogueClient, CataloguePublisher, CatalogueServer, KeyLimits, Kernel, Layout, Listing, Wanted,
        },
    },
};

/// Publisher, host and reader of one catalogue.
struct World {
    publisher: CataloguePublisher,
    host: CatalogueServer,
    client: CatalogueClient,
    entropy: SeededEntropy,
}

impl World {
    fn new(layout: Layout, entry_len: usize) -> Self {
        let mut entropy = SeededEntropy::new(&[5; 32]);
        let publisher = CataloguePublisher::new(Catalogue::new(b"test", layout, entry_len).unwrap());
        let mut host = CatalogueServer::new(publisher.listing().catalogue(), 8, KeyLimits::default());
        let client = CatalogueClient::new(publisher.listing(), &mut entropy).unwrap();
        host.register(client.evaluation_keys(), 0).unwrap();
        Self { publisher, host, client, entropy }
    }

    fn publish(&mut self, update: Vec<u8>) {
        self.host.apply(&update).unwrap();
        self.client.follow(self.publisher.listing()).unwrap();
    }

    fn append(&mut self, entries: &[Vec<u8>]) {
        let entries: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
        let update = self.publisher.append(&entries).unwrap();
        self.publish(update);
    }

    fn ask(&mut self, wanted: Wanted) -> Result<Option<Vec<u8>>, SearchError> {
        let (query, pending) = self.client.query(&wanted, &mut self.entropy)?;
        self.client.decode(pending, &self.host.answer(&query)?)
    }
}

fn entry(number: u64, length: usize) -> Vec<u8> {
    let bytes = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    bytes.iter().cycle().take(length).enumerate().map(|(at, byte)| byte ^ (at / 8) as u8).collect()
}

#[test]
fn entries_by_position() {
    let mut world = World::new(Layout::Position, 32);
    // Two blocks, the second one not full.
    let entries: Vec<_> = (0..30_000).map(|number| entry(number, 32)).collect();
    world.append(&entries);
    for position in [0, 87, 88, 5_631, 5_632, 22_527, 22_528, 29_999] {
        assert_eq!(world.ask(Wanted::Position(position)), Ok(Some(entries[position as usize].clone())), "{position}");
    }
    assert_eq!(world.ask(Wanted::Position(30_000)), Err(SearchError::Value));
}
