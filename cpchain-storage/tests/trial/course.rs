//! What every trial does, over whichever network.

use bytes::Bytes;
use cpchain_crypto::{Signer, SigningKey};
use cpchain_storage::{
    ErasureParams, ObjectRef,
    client::StorageClient,
    network::{ChunkTransport, Dht},
    repair::{loss_among, loss_probability, threshold},
};
use futures::future::join_all;

use crate::net::{bytes, lease};

/// Bytes of the objects: none, one, small, one chunk, two chunks.
const LENGTHS: [usize; 5] = [0, 1, 5_000, 150_000, 1_100_000];

/// Objects that are in the network, and what they must be.
pub struct Objects {
    pub owner: SigningKey,
    pub all: Vec<(Bytes, ObjectRef)>,
}

impl Objects {
    pub async fn put<D: Dht, T: ChunkTransport>(client: &StorageClient<D, T>, seed: u8) -> Self {
        let mut objects = Self { owner: SigningKey::from_seed(&[seed; 32]), all: Vec::new() };
        for (n, length) in (0..).zip(LENGTHS) {
            let object = bytes(seed.wrapping_mul(16).wrapping_add(n), length);
            let stored = client.put_object(&objects.owner, object.clone(), ErasureParams::default(), lease()).await;
            objects.all.push((object, stored.unwrap().object));
        }
        objects
    }

    /// A stranger to the owner repairs all objects, sweep after sweep, until none is due. Returns the fewest shards that a
    /// chunk had before, and how many were rebuilt.
    pub async fn repair<D: Dht, T: ChunkTransport>(
        &self,
        client: &StorageClient<D, T>,
        below: Option<usize>,
    ) -> (usize, usize) {
        let due = below.unwrap_or(threshold(ErasureParams::default()));
        let (mut least, mut rebuilt) = (usize::MAX, 0);
        for sweep in 0..6u64 {
            // All objects side by side: what a silent host costs is waiting, and nothing else.
            let repairs = (0u64..).zip(&self.all).map(|(n, (_, object))| async move {
                let randomness = blake3::hash(&[sweep.to_le_bytes(), n.to_le_bytes()].concat());
                let mut repaired = Vec::new();
                for group in client.groups(self.owner.public_key(), object).await.unwrap() {
                    let repair = client.repairer(below).repair(&group, lease(), randomness.as_bytes()).await.unwrap();
                    repaired.push((repair.least_before.unwrap(), repair.receipts.len()));
                }
                repaired
            });
            let repaired: Vec<(usize, usize)> = join_all(repairs).await.into_iter().flatten().collect();
            let least_now = repaired.iter().map(|(least, _)| *least).min().unwrap();
            rebuilt += repaired.iter().map(|(_, rebuilt)| *rebuilt).sum::<usize>();
            least = least.min(least_now);
            if least_now >= due {
                return (least, rebuilt);
            }
        }
        panic!("after six sweeps a repair is still due");
    }

    /// All objects come back bit for bit.
    pub async fn check<D: Dht, T: ChunkTransport>(&self, client: &StorageClient<D, T>) {
        let gets = self.all.iter().map(|(object, reference)| async move {
            let got = client.get_object(self.owner.public_key(), reference).await;
            let got = got.unwrap_or_else(|why| panic!("an object of {} bytes: {why}", object.len()));
            assert!(got == *object, "an object of {} bytes came back otherwise", object.len());
        });
        join_all(gets).await;
    }
}

/// How many seeds to run: `TRIAL_SEEDS`, else `few`.
pub fn seeds(few: u8) -> u8 {
    std::env::var("TRIAL_SEEDS").map_or(few, |seeds| seeds.parse().expect("TRIAL_SEEDS is a number"))
}

/// A computed probability for the run's log.
pub fn computed(nodes: usize, killed: usize) -> String {
    let params = ErasureParams::default();
    let finite = loss_among(params, nodes as u32, killed as u32);
    let binomial = loss_probability(params, killed as f64 / nodes as f64);
    format!("loss of a chunk, computed: {binomial:.1e} binomial, {finite:.1e} with {killed} of {nodes} hosts")
}

/// A small generator, the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    /// `count` of `0..of`.
    pub fn choose(&mut self, count: usize, of: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..of).collect();
        (0..count).for_each(|i| all.swap(i, i + self.below(of - i)));
        all.truncate(count);
        all
    }
}
