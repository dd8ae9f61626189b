//! What a storage node does with a chunk request. Blocking: runs beside the swarm, never in it.
//!
//! | rule | test |
//! | --- | --- |
//! | A receipt is signed only after the store has the shard durably | `tests/network/faults.rs` |
//! | What does not parse, asks for a lease out of bounds, or fails in the store is refused by code | `malformed_requests_get_an_error_and_the_node_goes_on`, `too_few_nodes_fail_a_put` |

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_crypto::{Signer, SigningKey};

use super::{
    clock::now_ms,
    receipt::Receipt,
    wire::{Answer, Ask, ChunkRequest, ChunkResponse, GetReply, HasReply, PutReply, PutShards, RefusalCode},
};
use crate::chunk::{ChunkId, ChunkStore, Lease, StoreError};

/// The store of a node, and the key that it signs receipts with.
pub(crate) struct Holder {
    pub(crate) store: Arc<dyn ChunkStore>,
    pub(crate) key: SigningKey,
    pub(crate) max_lease: Duration,
}

impl Holder {
    /// The frame that answers a request frame.
    pub(crate) fn answer(&self, frame: Bytes) -> Bytes {
        let answer = match ChunkRequest::parse(frame) {
            None => Err(RefusalCode::Malformed),
            Some(Ask::Put(put)) => self.put(put),
            Some(Ask::Get(get)) => self.get(&get.id),
            Some(Ask::Has(has)) => self.has(&has.ids),
        };
        match answer {
            Ok(answer) => ChunkResponse::frame(answer),
            Err(code) => ChunkResponse::refusal(code),
        }
    }

    fn put(&self, put: PutShards) -> Result<Answer, RefusalCode> {
        let now = now_ms();
        let longest = now.saturating_add(u64::try_from(self.max_lease.as_millis()).unwrap_or(u64::MAX));
        if put.lease_until_ms <= now || put.lease_until_ms > longest {
            return Err(RefusalCode::Lease);
        }
        let ids = self.store.put_batch(&put.shards, Lease::until(put.lease_until_ms)).map_err(failed)?;
        let sign = |(id, shard): (&ChunkId, &Bytes)| {
            let length = u32::try_from(shard.len()).unwrap_or(u32::MAX);
            Receipt::sign(&self.key as &dyn Signer, *id, length, put.lease_until_ms).to_bytes()
        };
        Ok(Answer::Put(PutReply { receipts: ids.iter().zip(&put.shards).map(sign).collect() }))
    }

    fn get(&self, id: &[u8]) -> Result<Answer, RefusalCode> {
        let id = ChunkId::from_slice(id).ok_or(RefusalCode::Malformed)?;
        Ok(Answer::Get(GetReply { shard: self.store.get(&id).map_err(failed)? }))
    }

    fn has(&self, ids: &[Vec<u8>]) -> Result<Answer, RefusalCode> {
        let held = ids.iter().map(|id| {
            let id = ChunkId::from_slice(id).ok_or(RefusalCode::Malformed)?;
            self.store.contains(&id).map_err(failed)
        });
        Ok(Answer::Has(HasReply { held: held.collect::<Result<_, _>>()? }))
    }
}

fn failed(error: StoreError) -> RefusalCode {
    tracing::error!(%error, "the chunk store failed");
    RefusalCode::Store
}
