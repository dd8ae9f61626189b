//! Searching: natural language, typos, filters; and a catalogue that is damaged on disk.

#![cfg(feature = "catalog")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::Path;

use cpchain_crypto::{PublicKey, Signer};
use cpchain_market::{
    Amount, ListingLog, MemoryLog,
    catalog::{Catalog, CatalogError, Query, TantivyCatalog},
    listing::{Action, Listing, ListingId, Operation, SignedOperation, Unit},
    sync::Follower,
};
use support::{key, listing};

const HOUR: u64 = 3_600_000;

fn offer(
    seller: u8,
    title: &str,
    description: &str,
    tags: &[&str],
    category: &str,
    price: u128,
    period: u64,
) -> SignedOperation {
    let content = Listing {
        title: title.into(),
        description: description.into(),
        tags: tags.iter().map(|tag| (*tag).into()).collect(),
        category: category.into(),
        price: Amount(price),
        period_ms: period,
        ..listing()
    };
    Operation { seller: key(seller).public_key(), sequence: 0, action: Action::Publish(content) }
        .sign(&key(seller))
        .unwrap()
}

/// Three hundred listings of cities and quantities, and a few that the tests look for.
fn market() -> Vec<SignedOperation> {
    let cities = ["Portland", "Boston", "Chicago", "Denver", "Miami", "Austin", "Lyon", "Kyoto", "Seattle", "Oslo"];
    let things = ["traffic counts", "air quality", "noise levels", "parking occupancy", "river gauges", "solar output"];
    let rates = [("Hourly", HOUR), ("Daily", 24 * HOUR), ("Monthly", 30 * 24 * HOUR)];
    let mut all = Vec::new();
    for (i, city) in (0u128..).zip(cities) {
        for (j, thing) in (0u128..).zip(things) {
            for (rate, period) in rates {
                let title = format!("{rate} {thing} in {city}");
                let text = format!("Sensor data on {thing}, measured across {city} and its suburbs.");
                all.push(offer(50, &title, &text, &["city", "sensors"], "urban", 1000 * i + j, period));
            }
        }
    }
    all.push(offer(
        51,
        "Seattle weather 2010",
        "Temperature and wind speed at the airport, every hour of the year.",
        &["weather", "noaa"],
        "climate",
        1 << 80,
        HOUR,
    ));
    all.push(offer(
        51,
        "Portland weather 2010",
        "Temperature and wind speed at the airport, every hour of the year.",
        &["weather"],
        "climate",
        20,
        HOUR,
    ));
    all.push(offer(52, "Wind farm output", "Power of turbines in the North Sea.", &["energy"], "Energy", 30, 600_000));
    all.push(offer(52, "Températures à Zürich", "Messwerte seit 1864", &[], "climate", 5, 24 * HOUR));
    all.push(offer(52, "西雅图天气数据", "每小时气温和风速", &[], "climate", 6, HOUR));
    all
}

fn filled(dir: &Path) -> (MemoryLog, TantivyCatalog) {
    let log = MemoryLog::default();
    market().iter().for_each(|operation| log.append(operation).unwrap());
    log.seal_block();
    let mut catalog = TantivyCatalog::open(dir).unwrap();
    Follower::default().catch_up(&log, &mut catalog).unwrap();
    (log, catalog)
}

fn titles(catalog: &TantivyCatalog, query: &Query) -> Vec<String> {
    let title = |id: ListingId| catalog.get(id).unwrap().unwrap().operation.content().unwrap().title.clone();
    catalog.search(query).unwrap().into_iter().map(|hit| title(hit.id)).collect()
}

fn first(catalog: &TantivyCatalog, text: &str) -> String {
    titles(catalog, &Query::new(text)).into_iter().next().unwrap_or_default()
}

