//! What the API promises, over a real server and a real chain of two nodes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use cpchain_crypto::{Signer as _, SigningKey};
use cpchain_market::listing::Action;
use cpchain_market_server::{api::MAX_BODY, limits::BURST, page};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use serde_json::json;
use support::{World, listing, sign};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_refused() {
    let world = World::start().await;
    let seller = SigningKey::from_seed(&[1; 32]);
    let first = sign(&seller, 0, Action::Publish(listing("Wind of Seattle", 5)));
    let id = first.listing_id();
    let update = |sequence, price| {
        sign(&seller, sequence, Action::Update { listing: id, content: listing("Wind of Seattle", price) })
    };
    let operation =
        |signed: &cpchain_market::listing::SignedOperation| json!({ "operation": hex::encode(signed.as_bytes()) });
    world.publish(&first).await;
    world.publish(&update(1, 6)).await;
    world.publish(&update(2, 7)).await;
    // The same bytes again are answered, and change nothing.
    let again = world.post("/operations", &operation(&update(1, 6))).await;
    assert_eq!((again.status, again.json()["status"].as_str()), (StatusCode::OK, Some("final")));
    // An old number with something new is refused.
    let stale = world.post("/operations", &operation(&update(2, 1))).await;
    assert_eq!(stale.error(), (StatusCode::CONFLICT, "refused".into()));
    // So are a stranger's, and one that nobody signed.
    let thief = SigningKey::from_seed(&[2; 32]);
    let stolen = sign(&thief, 9, Action::Update { listing: id, content: listing("Wind of Seattle", 1) });
    assert_eq!(world.post("/operations", &operation(&stolen)).await.error().0, StatusCode::CONFLICT);
    let mut forged = first.as_bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let forged = world.post("/operations", &json!({ "operation": hex::encode(forged) })).await;
    assert_eq!(forged.error(), (StatusCode::BAD_REQUEST, "bad_request".into()));
    assert_eq!(world.read(&format!("/listings/{id}")).await["price"], "7");
    world.publish(&sign(&seller, 3, Action::Withdraw { listing: id })).await;
    let gone = world.post("/operations", &operation(&update(4, 1))).await;
    assert!(gone.json()["error"]["message"].as_str().unwrap().contains("withdrawn"));
    assert_eq!(world.read(&format!("/listings/{id}")).await["withdrawn"], true);
    let prices: Vec<_> = world
        .read(&format!("/listings/{id}/revisions"))
        .await
        .as_array()
        .unwrap()
        .iter()
        .map(|revision| revision["price"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(prices, [Some("5".into()), Some("6".into()), Some("7".into()), None]);

    // A payment counts once.
    let friend = SigningKey::from_seed(&[3; 32]).public_key();
    let payload = cpchain_consensus::ledger::Transfer { to: friend, amount: cpchain_consensus::ledger::Amount::cpc(2) };
    let (transaction, paid) = world.signed("transfer", payload.encode()).await;
    let body = json!({ "transaction": transaction });
    assert_eq!(world.post("/transactions", &body).await.status, StatusCode::ACCEPTED);
    world.until(&format!("/transactions/{paid}"), |found| found["status"] == "final").await;
    let again = world.post("/transactions", &body).await;
    assert_eq!((again.status, again.json()["applied"].as_bool()), (StatusCode::OK, Some(true)));
    let account = world.read(&format!("/accounts/{friend}")).await;
    assert_eq!(account["balance"], "2000000000000000000");
    let history = world.until(&format!("/accounts/{friend}/history"), |found| found[0].is_object()).await;
    assert_eq!((&history[0]["transaction"], history.as_array().unwrap().len()), (&json!(paid), 1));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_bounded_and_answers_guarded() {
    let world = World::start().await;
    let ask = async |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        world.ask(method, path, headers, body.to_owned()).await
    };
    let posted =
        async |headers: &[(&str, &str)], body: &str| ask("POST", "/api/v1/operations", headers, body).await.error();
    assert_eq!(posted(&[JSON], &"x".repeat(MAX_BODY + 1)).await, (StatusCode::PAYLOAD_TOO_LARGE, "too_large".into()));
    assert_eq!(posted(&[("content-type", "text/plain")], "{}").await.1, "media_type");
    assert_eq!(posted(&[JSON], "{").await.1, "bad_request");
    assert_eq!(posted(&[JSON], r#"{"operation":"00","more":1}"#).await.1, "bad_request");
    assert_eq!(posted(&[JSON], r#"{"operation":"zz"}"#).await.1, "bad_request");
    assert_eq!(posted(&[JSON, ("origin", "https://elsewhere.example")], "{}").await.1, "foreign_origin");
    assert_eq!(ask("DELETE", "/api/v1/listings", &[], "").await.error().1, "method_not_allowed");
    for query in ["?q=a&what=1", "?limit=0", "?limit=101", "?offset=999", "?unit=kilo", "?min_price=-1", "?seller=me"] {
        assert_eq!(world.get(&format!("/listings{query}")).await.error().1, "bad_request", "{query}");
    }
    assert_eq!(world.get(&format!("/listings?q={}", "a".repeat(1025))).await.error().1, "bad_request");
    assert_eq!(world.get(&format!("/listings?q={}", "a".repeat(20 << 10))).await.status.as_u16(), 431);
    for file in page::FILES {
        let served = ask("GET", file.path, &[], "").await;
        assert_eq!((served.status, served.body), (StatusCode::OK, Bytes::from_static(file.text.as_bytes())));
        let policy = served.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(served.headers["x-content-type-options"], "nosniff");
        assert!(served.headers.get("access-control-allow-origin").is_none());
        assert!(served.headers.get("set-cookie").is_none());
    }
    assert_eq!(ask("GET", "/nothing", &[], "").await.status, StatusCode::NOT_FOUND);
    // Nobody is heard without end.
    let mut busy = 0;
    for _ in 0..BURST as usize + 200 {
        let answer = world.get("/categories").await;
        busy += usize::from(answer.status == StatusCode::TOO_MANY_REQUESTS && answer.error().1 == "busy");
    }
    assert!(busy > 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_tags() {
    let world = World::start().await;
    let seller = SigningKey::from_seed(&[4; 32]);
    let signed = sign(&seller, 0, Action::Publish(listing("Rain", 5)));
    world.publish(&signed).await;
    let path = format!("/api/v1/listings/{}", signed.listing_id());
    let first = world.ask("GET", &path, &[], "").await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    let again = world.ask("GET", &path, &[("if-none-match", &tag)], "").await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let changed = listing("Rain", 6);
    world.publish(&sign(&seller, 1, Action::Update { listing: signed.listing_id(), content: changed })).await;
    let after = world.ask("GET", &path, &[("if-none-match", &tag)], "").await;
    assert_eq!((after.status, after.json()["price"].as_str()), (StatusCode::OK, Some("6")));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn final_blocks_are_streamed_in_order() {
    let world = World::start().await;
    let request = Request::get("/api/v1/stream").header("host", "x").body(Full::default()).unwrap();
    let response = world.send(request).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut text = String::new();
    while text.matches("\n\n").count() < 4 {
        let frame = tokio::time::timeout(Duration::from_secs(20), body.frame()).await.unwrap().unwrap().unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    let rows = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let heights: Vec<_> =
        rows.map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap()["height"].as_u64().unwrap()).collect();
    assert!(heights.len() >= 4 && heights.windows(2).all(|pair| pair[1] == pair[0] + 1), "{heights:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_search_fit_together() {
    let world = World::start().await;
    let seller = SigningKey::from_seed(&[5; 32]);
    for day in 0..7u128 {
        world.publish(&sign(&seller, 0, Action::Publish(listing(&format!("Wind of day {day}"), day)))).await;
    }
    let all = format!("/listings?q=wind&seller={}", seller.public_key());
    world.until(&all, |found| found["hits"].as_array().unwrap().len() == 7).await;
    let mut seen = std::collections::BTreeSet::new();
    for offset in [0, 3, 6] {
        let page = world.read(&format!("{all}&limit=3&offset={offset}")).await;
        assert_eq!(page["more"], offset < 6);
        seen.extend(page["hits"].as_array().unwrap().iter().map(|hit| hit["id"].to_string()));
    }
    assert_eq!(seen.len(), 7);
    let cheap = world.read(&format!("{all}&max_price=2")).await;
    assert_eq!(cheap["hits"].as_array().unwrap().len(), 3);
    world.stop().await;
}
