//! The catalogue lookup from the outside: exact, of constant length, and refusing what is false.
//!
//! `CATALOGUE_LOOKUPS=10000 cargo test --release -p cpchain-crypto --features search --test search_catalogue -- --ignored` runs the long ones.
#![cfg(feature = "search")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::{
    SeededEntropy,
    search::{
        Kernel, SearchClient, SearchError, SearchServer, Term,
        catalogue::{Catalogue, CatalogueClient, CataloguePublisher, CatalogueServer, KeyLimits, Layout, Wanted},
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

fn term(number: u64) -> Term {
    Term::new("station", &number.to_le_bytes())
}

#[test]
fn entries_by_keyword() {
    let mut world = World::new(Layout::Keyword, 20);
    let entries: Vec<_> = (0..3000).map(|number| (term(number), entry(number, 20))).collect();
    let borrowed: Vec<(Term, &[u8])> = entries.iter().map(|(term, entry)| (*term, entry.as_slice())).collect();
    let update = world.publisher.insert(&borrowed, 4000).unwrap();
    world.publish(update);
    for number in [0, 1234, 2999] {
        assert_eq!(world.ask(Wanted::Keyword(term(number))), Ok(Some(entry(number, 20))), "{number}");
    }
    assert_eq!(world.ask(Wanted::Keyword(term(3000))), Ok(None));
    // One comes, one changes, one goes.
    let update = world.publisher.insert(&[(term(3000), &[7; 20]), (term(1), &[8; 20])], 0).unwrap();
    world.publish(update);
    let update = world.publisher.remove(&[term(2), term(77_777)]).unwrap();
    world.publish(update);
    assert_eq!((world.publisher.listing().entries(), world.publisher.listing().version()), (3000, 3));
    assert_eq!(world.ask(Wanted::Keyword(term(3000))), Ok(Some(vec![7; 20])));
    assert_eq!(world.ask(Wanted::Keyword(term(1))), Ok(Some(vec![8; 20])));
    assert_eq!(world.ask(Wanted::Keyword(term(2))), Ok(None));
}

/// Pages are full before chance overfills one, and that is said.
#[test]
fn a_page_that_is_full_takes_nothing_more() {
    let mut publisher = CataloguePublisher::new(Catalogue::new(b"full", Layout::Keyword, 32).unwrap());
    publisher.insert(&[], 1).unwrap();
    let all: Vec<Term> = (0..48).map(term).collect();
    let entries: Vec<(Term, &[u8])> = all.iter().map(|term| (*term, [1; 32].as_slice())).collect();
    let before = publisher.listing();
    assert_eq!(publisher.insert(&entries, 0).unwrap_err(), SearchError::TooMany);
    assert_eq!(publisher.listing(), before);
    publisher.insert(&entries[..47], 0).unwrap();
    // What `room` makes is enough for as many, whatever their terms.
    for seed in 0..20 {
        let mut publisher = CataloguePublisher::new(Catalogue::new(&[seed], Layout::Keyword, 32).unwrap());
        let all: Vec<Term> = (0..20_000).map(term).collect();
        let entries: Vec<(Term, &[u8])> = all.iter().map(|term| (*term, [1; 32].as_slice())).collect();
        publisher.insert(&entries, 0).unwrap();
    }
}

#[test]
fn entries_of_every_length() {
    for length in [1, 3, 33, 1409, Catalogue::MAX_ENTRY] {
        let mut world = World::new(Layout::Position, length);
        let entries: Vec<_> = (0..70).map(|number| entry(number, length)).collect();
        world.append(&entries);
        for position in [0, 69] {
            assert_eq!(world.ask(Wanted::Position(position)), Ok(Some(entries[position as usize].clone())));
        }
    }
    assert!(Catalogue::new(b"", Layout::Position, Catalogue::MAX_ENTRY + 1).is_err());
    assert!(Catalogue::new(b"", Layout::Keyword, Catalogue::MAX_KEYED_ENTRY + 1).is_err());
    assert!(Catalogue::new(b"", Layout::Keyword, 0).is_err());
}

/// Appended in steps, replaced, and looked up: as a plain list. `CATALOGUE_LOOKUPS` says how many.
fn lookups(count: u64, entries: u64) {
    let mut world = World::new(Layout::Position, 32);
    let mut plain: Vec<Vec<u8>> = Vec::new();
    for step in 0..3 {
        let more: Vec<_> = (0..entries / 3).map(|number| entry(number ^ step << 40, 32)).collect();
        world.append(&more);
        plain.extend(more);
        let changed = (step * 7919 + 13) % plain.len() as u64;
        plain[changed as usize] = vec![step as u8; 32];
        let update = world.publisher.replace(&[(changed, &plain[changed as usize])]).unwrap();
        world.publish(update);
        assert_eq!(world.ask(Wanted::Position(changed)), Ok(Some(vec![step as u8; 32])));
    }
    for lookup in 0..count {
        let position = lookup.wrapping_mul(0x9e37_79b9_7f4a_7c15) % plain.len() as u64;
        assert_eq!(world.ask(Wanted::Position(position)), Ok(Some(plain[position as usize].clone())), "{position}");
    }
}

#[test]
fn random_lookups() {
    lookups(10, 2_000);
}

#[test]
#[ignore = "a minute: 10⁴ lookups, or as many as CATALOGUE_LOOKUPS says"]
fn many_random_lookups() {
    let count = std::env::var("CATALOGUE_LOOKUPS").ok().and_then(|text| text.parse().ok());
    lookups(count.unwrap_or(10_000), 90_000);
}

#[test]
fn versions_are_told_apart() {
    let mut world = World::new(Layout::Position, 8);
    assert_eq!(world.ask(Wanted::Position(0)), Err(SearchError::Value));
    world.append(&[entry(1, 8), entry(2, 8)]);
    let (query, pending) = world.client.query(&Wanted::Position(1), &mut world.entropy).unwrap();
    let old_answer = world.host.answer(&query).unwrap();
    let old_host = world.host.to_bytes();
    let old = world.client.listing();
    let update = world.publisher.replace(&[(1, &[9; 8])]).unwrap();
    // The host is behind, then ahead of the query.
    world.client.follow(world.publisher.listing()).unwrap();
    let (newer, newer_pending) = world.client.query(&Wanted::Position(1), &mut world.entropy).unwrap();
    assert_eq!(world.host.answer(&newer), Err(SearchError::Stale));
    world.host.apply(&update).unwrap();
    assert_eq!(world.host.answer(&query), Err(SearchError::Stale));
    // An answer of the old version is what was asked then, and refused now, also under the new version's name.
    assert_eq!(world.client.decode(pending, &old_answer), Ok(Some(entry(2, 8))));
    assert_eq!(world.client.decode(newer_pending, &old_answer), Err(SearchError::Stale));
    let (newer, pending) = world.client.query(&Wanted::Position(1), &mut world.entropy).unwrap();
    let mut forged = world.host.answer(&newer).unwrap();
    let keep = 2 + 36 + 32;
    forged[keep..].copy_from_slice(&old_answer[keep..]);
    assert_eq!(world.client.decode(pending, &forged), Err(SearchError::Tampered));
    // Applied again, nothing happens; one left out is seen.
    world.host.apply(&update).unwrap();
    world.publisher.append(&[&[1; 8]]).unwrap();
    let later = world.publisher.append(&[&[2; 8]]).unwrap();
    assert_eq!(world.host.apply(&later), Err(SearchError::NotNext { blocks: 2 }));
    // Listings do not go back, and there is one for each version.
    assert_eq!(world.client.follow(old), Err(SearchError::Stale));
    let mut other = CataloguePublisher::from_bytes(&old_host).unwrap();
    other.append(&[&[3; 8]]).unwrap();
    assert_eq!(world.client.follow(other.listing()), Err(SearchError::Tampered));
    let foreign = CataloguePublisher::new(Catalogue::new(b"foreign", Layout::Position, 8).unwrap());
    assert_eq!(world.client.follow(foreign.listing()), Err(SearchError::OtherTable));
}

/// An answer says nothing about another question, of the same reader or of another.
#[test]
fn a_replayed_answer_is_refused() {
    let mut world = World::new(Layout::Position, 32);
    world.append(&(0..100).map(|number| entry(number, 32)).collect::<Vec<_>>());
    let (first, first_pending) = world.client.query(&Wanted::Position(3), &mut world.entropy).unwrap();
    let answer = world.host.answer(&first).unwrap();
    assert_eq!(world.client.decode(first_pending, &answer), Ok(Some(entry(3, 32))));
    // Position 80 is on the second page.
    let (_, pending) = world.client.query(&Wanted::Position(80), &mut world.entropy).unwrap();
    assert_eq!(world.client.decode(pending, &answer), Err(SearchError::Tampered));
    let mut other = CatalogueClient::new(world.client.listing(), &mut world.entropy).unwrap();
    let (_, pending) = other.query(&Wanted::Position(3), &mut world.entropy).unwrap();
    assert_eq!(other.decode(pending, &answer), Err(SearchError::Tampered));
}

/// A host that lost pages cannot start, cannot catch up with half an update, and cannot answer for the version that readers know.
#[test]
fn a_truncated_table_is_refused() {
    let mut world = World::new(Layout::Position, 32);
    world.append(&(0..100).map(|number| entry(number, 32)).collect::<Vec<_>>());
    let before = world.host.to_bytes();
    let update = world.publisher.append(&[&entry(100, 32), &entry(101, 32)]).unwrap();
    let format = |what| Some(SearchError::Format { what });
    for cut in [1, 32, 2304, 2305] {
        let mut host = CatalogueServer::from_bytes(&before, 8, KeyLimits::default()).unwrap();
        assert_eq!(host.apply(&update[..update.len() - cut]).err(), format("update of a catalogue"), "{cut}");
        assert_eq!(host.to_bytes(), before);
        let stored = &before[..before.len() - cut];
        let started = CatalogueServer::from_bytes(stored, 8, KeyLimits::default());
        assert_eq!(started.err(), format("stored catalogue"), "{cut}");
    }
    world.client.follow(world.publisher.listing()).unwrap();
    let (query, _) = world.client.query(&Wanted::Position(101), &mut world.entropy).unwrap();
    assert_eq!(world.host.answer(&query), Err(SearchError::Stale));
    world.host.apply(&update).unwrap();
    assert_eq!(world.ask(Wanted::Position(101)), Ok(Some(entry(101, 32))));
}

#[test]
fn a_false_update_changes_nothing() {
    let mut world = World::new(Layout::Position, 8);
    world.append(&[entry(1, 8)]);
    let mut update = world.publisher.append(&[&entry(2, 8)]).unwrap();
    let last = update.len() - 2304 + 3;
    update[last] ^= 1;
    assert_eq!(world.host.apply(&update), Err(SearchError::Tampered));
    assert_eq!(world.host.listing(), world.client.listing());
    assert_eq!(world.ask(Wanted::Position(0)), Ok(Some(entry(1, 8))));
    update[last] ^= 1;
    world.publish(update);
    assert_eq!(world.ask(Wanted::Position(1)), Ok(Some(entry(2, 8))));
    // A stored state whose entries are not those of its listing is refused, too.
    let mut stored = world.host.to_bytes();
    stored[2 + 84 + 5] ^= 1;
    assert_eq!(CatalogueServer::from_bytes(&stored, 8, KeyLimits::default()).unwrap_err(), SearchError::Tampered);
    let mut small = CatalogueServer::new(world.client.listing().catalogue(), 0, KeyLimits::default());
    let publisher = CataloguePublisher::from_bytes(&world.host.to_bytes()).unwrap();
    assert_eq!(publisher.listing(), world.client.listing());
    let mut fresh = CataloguePublisher::new(world.client.listing().catalogue());
    assert_eq!(small.apply(&fresh.append(&[&[0; 8]]).unwrap()), Err(SearchError::Full { most: 0 }));
}

#[test]
fn a_host_that_lies_is_seen() {
    let mut world = World::new(Layout::Position, 32);
    world.append(&(0..200).map(|number| entry(number, 32)).collect::<Vec<_>>());
    let head = 2 + 36 + 32;
    for forgery in 0..5 {
        let (query, pending) = world.client.query(&Wanted::Position(150), &mut world.entropy).unwrap();
        let mut answer = world.host.answer(&query).unwrap();
        match forgery {
            // Nothing selected.
            0 => answer[head..head + 11_264].fill(0),
            // An upper bit of the mask: the error spreads over half of the coefficients.
            1 => answer[head + 1001] ^= 0x40,
            // A bit of one entry that nobody asked for.
            2 => answer[head + 6144 + 4] ^= 0x80,
            // The true answer to another query: another page.
            3 => {
                let (other, _) = world.client.query(&Wanted::Position(3), &mut world.entropy).unwrap();
                answer = world.host.answer(&other).unwrap();
            }
            // Another root.
            _ => *answer.last_mut().unwrap() ^= 1,
        }
        assert_eq!(world.client.decode(pending, &answer), Err(SearchError::Tampered), "forgery {forgery}");
        world.client.renew(&mut world.entropy).unwrap();
        world.host.register(world.client.evaluation_keys(), 0).unwrap();
    }
    assert_eq!(world.ask(Wanted::Position(150)), Ok(Some(entry(150, 32))));
}

#[test]
fn a_refused_answer_retires_the_secret() {
    let mut world = World::new(Layout::Position, 32);
    world.append(&[entry(0, 32)]);
    let (query, pending) = world.client.query(&Wanted::Position(0), &mut world.entropy).unwrap();
    let mut answer = world.host.answer(&query).unwrap();
    // What is seen without the secret costs nothing.
    answer.push(0);
    assert!(matches!(world.client.decode(pending, &answer), Err(SearchError::Format { .. })));
    let (query, pending) = world.client.query(&Wanted::Position(0), &mut world.entropy).unwrap();
    let mut answer = world.host.answer(&query).unwrap();
    answer[70 + 32] ^= 0x40;
    assert_eq!(world.client.decode(pending, &answer), Err(SearchError::Tampered));
    assert_eq!(world.ask(Wanted::Position(0)), Err(SearchError::Spent));
    world.client.renew(&mut world.entropy).unwrap();
    assert_eq!(world.ask(Wanted::Position(0)), Err(SearchError::UnknownKeys));
    world.host.register(world.client.evaluation_keys(), 0).unwrap();
    assert_eq!(world.ask(Wanted::Position(0)), Ok(Some(entry(0, 32))));
}

#[test]
fn lengths_do_not_depend_on_the_question() {
    let mut world = World::new(Layout::Keyword, 32);
    let update = world.publisher.insert(&[(term(1), &[1; 32])], 30_000).unwrap();
    world.publish(update);
    let listing = world.client.listing();
    for number in [1, 2, 3] {
        let (query, _) = world.client.query(&Wanted::Keyword(term(number)), &mut world.entropy).unwrap();
        assert_eq!(query.len(), listing.query_len());
        assert_eq!(world.host.answer(&query).unwrap().len(), listing.answer_len());
    }
    assert_eq!(world.client.query(&Wanted::Position(0), &mut world.entropy).unwrap_err(), SearchError::Shape);
}

#[test]
fn no_query_repeats() {
    let mut world = World::new(Layout::Position, 32);
    world.append(&[entry(0, 32)]);
    let mut ask = || world.client.query(&Wanted::Position(0), &mut world.entropy).unwrap().0;
    let (first, second) = (ask(), ask());
    // Behind catalogue, version and name of the keys nothing is alike but by chance, once in 256 bytes.
    let same = first.iter().zip(&second).skip(102).filter(|(a, b)| a == b).count();
    assert!(same < first.len() / 128, "{same}");
}

#[test]
fn keys_are_bounded() {
    let mut world = World::new(Layout::Position, 32);
    world.append(&[entry(0, 32)]);
    let catalogue = world.client.listing().catalogue();
    world.host =
        CatalogueServer::from_bytes(&world.host.to_bytes(), 8, KeyLimits { clients: 2, per_minute: 3 }).unwrap();
    assert_eq!(world.host.listing().catalogue(), catalogue);
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(CatalogueClient::new(world.client.listing(), &mut world.entropy).unwrap());
    }
    let register =
        |host: &mut CatalogueServer, client: usize, now| host.register(clients[client].evaluation_keys(), now);
    register(&mut world.host, 0, 1_000).unwrap();
    register(&mut world.host, 1, 1_000).unwrap();
    // Known keys are taken at any time, and are the newest then.
    register(&mut world.host, 0, 1_000).unwrap();
    register(&mut world.host, 2, 1_000).unwrap();
    assert_eq!(world.host.clients(), 2);
    assert_eq!(register(&mut world.host, 3, 59_000), Err(SearchError::TooOften));
    let mut answers = |host: &CatalogueServer, client: usize| {
        let (query, _) = clients[client].query(&Wanted::Position(0), &mut world.entropy).unwrap();
        host.answer(&query).map(|_| ())
    };
    assert_eq!(answers(&world.host, 0), Ok(()));
    assert_eq!(answers(&world.host, 1), Err(SearchError::UnknownKeys));
    assert_eq!(world.host.register(clients[3].evaluation_keys(), 61_000), Ok(()));
    assert_eq!(world.host.clients(), 2);
    assert_eq!(CatalogueClient::KEYS_LEN, clients[3].evaluation_keys().len());
}

