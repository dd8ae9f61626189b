//! Open Transfer Protocol: move data between clients over any storage, with proof and permission.
//!
//! An owner's sealed data lies in whatever storage the owner likes. **Proxy nodes** serve it to whom the owner allows,
//! hold the owner's key fragments and re-encrypt capsules, and never see a key or a plaintext. A **client** needs one
//! connection to one proxy: it asks, gets a stream in which every byte is proven against the object's root, and
//! acknowledges a receipt that earns the proxy its reputation.
//!
//! | you want to | take |
//! | --- | --- |
//! | name data | [`uri::OtpUri`], [`records::Registration`] |
//! | serve data | [`ProxyNode`], [`NodeParts`], [`NodeConfig`] |
//! | serve files where they lie, or what a DHT holds | [`Objects::adopt`], [`host::ObjectSource`] |
//! | fetch data | [`Client::fetch`], from several proxies with [`Fetch::or`], at once with [`Fetch::striped`] |
//! | tell followers of a stream's new objects | [`records::StreamHead`], [`Client::announce`], [`NodeParts::streams`] |
//! | follow a stream live, with keys as they are paid | [`Client::follow`], [`IntervalKeys`] |
//! | send a sealed letter to a key | [`letters::SealedLetter`], [`Client::post`] |
//! | receive letters, each once | [`Inbox`], [`NodeParts::inboxes`] |
//! | allow and take back | [`records::Grant`], [`records::Revocations`], [`records::Label`] |
//! | hand a key over through proxies | [`Client::deposit`], [`Client::reencrypt`] |
//! | offer a request and response service | [`host::Service`], [`Client::call`] |
//! | find a proxy | [`records::ProxyDescriptor`]: bytes for a DHT record under [`records::ProxyId`] |
//!
//! # What an integrator may implement
//!
//! | trait | promise | there is |
//! | --- | --- | --- |
//! | [`backend::Backend`] | reads exact ranges; a written value appears whole or not at all | [`backend::MemoryBackend`], OpenDAL, [`backend::Retry`] |
//! | [`transport::Transport`] | streams between authenticated keys | TCP, noise, yamux by libp2p |
//! | [`access::Registry`], [`access::GrantSource`] | what the chain says | in memory |
//! | [`host::ObjectSource`] | objects that the node does not hold; may lie, is checked | – |
//! | [`host::Reencryptor`] | capsule and key fragment to capsule fragment | – (`cpchain-crypto` feature `umbral`) |
//! | [`host::Service`], [`host::ReceiptSink`], [`access::Clock`] | as they say | system clock |
//!
//! The protocol is in [`wire`], the proof of ranges in [`bao`], the transfer without I/O in [`transfer`]
//! and, from several sources at once, in [`stripes`]; the end of a live stream in [`tail`].
//!
//! # Features
//!
//! | feature | default | adds |
//! | --- | --- | --- |
//! | `opendal` | yes | `backend::OpendalBackend`: file system, memory, and every service that the application builds in |
//! | `s3` | no | `backend::OpendalBackend::s3`: buckets of S3 servers, with TLS |
//! | `http` | no | `backend::OpendalBackend::http`: files of web servers that know byte ranges, with TLS |
//! | `network` | yes | `transport::TcpTransport`, `ProxyNode::start`, `Client::connect` |
//!
//! # A first transfer
//! ```
//! use std::sync::Arc;
//! use cpchain_crypto::{Digest, Signer, SigningKey};
//! use cpchain_otp::{
//!     Client, NodeConfig, NodeParts, ProxyNode, Signed, access::{MemoryGrants, MemoryRegistry}, backend::MemoryBackend,
//!     records::Label,
//! };
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Arc::new(MemoryRegistry::new());
//! let parts = NodeParts::new(Arc::new(MemoryBackend::new()), registry.clone(), Arc::new(MemoryGrants::new()));
//! let node = ProxyNode::start(NodeConfig::default(), &[1; 32], parts).await?;
//!
//! let root = node.objects().insert("sealed bytes".into()).await?;
//! let owner = SigningKey::from_seed(&[2; 32]);
//! let label = Label { owner: owner.public_key(), root, stream: Digest::ZERO, intervals: 0..1, public: true };
//! registry.label(Signed::sign(label, &owner)?)?;
//!
//! let client = Client::connect(&node.address(), &[3; 32]).await?;
//! let mut fetch = client.fetch(root);
//! assert_eq!(fetch.bytes(1024).await?, "sealed bytes");
//! assert_eq!(fetch.receipt().unwrap().receipt().proxy, node.key());
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod access;
pub mod backend;
pub mod bao;
mod client;
pub mod host;
pub mod letters;
mod node;
mod objects;
pub mod records;
mod signed;
pub mod stripes;
pub mod tail;
pub mod transfer;
pub mod transport;
pub mod uri;
pub mod wire;

pub use {
    client::{
        Arrival, Client, ClientConfig, ClientError, Fetch, FetchError, Follow, FollowError, Inbox, InboxError,
        IntervalKeys, Received, StripedFetch, Withheld,
    },
    node::{InboxConfig, NodeConfig, NodeError, NodeHandle, NodeParts, ProxyNode, Quota, StreamsConfig},
    objects::{Object, ObjectError, ObjectReader, Objects, ObjectsConfig},
    signed::{Record, RecordError, Signed},
    wire::{Refusal, RefusalCode},
};
