//! The description of the API and what is served are the same: every route, and every field of every answer, both ways.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;

use cpchain_crypto::{Digest, SigningKey};
use cpchain_examples::adapters::chain::EscrowModule;
use cpchain_market::{
    Amount,
    escrow::{Command, Terms},
    listing::Action,
};
use cpchain_market_server::api::OPENAPI;
use serde_json::{Value, json};
use support::{World, listing, sign};

const CPC: u128 = 1_000_000_000_000_000_000;

/// A validator of one schema of the document.
fn schema(document: &Value, schema: &Value) -> jsonschema::Validator {
    let mut root = schema.clone();
    root["components"] = document["components"].clone();
    jsonschema::validator_for(&root).unwrap()
}

/// The schema of an answer.
fn answer<'a>(document: &'a Value, path: &str, method: &str, status: &str) -> &'a Value {
    &document["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]
}

fn check(document: &Value, of: &Value, found: &Value, what: &str) {
    let validator = schema(document, of);
    let wrong: Vec<_> =
        validator.iter_errors(found).map(|error| format!("{} at {}", error, error.instance_path())).collect();
    assert!(wrong.is_empty(), "{what}: {wrong:?}\n{found}");
}

#[test]
fn every_object_is_closed_and_every_field_is_told() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        // A field that is served and not described, or described and not served, fails the check of an answer.
        assert_eq!(schema["additionalProperties"], false, "{name}");
        let fields: BTreeSet<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        let required = schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        assert_eq!(required.collect::<BTreeSet<_>>(), fields, "{name}");
        assert!(schema["properties"].as_object().unwrap().values().all(|field| {
            field.get("description").is_some() || field.get("items").is_some() || field.to_string().contains("$ref")
        }));
    }
}

#[test]
fn every_route_of_the_source_is_described_and_the_other_way_round() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let described = document["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone()))
    });
    let source = include_str!("../src/api/mod.rs");
    let routed = source.lines().filter_map(|line| {
        let (path, rest) = line.trim().strip_prefix(".route(\"")?.split_once("\", ")?;
        Some((path.to_owned(), rest.split('(').next().unwrap().to_owned()))
    });
    assert_eq!(routed.collect::<BTreeSet<_>>(), described.collect::<BTreeSet<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_as_described() {
    let world = World::start().await;
    let document = world.read("/openapi.json").await;
    let seller = SigningKey::from_seed(&[1; 32]);
    let signed = sign(&seller, 0, Action::Publish(listing("Hourly weather of Seattle", 5 * CPC)));
    let id = signed.listing_id();
    let taken = world.post("/operations", &json!({ "operation": hex::encode(signed.as_bytes()) })).await;
    check(&document, answer(&document, "/operations", "post", "202"), &taken.json(), "a publication");
    world.until(&format!("/operations/{}", signed.id()), |standing| standing["status"] == "final").await;
    let terms = Terms {
        listing: id,
        revision: signed.id(),
        intervals: 0..2,
        manifest: Digest([2; 32]),
        leaf_root: Digest([3; 32]),
        leaf_count: 9,
        price: Amount(10 * CPC),
        fee: Amount(CPC),
        bond: Amount(10 * CPC),
        buyer_key: vec![1; 34],
        threshold: 1,
        proxies: 1,
        nonce: 1,
    };
    let offered = world.execute("escrow", EscrowModule::<()>::payload(&Command::Offer(terms))).await;
    assert_eq!(offered["applied"], true, "{offered}");
    let orders = world.until("/orders", |found| !found["orders"].as_array().unwrap().is_empty()).await;
    let order = orders["orders"][0]["id"].as_str().unwrap().to_owned();
    let rich = cpchain_crypto::Signer::public_key(&world.rich);
    let paid = offered["id"].as_str().unwrap().to_owned();
    world.until("/categories", |found| found[0]["listings"] == 1).await;
    let height = offered["height"].as_u64().unwrap();
    world.until(&format!("/accounts/{rich}/history"), |found| found[0]["kind"] == "escrow").await;

    let asked = [
        ("/openapi.json", "/openapi.json".to_owned()),
        (
            "/listings",
            "/listings?q=weather+seatle&category=climate&unit=interval&min_price=1&max_period_ms=3600000&limit=5"
                .into(),
        ),
        ("/suggestions", "/suggestions?q=wea".into()),
        ("/categories", "/categories".into()),
        ("/listings/{id}", format!("/listings/{id}")),
        ("/listings/{id}/revisions", format!("/listings/{id}/revisions")),
        ("/listings/{id}/provenance", format!("/listings/{id}/provenance")),
        ("/orders", format!("/orders?account={rich}&listing={id}&state=offered")),
        ("/orders/{id}", format!("/orders/{order}")),
        ("/accounts/{account}", format!("/accounts/{rich}")),
        ("/accounts/{account}/history", format!("/accounts/{rich}/history")),
        ("/chain", "/chain".into()),
        ("/blocks", "/blocks?limit=5".into()),
        ("/blocks/{height}", format!("/blocks/{height}")),
        ("/transactions/{id}", format!("/transactions/{paid}")),
        ("/committee", "/committee".into()),
        ("/terms", "/terms".into()),
        ("/impeachments", "/impeachments".into()),
        ("/operations/{id}", format!("/operations/{}", signed.id())),
    ];
    for (path, url) in &asked {
        let found = world.read(url).await;
        assert!(
            *path == "/impeachments" || found.as_array().is_none_or(|all| !all.is_empty()),
            "{path} shows something"
        );
        check(&document, answer(&document, path, "get", "200"), &found, url);
    }
    // The others: a quote needs the storage network, which `tests/page` has; a stream has no end.
    let quote = world.get(&format!("/listings/{id}/quote?first=0&end=1")).await;
    check(&document, answer(&document, "/listings/{id}/quote", "get", "503"), &quote.json(), "a quote");
    let gets = document["paths"].as_object().unwrap().iter().filter(|(_, methods)| methods.get("get").is_some());
    let others = gets.map(|(path, _)| path.as_str()).filter(|path| !asked.iter().any(|(known, _)| known == path));
    assert_eq!(others.collect::<BTreeSet<_>>(), BTreeSet::from(["/listings/{id}/quote", "/stream"]));

    for (url, status) in [
        ("/listings?offset=5000".to_owned(), "400"),
        ("/listings/zz".into(), "400"),
        (format!("/listings/{}", Digest([9; 32])), "404"),
        (format!("/orders/{}", Digest([9; 32])), "404"),
        ("/blocks/99999999".into(), "404"),
        ("/committee?term=9999".into(), "404"),
        ("/nothing".into(), "404"),
    ] {
        let wrong = world.get(&url).await;
        assert_eq!(wrong.status.as_str(), status, "{url}");
        check(&document, &document["components"]["schemas"]["Error"], &wrong.json(), &url);
    }
    world.stop().await;
}
