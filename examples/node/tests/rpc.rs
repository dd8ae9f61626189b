//! What a node answers, and what it refuses, over HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use cpchain_consensus::{
    ChainId, Height,
    lbft::{Certificate, Committee, Message, SignatureCache, verify_final_headers},
    ledger::{Amount, Nonce, TransactionDraft, Transfer},
};
use cpchain_crypto::{Digest, PublicKey, SigningKey};
use cpchain_node::{
    client::{Client, ClientError},
    config::{NODE_FILE, NodeFile, TimingTable},
    genesis::{DporTable, GenesisFile},
    keys,
    rpc::{METHOD, NOT_FOUND, PARAMS, PARSE, REFUSED, RpcError, http::MAX_BODY},
    service::Service,
    setup::{ACCOUNT_FILE, Plan, init},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A chain of one validator and one proposer.
struct Pair {
    folder: tempfile::TempDir,
    nodes: Vec<PathBuf>,
    services: Vec<Service>,
}

impl Pair {
    async fn start() -> Self {
        Self::with_connections(64).await
    }

    async fn with_connections(max_connections: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let timing = TimingTable { idle_block_interval_ms: 100, block_interval_ms: 50, ..TimingTable::default() };
        let dpor = DporTable { seats: 1, ..DporTable::default() };
        let (chain, base_port) = ("rpc".into(), None);
        let plan = Plan { validators: 1, proposers: 1, candidates: 0, followers: 0, chain, base_port, timing, dpor };
        let nodes = init(&folder.path().join("net"), &plan).unwrap();
        let mut services = Vec::new();
        for dir in &nodes {
            let settings = std::fs::read_to_string(dir.join(NODE_FILE)).unwrap();
            let mut file: NodeFile = toml::from_str(&settings).unwrap();
            file.rpc.max_connections = max_connections;
            file.write(dir).unwrap();
            services.push(Service::start(dir).await.unwrap());
        }
        services[0].node().wait_final(Height(3)).await.unwrap();
        Self { folder, nodes, services }
    }

    fn client(&self) -> Client {
        Client::new(self.services[0].rpc())
    }

    fn account(&self) -> SigningKey {
        keys::read(&self.nodes[0].join(ACCOUNT_FILE)).unwrap()
    }

    fn committee(&self) -> Committee {
        GenesisFile::read(&self.folder.path().join("net/genesis.toml")).unwrap().committee().unwrap()
    }

    /// Bytes in, bytes out, until the other side closes or is silent.
    async fn raw(&self, request: &[u8]) -> String {
        let mut socket = TcpStream::connect(self.services[0].rpc()).await.unwrap();
        // The other side may close before all is written.
        let _ = socket.write_all(request).await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(2), socket.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn end(self) {
        for service in self.services {
            service.stop().await;
        }
    }
}

fn code(outcome: Result<Value, ClientError>) -> i64 {
    match outcome {
        Err(ClientError::Refused(RpcError { code, .. })) => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_answer_and_refuse() {
    let pair = Pair::start().await;
    let client = pair.client();
    let committee = pair.committee();
    let status = client.call("status", json!({})).await.unwrap();
    assert_eq!(status["role"], "validator");
    assert_eq!(status["chain"], committee.chain().0.to_string());
    let term = client.call("term", json!({})).await.unwrap();
    let number = term["term"].as_u64().unwrap();
    assert_eq!((&term["first"], &term["last"]), (&json!(3 * number + 1), &json!(3 * number + 3)));
    let answer = client.call("committee", json!({})).await.unwrap();
    assert_eq!((&answer["quorum"], answer["validators"].as_array().unwrap().len()), (&json!(1), 1));
    let head = client.call("chain_head", json!({})).await.unwrap();
    let block = client.call("block", json!({ "height": head["height"] })).await.unwrap();
    assert_eq!(block["digest"], head["digest"]);
    assert_eq!(client.call("evidence", json!({})).await.unwrap(), json!({ "evidence": [] }));

    // A light client believes the certificate that it was given.
    let answer = client.call("certificate", json!({ "height": 2 })).await.unwrap();
    let bytes = Bytes::from(hex::decode(answer["bytes"].as_str().unwrap()).unwrap());
    let Message::Certificate(certificate) = Message::decode(bytes).unwrap() else { panic!("{answer}") };
    let certificate: Certificate = certificate;
    let header = Bytes::from(hex::decode(answer["header"].as_str().unwrap()).unwrap());
    let cache = SignatureCache::new(10);
    let proved = verify_final_headers(&[header], &certificate, &committee, &cache).unwrap();
    assert_eq!(proved[0].1.height, Height(2));

    assert_eq!(code(client.call("steal", json!({})).await), METHOD);
    assert_eq!(code(client.call("block", json!({ "height": -1 })).await), PARAMS);
    assert_eq!(code(client.call("block", json!({ "height": 1, "more": 2 })).await), PARAMS);
    assert_eq!(code(client.call("block", json!({ "height": u64::MAX })).await), NOT_FOUND);
    assert_eq!(code(client.call("submit", json!({ "transaction": "00" })).await), REFUSED);
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_is_accepted_once_and_final_once() {
    let pair = Pair::start().await;
    let (client, key, receiver) = (pair.client(), pair.account(), PublicKey([9; 32]));
    let transaction = client.transfer(&key, receiver, Amount::cpc(2)).await.unwrap();
    let first = client.submit(&transaction, true).await.unwrap();
    assert_eq!((&first["status"], &first["applied"]), (&json!("final"), &json!(true)));
    // Again, the same answer, and no second transfer.
    assert_eq!(client.submit(&transaction, true).await.unwrap(), first);
    assert_eq!(client.submit(&transaction, false).await.unwrap(), first);
    let by_id = client.call("transaction", json!({ "id": transaction.id().to_string() })).await.unwrap();
    assert_eq!(by_id, first);
    let params = json!({ "account": receiver.to_string(), "min_height": first["height"] });
    let balance = client.call("balance", params).await.unwrap();
    assert_eq!(balance["balance"], "2");
    assert!(balance["height"].as_u64() >= first["height"].as_u64());

    // What can never be executed is refused and not kept.
    let stranger = SigningKey::from_seed(&[77; 32]);
    let wrong = |chain: ChainId, nonce, expires, signer: &SigningKey| {
        TransactionDraft {
            chain,
            nonce: Nonce(nonce),
            expires: Height(expires),
            kind: Transfer::KIND.into(),
            payload: Transfer { to: receiver, amount: Amount(1) }.encode(),
        }
        .sign(signer)
        .unwrap()
    };
    let chain = pair.committee().chain();
    let other = ChainId(Digest([3; 32]));
    for transaction in [
        wrong(chain, 0, 100_000, &key),
        wrong(chain, 1, 1, &key),
        wrong(other, 1, 100_000, &key),
        wrong(chain, 0, 100_000, &stranger),
        // To be kept for too long.
        wrong(chain, 1, 1_000_000, &key),
        // So far ahead that it waits outside of the pool, and of another chain.
        wrong(other, 5_000, 100_000, &key),
    ] {
        assert_eq!(code(client.submit(&transaction, false).await), REFUSED);
    }
    // A spent balance is a final answer with an error.
    let all = client.transfer(&key, receiver, Amount::cpc(2_000_000)).await.unwrap();
    let answer = client.submit(&all, true).await.unwrap();
    assert_eq!((&answer["status"], &answer["applied"]), (&json!("final"), &json!(false)));
    assert!(answer["error"].is_string());
    // What is final leaves the outbox at the next sweep.
    let begin = std::time::Instant::now();
    while client.call("status", json!({})).await.unwrap()["outbox"] != 0 {
        assert!(begin.elapsed() < Duration::from_secs(30), "the outbox keeps what is final");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_is_narrow() {
    let pair = Pair::start().await;
    let request = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"term\"}";
    let post = |extra: &str, length: usize| {
        format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{extra}Content-Length: {length}\r\n\r\n")
    };
    let good = pair.raw((post("", request.len()) + request).as_bytes()).await;
    assert!(good.starts_with("HTTP/1.1 200") && good.contains("\"term\":"), "{good}");
    let page = pair.raw((post("Origin: http://evil\r\n", request.len()) + request).as_bytes()).await;
    assert!(page.starts_with("HTTP/1.1 403"), "{page}");
    let long = pair.raw(&[post("", MAX_BODY + 1).as_bytes(), &vec![b' '; MAX_BODY + 1]].concat()).await;
    assert!(long.starts_with("HTTP/1.1 413"), "{long}");
    let broken = pair.raw((post("", 1) + "{").as_bytes()).await;
    assert!(broken.contains(&PARSE.to_string()), "{broken}");
    let headers = pair.raw(&[b"GET / HTTP/1.1\r\nX: ".as_slice(), &vec![b'x'; 100_000]].concat()).await;
    assert!(headers.is_empty() || headers.starts_with("HTTP/1.1 4"), "{headers}");
    assert!(pair.raw(b"GET /etc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.starts_with("HTTP/1.1 404"));
    assert!(pair.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.starts_with("HTTP/1.1 405"));
    assert!(pair.raw(b"\0\0\0\0rubbish\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    // It still answers.
    assert!(pair.client().call("term", json!({})).await.unwrap()["term"].is_u64());
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_are_streamed_without_a_gap_and_metrics_are_counted() {
    let pair = Pair::start().await;
    let head = pair.services[0].node().status().final_height.0;
    let stream = pair.raw(b"GET /subscribe?from=1 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let ids: Vec<u64> =
        stream.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.parse().unwrap()).collect();
    assert!(ids.len() as u64 > head, "the past and what came meanwhile: {ids:?}");
    assert!(ids.iter().copied().eq(1..=ids.len() as u64), "{ids:?}");
    let data = stream.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(data).unwrap()["height"], 1);

    let page = String::from_utf8(pair.client().get("/metrics").await.unwrap().to_vec()).unwrap();
    let value = |name: &str| -> u64 {
        let line = page.lines().find(|line| line.starts_with(&format!("cpchain_{name} "))).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value("final_height") >= head && value("height") > value("final_height"));
    assert!(value("proposals_received_total") >= head && value("votes_sent_total") > 0);
    assert_eq!((value("peers"), value("fault"), value("white_list")), (1, 0, 0));
    assert_eq!((value("malformed_total"), value("blamed_total"), value("evidence_total")), (0, 0, 0));

    // By hand.
    let answer = pair.client().call("white_list", json!({ "set": "on" })).await.unwrap();
    assert_eq!(answer["white_list"], true);
    let answer = pair.client().call("white_list", json!({ "set": "auto" })).await.unwrap();
    assert_eq!(answer["white_list"], false);
    pair.end().await;
}

/// Opens a subscription and reads until `text` comes.
async fn subscribe(to: std::net::SocketAddr, path: &str, text: &str) -> TcpStream {
    let mut socket = TcpStream::connect(to).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    let arrives = async {
        while !String::from_utf8_lossy(&seen).contains(text) {
            assert_ne!(socket.read_buf(&mut seen).await.unwrap(), 0, "{}", String::from_utf8_lossy(&seen));
        }
    };
    tokio::time::timeout(Duration::from_secs(30), arrives).await.expect(text);
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_leave_room_and_a_full_door_does_not_hold_up_the_end() {
    let pair = Pair::with_connections(4).await;
    let address = pair.services[0].rpc();
    // Nothing is final there for long: only the comment that shows life comes.
    let quiet = subscribe(address, "/subscribe?from=1000000", ": ping\n\n").await;
    let live = subscribe(address, "/subscribe", "event: block").await;
    let full = subscribe(address, "/subscribe", "HTTP/1.1 503").await;
    drop(full);
    // Others still have their half, and who leaves makes room.
    assert!(pair.client().call("term", json!({})).await.unwrap()["term"].is_u64());
    drop(live);
    let begin = std::time::Instant::now();
    while pair.raw(b"GET /subscribe HTTP/1.1\r\nHost: x\r\n\r\n").await.starts_with("HTTP/1.1 503") {
        assert!(begin.elapsed() < Duration::from_secs(30), "the place is not free again");
    }
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    tokio::time::timeout(Duration::from_secs(8), pair.end()).await.expect("it ends though all slots are taken");
    drop((quiet, idle));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_that_panics_is_noticed() {
    let pair = Pair::start().await;
    let node = pair.services[0].node().clone();
    let broken = |_: &mut cpchain_consensus::ledger::dpor::Dpor| panic!("on purpose");
    node.with_application::<_, ()>(broken).await.unwrap_err();
    let ended = tokio::time::timeout(Duration::from_secs(10), pair.services[0].ended()).await;
    ended.expect("noticed");
    // The rest of it still stops, and the outbox is closed.
    let outbox = pair.nodes[0].join("outbox.redb");
    for service in pair.services {
        service.stop().await;
    }
    cpchain_node::outbox::Outbox::open(&outbox).unwrap();
}
