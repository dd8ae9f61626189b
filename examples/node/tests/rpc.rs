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
    config::{GenesisFile, TimingTable},
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
        let folder = tempfile::tempdir().unwrap();
        let timing = TimingTable { idle_block_interval_ms: 100, block_interval_ms: 50, ..TimingTable::default() };
        let plan = Plan { validators: 1, proposers: 1, followers: 0, chain: "rpc".into(), base_port: None, timing };
        let nodes = init(&folder.path().join("net"), &plan).unwrap();
        let mut services = Vec::new();
        for dir in &nodes {
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
    assert_eq!(client.call("term", json!({})).await.unwrap(), json!({ "term": 0 }));
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
        wrong(chain, 0, 1_000_000, &key),
        wrong(chain, 1, 1, &key),
        wrong(other, 1, 1_000_000, &key),
        wrong(chain, 0, 1_000_000, &stranger),
        // So far ahead that it waits outside of the pool, and of another chain.
        wrong(other, 5_000, 1_000_000, &key),
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
    assert!(good.starts_with("HTTP/1.1 200") && good.contains("\"term\":0"), "{good}");
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
    assert_eq!(pair.client().call("term", json!({})).await.unwrap(), json!({ "term": 0 }));
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