#[test]
fn stored_states_answer_as_before() {
    let mut world = World::new(Layout::Position, 32);
    world.append(&(0..100).map(|number| entry(number, 32)).collect::<Vec<_>>());
    let (query, pending) = world.client.query(&Wanted::Position(99), &mut world.entropy).unwrap();
    let answer = world.host.answer(&query).unwrap();
    world.host = CatalogueServer::from_bytes(&world.host.to_bytes(), 8, KeyLimits::default()).unwrap();
    assert_eq!(world.host.answer(&query), Err(SearchError::UnknownKeys));
    world.host.register(world.client.evaluation_keys(), 0).unwrap();
    let again = world.host.answer(&query).unwrap();
    assert_eq!(answer.len(), again.len());
    assert_eq!(world.client.decode(pending, &again), Ok(Some(entry(99, 32))));
    world.publisher = CataloguePublisher::from_bytes(&world.publisher.to_bytes()).unwrap();
    world.append(&[entry(100, 32)]);
    assert_eq!(world.ask(Wanted::Position(100)), Ok(Some(entry(100, 32))));
}

/// Every kernel of this processor gives the same answer.
#[test]
fn kernels_agree_on_answers() {
    let mut world = World::new(Layout::Position, 32);
    world.append(&(0..100).map(|number| entry(number, 32)).collect::<Vec<_>>());
    for kernel in Kernel::available() {
        world.host =
            CatalogueServer::from_bytes(&world.host.to_bytes(), 8, KeyLimits::default()).unwrap().with_kernel(kernel);
        world.host.register(world.client.evaluation_keys(), 0).unwrap();
        assert_eq!(world.ask(Wanted::Position(42)), Ok(Some(entry(42, 32))), "{}", kernel.name());
    }
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
