use std::{fmt, sync::Arc, time::Duration};

use super::{InboxConfig, StreamsConfig};
use crate::{
    access::{Clock, GrantSource, Registry, SystemClock},
    backend::Backend,
    host::{ObjectSource, ReceiptSink, Reencryptor, Service},
    objects::ObjectsConfig,
};

/// How much one caller may read.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// Bytes of objects in a window.
    pub bytes: u64,
    /// The window, in ms.
    pub window_ms: u64,
}

/// Bounds of a node.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Where to listen; for the default transport a multiaddress.
    pub listen: String,
    /// Longest request and answer of a service, in bytes.
    pub max_call: usize,
    /// A caller has this long to send its request.
    pub request_timeout: Duration,
    /// A transfer without progress ends after this long.
    pub stall_timeout: Duration,
    /// A service has this long to answer.
    pub call_timeout: Duration,
    /// Streams that are served at a time; a few more wait, the rest is dropped by the transport.
    pub max_streams: usize,
    /// What one caller may read; none: no bound.
    pub quota: Option<Quota>,
    /// How long a descriptor is valid, in ms.
    pub descriptor_ms: u64,
    /// Bounds of the objects.
    pub objects: ObjectsConfig,
}

impl Default for NodeConfig {
    /// Loopback on a free port, calls of 16 MiB, 256 streams, descriptors for a day, no quota.
    fn default() -> Self {
        Self {
            listen: "/ip4/127.0.0.1/tcp/0".into(),
            max_call: 16 << 20,
            request_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(300),
            max_streams: 256,
            quota: None,
            descriptor_ms: 24 * 3_600_000,
            objects: ObjectsConfig::default(),
        }
    }
}

/// Re-encryption, and where the key fragments for it are.
#[derive(Clone)]
pub(super) struct Reencryption {
    pub(super) reencryptor: Arc<dyn Reencryptor>,
    pub(super) fragments: Arc<dyn Backend>,
}

/// What a node is made of. Start with [`new`](Self::new), add what the host offers.
#[derive(Clone)]
pub struct NodeParts {
    pub(super) backends: Vec<Arc<dyn Backend>>,
    pub(super) registry: Arc<dyn Registry>,
    pub(super) grants: Arc<dyn GrantSource>,
    pub(super) source: Option<Arc<dyn ObjectSource>>,
    pub(super) reencryption: Option<Reencryption>,
    pub(super) services: Vec<Arc<dyn Service>>,
    pub(super) receipts: Option<Arc<dyn ReceiptSink>>,
    pub(super) streams: Option<(Arc<dyn Backend>, StreamsConfig)>,
    pub(super) inboxes: Option<(Arc<dyn Backend>, InboxConfig)>,
    pub(super) clock: Arc<dyn Clock>,
}

impl NodeParts {
    /// A node that serves the objects of `backend` as registry and grants allow.
    pub fn new(backend: Arc<dyn Backend>, registry: Arc<dyn Registry>, grants: Arc<dyn GrantSource>) -> Self {
        Self {
            backends: vec![backend],
            registry,
            grants,
            source: None,
            reencryption: None,
            services: Vec::new(),
            receipts: None,
            streams: None,
            inboxes: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Looks for objects in this backend too. New objects go to the first one.
    pub fn backend(mut self, backend: Arc<dyn Backend>) -> Self {
        self.backends.push(backend);
        self
    }

    /// Gets objects that no backend has from here.
    pub fn source(mut self, source: Arc<dyn ObjectSource>) -> Self {
        self.source = Some(source);
        self
    }

    /// Re-encrypts; key fragments are kept in `fragments`, which should be storage that only this node reads.
    pub fn reencryptor(mut self, reencryptor: Arc<dyn Reencryptor>, fragments: Arc<dyn Backend>) -> Self {
        self.reencryption = Some(Reencryption { reencryptor, fragments });
        self
    }

    /// Offers a service.
    pub fn service(mut self, service: Arc<dyn Service>) -> Self {
        self.services.push(service);
        self
    }

    /// Keeps acknowledged receipts here.
    pub fn receipts(mut self, sink: Arc<dyn ReceiptSink>) -> Self {
        self.receipts = Some(sink);
        self
    }

    /// Keeps live streams: takes what owners announce, tells followers. The heads are kept in `backend`.
    pub fn streams(mut self, backend: Arc<dyn Backend>, config: StreamsConfig) -> Self {
        self.streams = Some((backend, config));
        self
    }

    /// Keeps inboxes for whoever opens one. The letters are kept in `backend`.
    pub fn inboxes(mut self, backend: Arc<dyn Backend>, config: InboxConfig) -> Self {
        self.inboxes = Some((backend, config));
        self
    }

    /// Takes the time from here instead of the operating system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl fmt::Debug for NodeParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services: Vec<&str> = self.services.iter().map(|service| service.name()).collect();
        f.debug_struct("NodeParts")
            .field("backends", &self.backends.len())
            .field("services", &services)
            .finish_non_exhaustive()
    }
}