#[test]
fn questions_in_natural_language_find_the_right_listing() {
    let dir = tempfile::tempdir().unwrap();
    let (_, catalog) = filled(dir.path());
    assert_eq!(first(&catalog, "hourly temperature and wind in Seattle"), "Seattle weather 2010");
    assert_eq!(first(&catalog, "I am looking for the weather of Portland, please"), "Portland weather 2010");
    assert_eq!(first(&catalog, "turbine power"), "Wind farm output");
    assert_eq!(first(&catalog, "parking in Kyoto by month"), "Monthly parking occupancy in Kyoto");
    assert_eq!(first(&catalog, "noaa"), "Seattle weather 2010");
    assert_eq!(first(&catalog, "temperature zurich"), "Températures à Zürich");
    assert_eq!(first(&catalog, "西雅图 气温"), "西雅图天气数据");
    let seller = cpchain_crypto::Did::from(key(51).public_key()).to_string();
    assert_eq!(titles(&catalog, &Query::new(seller)).len(), 10);
}

#[test]
fn typos_are_forgiven() {
    let dir = tempfile::tempdir().unwrap();
    let (_, catalog) = filled(dir.path());
    assert_eq!(first(&catalog, "hourly temperatrue and wind in Seatle"), "Seattle weather 2010");
    assert_eq!(first(&catalog, "turbnes"), "Wind farm output");
    assert_eq!(titles(&catalog, &Query::new("xylophone")), [""; 0]);
}

#[test]
fn filters_hold_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let (_, catalog) = filled(dir.path());
    let all = market();
    let count = |keep: &dyn Fn(&Listing, PublicKey) -> bool| {
        all.iter().filter(|op| keep(op.content().unwrap(), op.operation().seller)).count()
    };
    let found = |query: Query| titles(&catalog, &query.limit(1000)).len();
    assert_eq!(found(Query::new("")), all.len());
    let range = Amount(2000)..=Amount(5003);
    assert_eq!(found(Query::new("").price(range.clone())), count(&|l, _| range.contains(&l.price)));
    // Prices are compared as 128-bit numbers.
    let dear = Amount(1 << 79)..=Amount(1 << 81);
    assert_eq!(titles(&catalog, &Query::new("").price(dear)), ["Seattle weather 2010"]);
    assert_eq!(found(Query::new("").category("eNERGY")), 1);
    assert_eq!(found(Query::new("").seller(key(51).public_key())), count(&|_, s| s == key(51).public_key()));
    assert_eq!(found(Query::new("").period_ms(HOUR..=HOUR)), count(&|l, _| l.period_ms == HOUR));
    assert_eq!(found(Query::new("").unit(Unit::File)), 0);
    assert_eq!(found(Query::new("").unit(Unit::Interval)), all.len());
    let both = Query::new("weather").category("climate").price(Amount(0)..=Amount(100));
    assert_eq!(titles(&catalog, &both), ["Portland weather 2010"]);
    #[allow(clippy::reversed_empty_ranges)]
    let none = Amount(5)..=Amount(4);
    assert_eq!(found(Query::new("").price(none)), 0);
}

#[test]
fn queries_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = TantivyCatalog::open(dir.path()).unwrap();
    for query in [Query::new("x".repeat(2000)), Query::new("x").limit(0), Query::new("x").limit(100_000)] {
        assert!(matches!(catalog.search(&query), Err(CatalogError::Query)));
    }
    for text in ["\"(AND OR NOT) title:[x TO y] *~2^3", "   ", "\u{0}\u{ffff}", "?"] {
        assert!(catalog.search(&Query::new(text)).unwrap().is_empty());
    }
}

