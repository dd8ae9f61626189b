//! Who takes how much of a node's room for records.

use std::{
    collections::{HashMap, hash_map::RandomState},
    fmt,
    hash::BuildHasher,
};

use cpchain_crypto::PublicKey;

/// One owner has at most this part of the room.
const OWNER_PART: u64 = 16;
/// One network brings at most this part of the room.
const ORIGIN_PART: u64 = 8;

/// The origin of records that the node publishes itself. It has no share.
pub(crate) const OWN: u32 = 0;

/// Whose room is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Share {
    /// The node's as a whole.
    Node,
    /// That of the record's owner.
    Owner,
    /// That of the network which the record came from.
    Network,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "the node is full",
            Self::Owner => "the owner has used up its share of the node",
            Self::Network => "the sender's network has used up its share of the node",
        })
    }
}

/// The room of a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Limits {
    fn part(self, part: u64) -> Self {
        Self { records: self.records.div_ceil(part), bytes: self.bytes.div_ceil(part) }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Use {
    records: u32,
    bytes: u64,
}

impl Use {
    fn fits(self, records: u64, bytes: u64, limits: Limits) -> bool {
        u64::from(self.records) + records <= limits.records && self.bytes + bytes <= limits.bytes
    }

    fn add(&mut self, bytes: u64) {
        self.records = self.records.saturating_add(1);
        self.bytes += bytes;
    }

    fn give_back(&mut self, bytes: u64) {
        self.records = self.records.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Counts what is taken, in all, by owner and by origin.
#[derive(Debug)]
pub(super) struct Quota {
    limits: Limits,
    total: Use,
    owners: HashMap<u32, Use>,
    origins: HashMap<u32, Use>,
    /// Owners are told apart by a hash that nobody outside can aim at.
    names: RandomState,
}

impl Quota {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            total: Use::default(),
            owners: HashMap::new(),
            origins: HashMap::new(),
            names: RandomState::new(),
        }
    }

    pub(super) fn owner(&self, key: &PublicKey) -> u32 {
        self.names.hash_one(key.0) as u32
    }

    /// Is there room for a record of `bytes`, or for a replacement that is `bytes` longer?
    pub(super) fn check(&self, owner: u32, origin: u32, replaces: bool, bytes: u64) -> Result<(), Share> {
        let records = u64::from(!replaces);
        let of = |uses: &HashMap<u32, Use>, who: u32| uses.get(&who).copied().unwrap_or_default();
        if !self.total.fits(records, bytes, self.limits) {
            Err(Share::Node)
        } else if !of(&self.owners, owner).fits(records, bytes, self.limits.part(OWNER_PART)) {
            Err(Share::Owner)
        } else if origin != OWN && !of(&self.origins, origin).fits(records, bytes, self.limits.part(ORIGIN_PART)) {
            Err(Share::Network)
        } else {
            Ok(())
        }
    }

    pub(super) fn take(&mut self, owner: u32, origin: u32, bytes: u64) {
        self.total.add(bytes);
        self.owners.entry(owner).or_default().add(bytes);
        self.origins.entry(origin).or_default().add(bytes);
    }

    pub(super) fn give_back(&mut self, owner: u32, origin: u32, bytes: u64) {
        self.total.give_back(bytes);
        for (uses, who) in [(&mut self.owners, owner), (&mut self.origins, origin)] {
            if let Some(used) = uses.get_mut(&who) {
                used.give_back(bytes);
                if used.records == 0 {
                    uses.remove(&who);
                }
            }
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.total.bytes
    }
}
