//! `lab read`: a large object over loopback from 10 of 13 storage nodes, beside one plain libp2p stream and beside records of
//! the DHT, in the same run. All nodes and the reader share this machine's cores.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cpchain_crypto::{Signer, SigningKey};
use cpchain_storage::{
    ErasureParams, Lease, PackOptions, PackStore,
    client::{ClientConfig, StorageClient},
    index::MemoryIndex,
    network::{Dht, NetworkConfig, NodeHandle, RecordKind, SignedRecord, StorageNode},
};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt, TryStreamExt, stream};
use libp2p::{StreamProtocol, Swarm, SwarmBuilder, multiaddr::Protocol, noise, swarm::SwarmEvent, tcp, yamux};

use crate::{
    measure::{Effort, ProcessClock},
    report::Figure,
};

const PLAIN: StreamProtocol = StreamProtocol::new("/cpchain/bench/plain/1");
/// Bytes in each record: what fits with its signature.
const RECORD: usize = 7 << 10;

/// What moving some bytes took.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    /// Megabytes a second that passed, and a second of processor time of all who took part.
    pub(crate) rate: f64,
    pub(crate) per_cpu: f64,
}

pub(crate) struct Meter(Instant, ProcessClock, usize);

impl Meter {
    pub(crate) fn start(bytes: usize) -> Self {
        Self(Instant::now(), ProcessClock::now(), bytes)
    }

    pub(crate) fn stop(self) -> Cost {
        let bytes = self.2 as f64;
        Cost { rate: bytes / 1e6 / self.0.elapsed().as_secs_f64(), per_cpu: bytes * 1e3 / self.1.elapsed_nanos() }
    }
}

/// Measures the three ways in turn.
///
/// # Errors
/// What the network says.
pub fn read(effort: Effort, mut progress: impl FnMut(String)) -> Result<Vec<Figure>, Box<dyn Error>> {
    let (mebibytes, rounds) = if effort == Effort::Quick { (32, 2) } else { (256, 5) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        progress("read: 13 nodes".to_owned());
        let net = Net::start().await?;
        let object: Bytes = {
            let mut bytes = vec![0; mebibytes << 20];
            blake3::Hasher::new().update(b"read").finalize_xof().fill(&mut bytes);
            bytes.into()
        };
        let owner = SigningKey::from_seed(&[1; 32]);
        progress(format!("read: put of {mebibytes} MiB"));
        let meter = Meter::start(object.len());
        let params = ErasureParams::new(10, 13)?;
        let stored = net.client.put_object(&owner, object.clone(), params, lease()).await?;
        let put = meter.stop();
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            progress(format!("read: round {} of {rounds}", round + 1));
            let meter = Meter::start(object.len());
            let back = net.client.get_object(owner.public_key(), &stored.object).await?;
            ours.push(meter.stop());
            if back != object {
                return Err("the object came back changed".into());
            }
            plain.push(plain_stream(&object).await?);
        }
        progress("read: records".to_owned());
        let records = net.records(&owner, if effort == Effort::Quick { 64 } else { 512 }).await?;
        net.stop().await;
        let (get, stream) = (middle(&ours), middle(&plain));
        let name = format!("MiB={mebibytes} nodes=10-of-13");
        let mut figures = vec![
            figure("read::object", &name, get, rounds)
                .against("one plain stream", get.rate / stream.rate)
                .at_least(0.5),
            figure("read::object", &name, get, rounds).against("kad records", get.rate / records.rate),
        ];
        let mut per_cpu = Figure::count("read::object", name.clone(), "MB/cpu-s", get.per_cpu)
            .against("one plain stream", get.per_cpu / stream.per_cpu);
        per_cpu.runs = rounds;
        figures.push(per_cpu);
        figures.push(figure("read::plain_stream", &format!("MiB={mebibytes}"), stream, rounds));
        figures.push(figure("read::kad_records", &format!("bytes={RECORD}"), records, 1));
        figures.push(figure("read::put", &name, put, 1));
        Ok(figures)
    })
}

pub(crate) fn figure(bench: &str, params: &str, cost: Cost, runs: usize) -> Figure {
    let mut figure = Figure::count(bench, params, "MB/s", cost.rate);
    figure.runs = runs;
    figure
}

pub(crate) fn middle(costs: &[Cost]) -> Cost {
    let mut sorted = costs.to_vec();
    sorted.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    sorted.get(sorted.len() / 2).copied().unwrap_or(Cost { rate: f64::NAN, per_cpu: f64::NAN })
}

