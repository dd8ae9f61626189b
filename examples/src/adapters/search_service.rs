//! A host of encrypted indexes: the search engines' servers behind an OTP service.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use cpchain_crypto::{
    PublicKey,
    search::{SearchError, SearchServer},
};
use cpchain_otp::{Refusal, RefusalCode, host::Service};

use super::search_gate::{SearchGate, SearchLimits};

/// Keeps one table of one owner, and answers queries about it. It sees neither records nor questions.
///
/// A request is one byte (0: an update of the table, 1: a query) and the engine's bytes. Updates are the owner's alone; queries are, unless the
/// service is [open](Self::open_to_all). What others may ask is bounded by [`SearchLimits`].
pub struct SearchService {
    name: String,
    owner: PublicKey,
    open: bool,
    gate: Arc<SearchGate>,
    server: Arc<RwLock<dyn SearchServer + Send + Sync>>,
}

impl SearchService {
    /// The name of the service, unless it is given another.
    pub const NAME: &'static str = "private-search";
    /// The first byte of an update.
    pub const UPDATE: u8 = 0;
    /// The first byte of a query.
    pub const QUERY: u8 = 1;

    /// Hosts the table of `owner` in this server, in memory or [on disk](cpchain_crypto::search::store::HostStore).
    pub fn new(owner: PublicKey, server: impl SearchServer + Send + Sync + 'static) -> Self {
        Self {
            name: Self::NAME.to_owned(),
            owner,
            open: false,
            gate: Arc::new(SearchGate::new(SearchLimits::default())),
            server: Arc::new(RwLock::new(server)),
        }
    }

    /// The same under another name, for a host of several tables.
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Answers everyone who has a query for the table. The owner alone changes it.
    pub fn open_to_all(mut self) -> Self {
        self.open = true;
        self
    }

    /// The same within these bounds.
    pub fn limits(mut self, limits: SearchLimits) -> Self {
        self.gate = Arc::new(SearchGate::new(limits));
        self
    }

    /// A request of this service.
    pub fn request(kind: u8, body: &[u8]) -> Bytes {
        [&[kind], body].concat().into()
    }
}

#[async_trait]
impl Service for SearchService {
    fn name(&self) -> &str {
        &self.name
    }

    async fn call(&self, caller: PublicKey, request: Bytes) -> Result<Bytes, Refusal> {
        let update = request.first() == Some(&Self::UPDATE);
        if caller != self.owner && (update || !self.open) {
            return Err(Refusal::new(RefusalCode::NoGrant, "only the owner asks about its records"));
        }
        let place = if update { None } else { Some(self.gate.enter(caller, request.len()).await?) };
        let server = self.server.clone();
        let work = tokio::task::spawn_blocking(move || {
            // Held until the answer is there, also if the caller has gone.
            let _place = place;
            match request.split_first() {
                Some((&Self::UPDATE, update)) => {
                    server.write().unwrap_or_else(PoisonError::into_inner).apply(update).map(|()| Bytes::new())
                }
                Some((&Self::QUERY, query)) => {
                    server.read().unwrap_or_else(PoisonError::into_inner).answer(query).map(Bytes::from)
                }
                _ => Err(SearchError::Format { what: "request" }),
            }
        });
        let answer = work.await.map_err(|_| Refusal::new(RefusalCode::Internal, "the host is stopping"))?;
        answer.map_err(|error| match error {
            SearchError::Disk => Refusal::new(RefusalCode::Internal, error.to_string()),
            error => Refusal::new(RefusalCode::Malformed, error.to_string()),
        })
    }
}
