//! A network of one validator and one proposer, a market at the proposer's node, and an HTTP client, all on loopback.
#![allow(dead_code, unreachable_pub)]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_consensus::{
    Height,
    ledger::{TransactionDraft, Transfer},
};
use cpchain_crypto::{Digest, PublicKey, Signer as _, SigningKey};
use cpchain_examples::adapters::{ChainClient, Market, chain::with_market};
use cpchain_market::{
    Amount,
    escrow::Rules,
    listing::{Action, Listing, Operation, SignedOperation, Unit},
};
use cpchain_market_server::{App, Parts, serve::serve};
use cpchain_node::{
    config::TimingTable,
    genesis::DporTable,
    keys,
    service::Service,
    setup::{Plan, init},
};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, net::TcpStream, sync::watch, task::JoinHandle};

pub struct World {
    pub address: SocketAddr,
    /// Has money.
    pub rich: SigningKey,
    services: Vec<Service>,
    app: Arc<App>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: hyper::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn error(&self) -> (StatusCode, String) {
        (self.status, self.json()["error"]["code"].as_str().unwrap().to_owned())
    }
}

impl World {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let timing = TimingTable { block_interval_ms: 20, idle_block_interval_ms: 100, ..TimingTable::default() };
        let dpor = DporTable { seats: 1, ..DporTable::default() };
        let plan = Plan {
            validators: 1,
            proposers: 1,
            candidates: 0,
            followers: 0,
            chain: "market test".into(),
            base_port: None,
            timing,
            dpor,
        };
        let dirs = init(&folder.path().join("net"), &plan).unwrap();
        let mut services = Vec::new();
        for dir in &dirs {
            services.push(Service::start_with(dir, |ledger| with_market(ledger, Rules::default())).await.unwrap());
        }
        let service = services.last().unwrap();
        let (node, view) = (service.node().clone(), service.view().clone());
        tokio::time::timeout(Duration::from_secs(30), node.wait_final(Height(1))).await.unwrap().unwrap();
        let operator = keys::read(&dirs[0].join("account.key")).unwrap();
        let market =
            Market::open(ChainClient::new(operator, node.clone(), view.clone()), &folder.path().join("market"));
        let parts = Parts { node, view, dpor: service.dpor().clone(), market: market.unwrap(), appraiser: None };
        let app = App::start(parts);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(serve(listener, app.clone(), stopped));
        let rich = keys::read(&dirs[1].join("account.key")).unwrap();
        Self { address, rich, services, app, stop, task, _folder: folder }
    }

    pub async fn stop(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
        self.app.stop().await;
        for service in self.services {
            service.stop().await;
        }
    }

    /// One request on a connection of its own.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let socket = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, body) = self.send(request.body(Full::new(body.into())).unwrap()).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", &format!("/api/v1{path}"), &[], "").await
    }

    /// An answer that must be there.
    pub async fn read(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {:?}", answer.body);
        answer.json()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        let path = format!("/api/v1{path}");
        self.ask("POST", &path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// Asks again until the answer is as wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..600 {
            let found = self.read(path).await;
            if wanted(&found) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{path} does not come to what is wanted")
    }

    /// Publishes an operation and waits for its block.
    pub async fn publish(&self, operation: &SignedOperation) -> Value {
        let taken = self.post("/operations", &json!({ "operation": hex::encode(operation.as_bytes()) })).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{:?}", taken.body);
        self.until(&format!("/operations/{}", operation.id()), |standing| standing["status"] == "final").await
    }

    /// A signed transaction of the rich account, in hexadecimal digits, with its id.
    pub async fn signed(&self, kind: &str, payload: Bytes) -> (String, String) {
        let account = self.read(&format!("/accounts/{}", self.rich.public_key())).await;
        let head = self.read("/chain").await;
        let mut chain = [0; 32];
        hex::decode_to_slice(head["chain"].as_str().unwrap(), &mut chain).unwrap();
        let draft = TransactionDraft {
            chain: cpchain_consensus::ChainId(Digest(chain)),
            nonce: cpchain_consensus::ledger::Nonce(account["next_nonce"].as_u64().unwrap()),
            expires: Height(head["height"].as_u64().unwrap() + 500),
            kind: kind.into(),
            payload,
        };
        let transaction = draft.sign(&self.rich).unwrap();
        (hex::encode(transaction.bytes()), transaction.id().to_string())
    }

    /// Executes a transaction of the rich account.
    pub async fn execute(&self, kind: &str, payload: Bytes) -> Value {
        let (transaction, id) = self.signed(kind, payload).await;
        let taken = self.post("/transactions", &json!({ "transaction": transaction })).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{:?}", taken.body);
        self.until(&format!("/transactions/{id}"), |found| found["status"] == "final").await
    }

    pub async fn pay(&self, to: PublicKey, cpc: u64) -> Value {
        let amount = cpchain_consensus::ledger::Amount::cpc(cpc);
        self.execute(Transfer::KIND, Transfer { to, amount }.encode()).await
    }
}

pub fn listing(title: &str, price: u128) -> Listing {
    Listing {
        title: title.into(),
        description: "Hourly, in degrees".into(),
        tags: vec!["weather".into()],
        category: "climate".into(),
        price: Amount(price),
        unit: Unit::Interval,
        period_ms: 3_600_000,
        from_ms: 1_262_304_000_000,
        to_ms: 0,
        samples: vec![],
        uri: String::new(),
        proxies: vec![SigningKey::from_seed(&[7; 32]).public_key()],
        stream: Digest([1; 32]),
        manifest: None,
        created_ms: 1_700_000_000_000,
    }
}

pub fn sign(key: &SigningKey, sequence: u64, action: Action) -> SignedOperation {
    Operation { seller: key.public_key(), sequence, action }.sign(key).unwrap()
}