#[test]
fn updates_replace_and_withdrawals_remove() {
    let dir = tempfile::tempdir().unwrap();
    let (log, mut catalog) = filled(dir.path());
    let old = market().into_iter().find(|op| op.content().unwrap().title == "Wind farm output").unwrap();
    let content = Listing { title: "Tidal plant output".into(), ..old.content().unwrap().clone() };
    let (listing, seller) = (old.listing_id(), old.operation().seller);
    let update = Operation { seller, sequence: 1, action: Action::Update { listing, content } }.sign(&key(52)).unwrap();
    log.append(&update).unwrap();
    log.seal_block();
    Follower::default().catch_up(&log, &mut catalog).unwrap();
    assert_eq!(titles(&catalog, &Query::new("tidal farm")), ["Tidal plant output"]);
    let gone = Operation { seller, sequence: 2, action: Action::Withdraw { listing } }.sign(&key(52)).unwrap();
    log.append(&gone).unwrap();
    log.seal_block();
    Follower::default().catch_up(&log, &mut catalog).unwrap();
    assert_eq!(titles(&catalog, &Query::new("tidal")), [""; 0]);
    assert!(catalog.get(listing).unwrap().unwrap().operation.content().is_none());
}

#[test]
fn a_lost_index_is_built_again_from_the_rows() {
    let dir = tempfile::tempdir().unwrap();
    let (_, catalog) = filled(dir.path());
    let (digest, cursor) = (catalog.digest().unwrap(), catalog.cursor().unwrap());
    drop(catalog);
    for damage in ["remove", "garbage"] {
        if damage == "remove" {
            std::fs::remove_dir_all(dir.path().join("index")).unwrap();
        } else {
            std::fs::write(dir.path().join("index/meta.json"), b"{").unwrap();
        }
        let catalog = TantivyCatalog::open(dir.path()).unwrap();
        assert_eq!((catalog.digest().unwrap(), catalog.cursor().unwrap()), (digest, cursor), "{damage}");
        assert_eq!(first(&catalog, "hourly temperature and wind in Seattle"), "Seattle weather 2010", "{damage}");
    }
}

#[test]
fn damaged_rows_are_read_again_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (log, catalog) = filled(dir.path());
    let digest = catalog.digest().unwrap();
    drop(catalog);
    let rows = dir.path().join("rows");
    let db = std::fs::read(rows.join("db")).unwrap();
    std::fs::write(rows.join("db"), vec![0xA5; db.len()]).unwrap();
    let mut catalog = TantivyCatalog::open(dir.path()).unwrap();
    assert_eq!(titles(&catalog, &Query::new("weather")), [""; 0], "nothing is shown that was not read again");
    Follower::default().catch_up(&log, &mut catalog).unwrap();
    assert_eq!(catalog.digest().unwrap(), digest);
    assert_eq!(first(&catalog, "hourly temperature and wind in Seattle"), "Seattle weather 2010");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What a killed process leaves behind: the files as they are, and between the two commits rows that the index lacks.
#[test]
fn files_left_by_a_killed_process_open_as_they_were_committed() {
    let (dir, killed, torn) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (log, mut catalog) = filled(dir.path());
    copy(&dir.path().join("index"), &torn.path().join("index"));
    let new = offer(53, "Glacier length", "Surveyed each autumn", &[], "climate", 1, 0);
    log.append(&new).unwrap();
    log.seal_block();
    Follower::default().catch_up(&log, &mut catalog).unwrap();
    let state = (catalog.digest().unwrap(), catalog.cursor().unwrap());
    copy(dir.path(), killed.path());
    copy(&dir.path().join("rows"), &torn.path().join("rows"));
    for left in [killed, torn] {
        let opened = TantivyCatalog::open(left.path()).unwrap();
        assert_eq!((opened.digest().unwrap(), opened.cursor().unwrap()), state);
        assert_eq!(titles(&opened, &Query::new("glaciers")), ["Glacier length"]);
    }
}

#[test]
fn one_process_has_it_open() {
    let dir = tempfile::tempdir().unwrap();
    let first = TantivyCatalog::open(dir.path()).unwrap();
    assert!(matches!(TantivyCatalog::open(dir.path()), Err(CatalogError::Io(_))));
    drop(first);
    TantivyCatalog::open(dir.path()).unwrap();
}
