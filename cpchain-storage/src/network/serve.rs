//! What a storage node does with a chunk request. Blocking: runs beside the swarm, never in it.
//!
//! | rule | test |
//! | --- | --- |
//! | A receipt is signed only after the store has the shard durably | `tests/network/faults.rs` |
//! | Slices, leaves and renewals are answered only for shards that still verify | `tests/network/slices.rs` |
//! | What does not parse, asks for a lease out of bounds, or fails in the store is refused by code | `malformed_requests_get_an_error_and_the_node_goes_on`, `too_few_nodes_fail_a_put` |

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_crypto::{Signer, SigningKey};

use super::{
    clock::now_ms,
    receipt::Receipt,
    wire::{
        Answer, Ask, AuditReply, AuditShards, ChunkResponse, GetReply, GetSlice, HasReply, PutReply, PutShards,
        RefusalCode, RenewReply, RenewShards, SliceReply,
    },
};
use crate::{
    chunk::{ChunkId, ChunkStore, Lease, StoreError},
    slice::{self, LEAF_LEN},
};

/// The store of a node, and the key that it signs receipts with.
pub(crate) struct Holder {
    pub(crate) store: Arc<dyn ChunkStore>,
    pub(crate) key: SigningKey,
    pub(crate) max_lease: Duration,
}

impl Holder {
    /// The frame that answers a request for shards.
    pub(crate) fn answer(&self, ask: Ask) -> Bytes {
        let answer = match ask {
            Ask::Put(put) => self.put(put),
            Ask::Get(get) => self.get(&get.id),
            Ask::Has(has) => self.has(&has.ids),
            Ask::Slice(get) => self.slice(&get),
            Ask::Audit(audit) => self.audit(&audit),
            Ask::Renew(renew) => self.renew(&renew),
            // Records are not among the shards: the server asks those who keep them.
            Ask::Offer(_) | Ask::Give(_) => Err(RefusalCode::Malformed),
        };
        match answer {
            Ok(answer) => ChunkResponse::frame(answer),
            Err(code) => ChunkResponse::refusal(code),
        }
    }

    fn put(&self, put: PutShards) -> Result<Answer, RefusalCode> {
        self.check_lease(put.lease_until_ms)?;
        let ids = self.store.put_batch(&put.shards, Lease::until(put.lease_until_ms)).map_err(failed)?;
        let sign = |(id, shard): (&ChunkId, &Bytes)| {
            let length = u32::try_from(shard.len()).unwrap_or(u32::MAX);
            Receipt::sign(&self.key as &dyn Signer, *id, length, put.lease_until_ms).to_bytes()
        };
        Ok(Answer::Put(PutReply { receipts: ids.iter().zip(&put.shards).map(sign).collect() }))
    }

    fn check_lease(&self, until_ms: u64) -> Result<(), RefusalCode> {
        let now = now_ms();
        let longest = now.saturating_add(u64::try_from(self.max_lease.as_millis()).unwrap_or(u64::MAX));
        if until_ms <= now || until_ms > longest { Err(RefusalCode::Lease) } else { Ok(()) }
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

    fn slice(&self, get: &GetSlice) -> Result<Answer, RefusalCode> {
        let start = u64::from(get.offset);
        let slice = self.prove(&get.id, start..start.saturating_add(u64::from(get.length)))?;
        Ok(Answer::Slice(SliceReply { slice }))
    }

    fn audit(&self, audit: &AuditShards) -> Result<Answer, RefusalCode> {
        let slices = audit.ids.iter().zip(&audit.leaves).map(|(id, leaf)| {
            let start = u64::from(*leaf).saturating_mul(LEAF_LEN);
            // A leaf is proved whole by any byte of it, and only the last one may be shorter.
            self.prove(id, start..start.saturating_add(1)).map(Option::unwrap_or_default)
        });
        Ok(Answer::Audit(AuditReply { slices: slices.collect::<Result<_, _>>()? }))
    }

    fn prove(&self, id: &[u8], range: Range<u64>) -> Result<Option<Bytes>, RefusalCode> {
        let id = ChunkId::from_slice(id).ok_or(RefusalCode::Malformed)?;
        let shard = self.store.get(&id).map_err(failed)?;
        Ok(shard.and_then(|shard| slice::prove(&shard, range).ok()).map(Bytes::from))
    }

    fn renew(&self, renew: &RenewShards) -> Result<Answer, RefusalCode> {
        self.check_lease(renew.lease_until_ms)?;
        let ids = renew.ids.iter().map(|id| ChunkId::from_slice(id).ok_or(RefusalCode::Malformed));
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        self.store.renew(&ids, Lease::until(renew.lease_until_ms)).map_err(failed)?;
        let mut receipts = Vec::with_capacity(ids.len());
        for id in ids {
            // Signed for what is still whole, not for what once was.
            let length = self.store.get(&id).map_err(failed)?.and_then(|shard| u32::try_from(shard.len()).ok());
            let sign = |length| Receipt::sign(&self.key, id, length, renew.lease_until_ms).to_bytes();
            receipts.push(length.map(sign).unwrap_or_default());
        }
        Ok(Answer::Renew(RenewReply { receipts }))
    }
}

fn failed(error: StoreError) -> RefusalCode {
    tracing::error!(%error, "the chunk store failed");
    RefusalCode::Store
}
