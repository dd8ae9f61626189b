//! What happens to an order, and what follows from it.

use cpchain_crypto::{
    Digest, PublicKey,
    block::{HEADER_LEN, LeafCommitment, LeafSecrets},
    key_tree::TreeNode,
};

use super::{
    judge::{FragmentError, FragmentId},
    order::State,
    stream::StreamState,
    terms::TermsError,
};
use crate::units::{Amount, Height};

/// What a party asks of an order. Who asks, and when, is in the [`Context`](super::Context).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The buyer takes the offer back.
    Cancel,
    /// The seller accepts; the chain draws the proxies.
    Accept {
        /// What the seller puts at stake: n fees at least.
        bond: Amount,
    },
    /// The seller hands over: one capsule a node, one sealed bundle of key fragments a drawn proxy.
    Grant {
        /// The key that signed the key fragments.
        verifying_key: Vec<u8>,
        /// The nodes of [`Terms::nodes`](super::Terms::nodes), in that order.
        nodes: Vec<GrantedNode>,
        /// One for each drawn proxy, in the order of the draw.
        proxies: Vec<ProxyGrant>,
    },
    /// A drawn proxy delivers: one capsule fragment for each granted node, in order.
    Fragments(Vec<Vec<u8>>),
    /// A drawn proxy shows that what was sealed to it is no good.
    BadGrant {
        /// The sealed bundle as the seller granted it.
        sealed: Vec<u8>,
        /// The opening of it, as the re-encryption scheme defines it.
        proof: Vec<u8>,
    },
    /// The buyer is content.
    Confirm,
    /// The buyer shows that it was sold something else.
    Complain(Box<Complaint>),
}

/// A granted node of the key tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedNode {
    /// Its place.
    pub node: TreeNode,
    /// The delegating key of this node alone.
    pub delegating_key: Vec<u8>,
    /// The seed of the node, encapsulated to that key.
    pub capsule: Vec<u8>,
}

/// What one proxy is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyGrant {
    /// The id of its key fragment for each node: nobody else's capsule fragments count as this proxy's.
    pub fragment_ids: Vec<FragmentId>,
    /// Its key fragments, encrypted to it.
    pub sealed: Vec<u8>,
}

/// Why the buyer wants its money back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complaint {
    /// A leaf is not what was committed to, shown with its own secrets: nothing else of the interval is opened.
    ///
    /// The commitment binds key and salt together, so that neither can be made up to make an honest leaf look bad.
    BadLeaf {
        /// The leaf.
        leaf: LeafEvidence,
        /// Key and salt of that leaf.
        secrets: LeafSecrets,
    },
    /// The fragments on the chain do not open the capsule, or open it to a key that is off the commitment.
    BadKey {
        /// The secret of the order's buyer key.
        secret: Vec<u8>,
        /// Which granted node, by its place in the grant.
        node: u32,
        /// The fragments posted for this node, one of each posting proxy.
        fragments: Vec<PostedFragment>,
        /// A leaf below the node, needed when the capsule does open.
        leaf: Option<LeafEvidence>,
    },
}

/// A capsule fragment as a proxy posted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedFragment {
    /// Who posted it.
    pub proxy: PublicKey,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// One leaf with its path to the root that the order names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafEvidence {
    /// Header of the sealed block.
    pub header: [u8; HEADER_LEN],
    /// Number of the leaf in its block.
    pub leaf: u32,
    /// The sealed leaf: ciphertext and tag.
    pub sealed: Vec<u8>,
    /// What the manifest commits to for it.
    pub commitment: LeafCommitment,
    /// Place of the leaf among all of the manifest.
    pub index: u64,
    /// Siblings up to the root.
    pub path: Vec<Digest>,
}

/// Which of a party's locked sums an effect is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// The buyer's price, fees and bond.
    Payment,
    /// The seller's bond.
    Bond,
    /// A proxy's stake.
    Stake,
}

/// Why money changes hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The price of the data.
    Price,
    /// The fee of a posting proxy.
    Fee,
    /// What a party at fault pays to the one that it harmed.
    Damages,
}

/// What a party showed of itself, for reputation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The seller delivered what it sold.
    Sold,
    /// The buyer bought and did not complain in vain.
    Bought,
    /// The proxy posted verified fragments.
    Delivered,
    /// The proxy was drawn and stayed silent, and the sale failed.
    Silent,
    /// The seller did not grant, granted badly, or sold bad data.
    Faulted,
    /// The buyer's complaint did not hold.
    FalseComplaint,
}

/// What the ledger has to do. Performed all or none, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Locks a party's own money for the order.
    Hold {
        /// Whose.
        party: PublicKey,
        /// As what.
        purpose: Purpose,
        /// How much.
        amount: Amount,
    },
    /// Gives locked money back to the party that locked it.
    Release {
        /// Whose.
        party: PublicKey,
        /// What it was locked as.
        purpose: Purpose,
        /// How much.
        amount: Amount,
    },
    /// Pays from a party's locked money to another.
    Transfer {
        /// Who pays.
        from: PublicKey,
        /// What it was locked as.
        purpose: Purpose,
        /// Who is paid.
        to: PublicKey,
        /// How much.
        amount: Amount,
        /// What for.
        reason: Reason,
    },
    /// Burns a party's locked money.
    Slash {
        /// Whose.
        party: PublicKey,
        /// What it was locked as.
        purpose: Purpose,
        /// How much.
        amount: Amount,
    },
    /// Tells the reputation module.
    Reputation {
        /// About whom.
        party: PublicKey,
        /// What it did.
        outcome: Outcome,
    },
}

/// Why an event changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EscrowError {
    /// The order has ended.
    #[error("the order has ended ({0:?})")]
    Ended(State),
    /// The event does not belong in this state.
    #[error("this cannot be done to an order that is {0:?}")]
    WrongState(State),
    /// The stream order has ended.
    #[error("the stream order has ended ({0:?})")]
    StreamEnded(StreamState),
    /// The event does not belong in this state of a stream order.
    #[error("this cannot be done to a stream order that is {0:?}")]
    StreamState(StreamState),
    /// The deadline has passed; the order goes on by time alone.
    #[error("the deadline was block {0}: tick the order")]
    TooLate(Height),
    /// Another party's event.
    #[error("only the {0} can do this")]
    NotYours(&'static str),
    /// The offer cannot stand.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The seller's bond is too small or over the limit.
    #[error("the seller's bond must be {least} at least, and within the limit")]
    SellerBond {
        /// All fees together.
        least: Amount,
    },
    /// Too few proxies of the listing have enough stake.
    #[error("{found} of the listing's proxies have {stake} to stake, {wanted} are needed")]
    TooFewProxies {
        /// Those that have.
        found: usize,
        /// n.
        wanted: usize,
        /// The stake of each.
        stake: Amount,
    },
    /// The grant does not match the order.
    #[error("the grant does not fit the order: {0}")]
    Grant(&'static str),
    /// A bundle must have one fragment for each granted node.
    #[error("the bundle has {found} fragments, the grant {expected} nodes")]
    BundleLength {
        /// What came.
        found: usize,
        /// Granted nodes.
        expected: usize,
    },
    /// This proxy has posted its bundle.
    #[error("this proxy has posted its bundle already")]
    Posted,
    /// A fragment is refused.
    #[error("fragment {index}: {error}")]
    Fragment {
        /// Its place in the bundle.
        index: usize,
        /// Why.
        error: FragmentError,
    },
    /// The proof against the seller's grant does not verify.
    #[error("the proof does not show that the grant is bad")]
    NotProven,
}