fn lease() -> Lease {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Lease::until(u64::try_from(now.as_millis()).unwrap_or_default() + 3_600_000)
}

/// Thirteen storage nodes and a light one with a client.
struct Net {
    nodes: Vec<NodeHandle>,
    client: StorageClient<NodeHandle>,
    _folder: tempfile::TempDir,
}

impl Net {
    async fn start() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let mut nodes: Vec<NodeHandle> = Vec::new();
        for n in 0..13u8 {
            let packs = folder.path().join(n.to_string());
            let store = PackStore::open(packs, PackOptions::default(), MemoryIndex::default())?;
            let listen = "/ip4/127.0.0.1/tcp/0".parse()?;
            let node = StorageNode::start(NetworkConfig::default(), &[100 + n; 32], Arc::new(store), listen).await?;
            if let Some(first) = nodes.first().and_then(NodeHandle::address) {
                node.join(std::slice::from_ref(first)).await?;
            }
            nodes.push(node);
        }
        let light = StorageNode::light(NetworkConfig::default(), &[1; 32]).await?;
        let known: Vec<_> = nodes.iter().filter_map(|node| node.address().cloned()).collect();
        light.join(&known).await?;
        let config = ClientConfig {
            put_timeout: Duration::from_secs(60),
            put_grace: Duration::from_secs(30),
            ..ClientConfig::default()
        };
        Ok(Self { nodes, client: StorageClient::over(light, config), _folder: folder })
    }

    /// Gets `count` records, sixteen at a time.
    async fn records(&self, owner: &SigningKey, count: u32) -> Result<Cost, Box<dyn Error>> {
        let sign = |n: u32| {
            let body = vec![n as u8; RECORD];
            SignedRecord::sign(owner, RecordKind::ProxyDescriptor, &n.to_le_bytes(), 1, lease().0, body)
        };
        let records = (0..count).map(sign).collect::<Result<Vec<_>, _>>()?;
        let dht = self.client.dht();
        stream::iter(&records)
            .map(|record| dht.put_record(record))
            .buffer_unordered(16)
            .try_collect::<Vec<_>>()
            .await?;
        let meter = Meter::start(records.len() * RECORD);
        let got = stream::iter(&records).map(|record| dht.get_record(record.key())).buffer_unordered(16);
        let found: Vec<_> = got.try_collect().await?;
        if found.iter().any(Option::is_none) {
            return Err("a record was not found".into());
        }
        Ok(meter.stop())
    }

    async fn stop(&self) {
        for node in &self.nodes {
            node.stop().await;
        }
        self.client.dht().stop().await;
    }
}

fn peer() -> Result<Swarm<libp2p_stream::Behaviour>, Box<dyn Error>> {
    let builder = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|_| libp2p_stream::Behaviour::new())?;
    Ok(builder.with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60))).build())
}

/// The same bytes from one peer to another over one stream, unverified.
pub(crate) async fn plain_stream(bytes: &Bytes) -> Result<Cost, Box<dyn Error>> {
    let (mut server, mut reader) = (peer()?, peer()?);
    server.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    let mut incoming = server.behaviour().new_control().accept(PLAIN)?;
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = server.select_next_some().await {
            break address;
        }
    };
    let id = *server.local_peer_id();
    let body = bytes.clone();
    let sender = tokio::spawn(async move {
        if let Some((_, mut stream)) = incoming.next().await {
            let mut ask = [0];
            stream.read_exact(&mut ask).await?;
            stream.write_all(&body).await?;
            stream.close().await?;
        }
        Ok::<_, std::io::Error>(())
    });
    let server = tokio::spawn(async move {
        loop {
            server.select_next_some().await;
        }
    });
    let mut control = reader.behaviour().new_control();
    reader.dial(address.with(Protocol::P2p(id)))?;
    let reader = tokio::spawn(async move {
        loop {
            reader.select_next_some().await;
        }
    });
    let mut stream = control.open_stream(id, PLAIN).await?;
    let meter = Meter::start(bytes.len());
    stream.write_all(&[1]).await?;
    stream.flush().await?;
    let mut back = Vec::with_capacity(bytes.len());
    stream.read_to_end(&mut back).await?;
    let cost = meter.stop();
    sender.await??;
    server.abort();
    reader.abort();
    if back == *bytes { Ok(cost) } else { Err("the stream came back changed".into()) }
}
