//! A host of encrypted indexes: the search engine's server behind an OTP service.

use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use cpchain_crypto::{
    PublicKey,
    search::{
        SearchServer,
        scan::{ScanServer, Table},
    },
};
use cpchain_otp::{Refusal, RefusalCode, host::Service};

/// Keeps the index of one owner, and answers the owner's queries. It sees neither records nor questions.
///
/// A request is one byte (0: an update of the index, 1: a query) and the engine's bytes.
pub struct SearchService {
    owner: PublicKey,
    server: Arc<RwLock<ScanServer>>,
}

impl SearchService {
    /// The name of the service.
    pub const NAME: &'static str = "private-search";
    /// The first byte of an update.
    pub const UPDATE: u8 = 0;
    /// The first byte of a query.
    pub const QUERY: u8 = 1;

    /// Hosts the table of `owner`, of at most `max_blocks` blocks.
    pub fn new(owner: PublicKey, table: Table, max_blocks: u32) -> Self {
        Self { owner, server: Arc::new(RwLock::new(ScanServer::new(table, max_blocks))) }
    }

    /// A request of this service.
    pub fn request(kind: u8, body: &[u8]) -> Bytes {
        [&[kind], body].concat().into()
    }
}

#[async_trait]
impl Service for SearchService {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn call(&self, caller: PublicKey, request: Bytes) -> Result<Bytes, Refusal> {
        if caller != self.owner {
            return Err(Refusal::new(RefusalCode::NoGrant, "only the owner asks about its records"));
        }
        let server = self.server.clone();
        let work = tokio::task::spawn_blocking(move || match request.split_first() {
            Some((&Self::UPDATE, update)) => {
                server.write().unwrap_or_else(|poisoned| poisoned.into_inner()).apply(update).map(|()| Bytes::new())
            }
            Some((&Self::QUERY, query)) => {
                server.read().unwrap_or_else(|poisoned| poisoned.into_inner()).answer(query).map(Bytes::from)
            }
            _ => Err(cpchain_crypto::search::SearchError::Format { what: "request" }),
        });
        let answer = work.await.map_err(|_| Refusal::new(RefusalCode::Internal, "the host is stopping"))?;
        answer.map_err(|error| Refusal::new(RefusalCode::Malformed, error.to_string()))
    }
}
