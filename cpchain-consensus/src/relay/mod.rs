//! Relaying between gateways, witnessed: a message's origin promises a reward, each gateway on its way signs for it to the one before, and
//! the destination's receipt makes the way worth its reward (white paper 2.5.2).
//!
//! | part | what it is |
//! | --- | --- |
//! | [`Envelope`] | sealed by the origin: to whom, what, for how much |
//! | [`Receipt`] | signed by who took a message over, for who handed it over; names the receipt of the hop before and others |
//! | [`Dag`] | receipts in any order, linked by their digests; what each relay has earned |
//! | [`Carriage`] | one way from origin to destination as bytes that prove themselves |
#![cfg_attr(
    feature = "ledger",
    doc = "| [`Relays`] | the ledger's module: pays each way once, from what its origin paid in |"
)]
//!
//! # Protocol
//! Who takes a message over signs **before** it gets the content, which the envelope names by digest. So it cannot take a message and keep
//! the receipt, and it cannot later name another one as the hop before without a second signature for the same envelope: the graph
//! then credits neither way.
//!
//! # Rules, and the tests that hold them (`tests/relay_graph.rs`)
//! - Credits are a function of the set of receipts: the order in which they come, and repeats, change nothing
//!   (`any_order_gives_the_same_credits`).
//! - A receipt names others by digest, so receipts form a graph without cycles; what is named and not there is
//!   [missing](Dag::missing), and pays nothing until it comes (`a_way_with_a_gap_pays_nothing_until_it_is_closed`).
//! - A way pays if it leads from the origin to the destination over 1 to [`MAX_HOPS`] relays, each once, none of them origin or
//!   destination (`a_way_pays_all_its_relays`, `self_relays_earn_nothing`).
//! - An envelope pays its reward once, shared by the relays of the way: a longer way earns no more (`a_longer_way_earns_no_more`).
//! - A gateway that signs two receipts for one envelope voids every way through it (`two_receipts_of_one_gateway_void_the_way`).
#![cfg_attr(
    feature = "ledger",
    doc = "- The ledger pays an envelope once, before it expires, from what its origin paid in; all money is there before and after
  (`tests/relay.rs`: `the_ledger_pays_each_envelope_once`)."
)]
//! - Everything decoded is bounded, and its one encoding (`arbitrary_bytes_are_refused`, `every_byte_is_bound`).
//!
//! # Sybils
//! Keys are free, so whatever a set of keys can sign among themselves must be worth nothing. Here the origin pays: its sealed envelope is the
//! only source of money. Relays, destination and origin in one hand move money of that hand. Splitting one relay into many
//! divides one reward. What remains, and is not solved by receipts: a destination that takes a message and signs nothing, a gateway that
//! gives no service, and which of two ways an origin prefers. They show in the [`Dag`] as absence, and are answered by whom one relays for
//! next: `lab relay` of the benches simulates that.
//!
//! ```
//! use cpchain_consensus::{ChainId, Height, relay::{Carriage, Dag, Envelope, Order, Receipt}};
//! use cpchain_crypto::{Digest, Signer, SigningKey};
//!
//! let [origin, relay, destination] = [1, 2, 3].map(|seed| SigningKey::from_seed(&[seed; 32]));
//! let chain = ChainId::new("example", b"");
//! let (content, destination_key) = (Digest::content(b"the road is icy"), destination.public_key());
//! let order = Order { chain, destination: destination_key, number: 1, expires: Height(100), reward: 300, content };
//! let envelope = Envelope::seal(&origin, order);
//! let first = Receipt::sign(&envelope, &relay, origin.public_key(), None, &[])?;
//! let last = Receipt::sign(&envelope, &destination, relay.public_key(), Some(&first), &[])?;
//!
//! let mut dag = Dag::new(chain);
//! for bytes in [last.to_bytes(), first.to_bytes()] {
//!     dag.insert(Receipt::open(&bytes)?)?;
//! }
//! dag.witness(envelope)?;
//! assert_eq!(dag.credits()[&relay.public_key()], 300);
//!
//! // One way, as bytes for the ledger.
//! let carriage = dag.carriage(&last.envelope()).ok_or("no whole way")?;
//! let proved = Carriage::open(chain, &carriage.to_bytes())?;
//! assert_eq!(proved.shares(), [(relay.public_key(), 300)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod carriage;
mod dag;
mod envelope;
#[cfg(feature = "ledger")]
mod module;
mod receipt;

#[cfg(feature = "ledger")]
pub use module::{MAX_BATCH, NOTICE, RelayCall, Relays};
pub use {
    carriage::{Carriage, MAX_HOPS},
    dag::{Dag, MAX_RECEIPTS},
    envelope::{ENVELOPE_BYTES, Envelope, Order},
    receipt::{MAX_KNOWN, Receipt},
};

/// Why something about relaying is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// Not the one encoding of an envelope, receipt or way.
    #[error("not an envelope, receipt or way of this version")]
    Malformed,
    /// The signature is not that of the key that is named.
    #[error("the signature does not belong to the key that is named")]
    Signature,
    /// Of another chain.
    #[error("the envelope is of another chain")]
    WrongChain,
    /// The receipts do not lead from the origin to the destination.
    #[error("the receipts do not lead from the origin to the destination over relays that are each there once")]
    Broken,
    /// A graph holds no more.
    #[error("the graph is full; drop what is settled")]
    Full,
    /// More receipts known than one may name.
    #[error("a receipt names at most {MAX_KNOWN} others")]
    TooManyKnown,
}
