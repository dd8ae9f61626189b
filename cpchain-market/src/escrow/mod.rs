//! Fair exchange: escrow on verified capsule fragments.
//!
//! The buyer first downloads and checks the sealed data and the list of leaf commitments; only then is money at stake.
//! The seller then grants keys through `n` proxies drawn by the chain, and the price is released when `t` of them have
//! put fragments on the chain that the chain itself verified. A bad sale is proven by one leaf, not voted on.
//!
//! Each row of the first two tables below is a test in `tests/escrow_table.rs`, of the third in `tests/escrow_stream.rs`; the defects of
//! the original contract are tests in `tests/escrow_original_defects.rs`, and who can cheat with what outcome is the table of
//! `tests/escrow_cheating.rs`. Each rule that is left out is missed by the model checker (`every_mutant_is_found`).
//!
//! This module is a pure state machine. One [`Order`] is one value: a chain module keeps its bytes
//! ([`Order::to_bytes`]), calls [`Order::offer`], [`Order::apply`] and [`Order::tick`], and performs the [`Effect`]s on
//! its balances, **all or none**: when a [`Effect::Hold`] cannot be met, the old bytes stay.
//!
//! | state | event (by) | guard | next |
//! | --- | --- | --- | --- |
//! | – | offer (buyer) | price as listed or more, bond ≥ price, 1 ≤ t ≤ n | Offered |
//! | Offered | cancel (buyer), or `accept_blocks` pass | | Cancelled: all back |
//! | Offered | accept (seller) | bond ≥ n fees; n staked proxies drawn from the listing's set | Accepted |
//! | Accepted | grant (seller) | capsules and sealed key fragments for exactly the bought intervals | Granted |
//! | Accepted | `grant_blocks` pass | | SellerFault |
//! | Granted | fragments (proxy) | every fragment verifies; one bundle a proxy, covering all granted nodes | Granted, or Delivered at the t-th |
//! | Granted | bad grant (drawn proxy) | the proof verifies | SellerFault |
//! | Granted | `fragment_blocks` pass | | Refunded |
//! | Delivered | confirm (buyer), or `dispute_blocks` pass | | Settled |
//! | Delivered | complain (buyer) | the proof holds | SellerFault |
//! | Delivered | complain (buyer) | the proof fails | Settled, and the buyer's bond goes to the seller |
//!
//! Who gets what at the end:
//!
//! | end | price | fees | buyer's bond | seller's bond | stakes |
//! | --- | --- | --- | --- | --- | --- |
//! | Cancelled | buyer | buyer | buyer | – | – |
//! | Refunded | buyer | buyer | buyer | seller | posting proxies: back. Silent ones: pay the posting proxies' fees, then the price to the seller; the rest burns |
//! | Settled | seller | one to each posting proxy, the rest to the buyer | buyer (seller after a false complaint) | seller | back |
//! | SellerFault | buyer | buyer | buyer | one fee to each posting proxy; of the rest 80 % to the buyer, 20 % burns | back |
//!
//! Invariants, for any sequence of events by Byzantine parties, held by `tests/escrow_properties.rs` at random and by the model
//! checker in every state of two proxies (`cargo test -p cpchain-market --lib model`; of three with `--release -- --ignored`): money in = money
//! out; every state but the last ones ends by time alone; no seller is paid with fewer than `t` valid fragments; no buyer
//! is refunded after Delivered without a valid proof; the price goes to the buyer or the seller and to nobody else.
//!
//! An event at or after the deadline is refused ([`EscrowError::TooLate`]): the chain module ticks its open orders at
//! the start of each block, so that time and events never race.
//!
//! Selling a stream: the roots of intervals to come do not exist yet. A [`StreamOrder`] locks money for many intervals and settles
//! them one after the other; each is an order of its own while it is under way, and asking for the next is the buyer's word for all before.
//!
//! | state | event (by) | guard | next |
//! | --- | --- | --- | --- |
//! | – | offer (buyer) | price of an interval as listed or more, bond ≥ price; all intervals, fees and bond are locked | Offered |
//! | Offered | cancel or stop (buyer), or `accept_blocks` pass | | Stopped: all back |
//! | Offered | accept (seller) | bond ≥ n fees; n staked proxies drawn | Open |
//! | Open | ask (buyer) | root of the next interval, a fresh key | Asked |
//! | Open, Asked | stop (buyer or seller), or `dispute_blocks` and `grant_blocks` pass | | Stopped: what is unspent back |
//! | Asked | grant (seller) | capsules and sealed key fragments for exactly this interval | Granted |
//! | Granted | fragments (proxy) | as in an order | Granted, or Delivered at the t-th |
//! | Granted | bad grant (drawn proxy) | the proof verifies | SellerFault |
//! | Granted | `fragment_blocks` pass | | Refunded |
//! | Delivered | confirm or ask (buyer), or `dispute_blocks` pass | | the interval is paid: Open (Asked after an ask); Stopped after the last |
//! | Delivered | stop (buyer) | | the interval is paid: Stopped |
//! | Delivered | complain (buyer) | the proof holds | SellerFault |
//! | Delivered | complain (buyer) | the proof fails | the interval is paid: Stopped, and the buyer's bond goes to the seller |
//!
//! Every end gives back what was locked for intervals that were not delivered. The interval under way ends as an order of it would; those
//! before it stay paid. A seller that declines an interval by stopping loses nothing: the buyer may have made its root up.
//!
//! Invariants, for any sequence of events by Byzantine parties, in every state that the model checker reaches
//! (`streams_whatever_anybody_does`) and missed by it as soon as a rule is left out (`every_stream_mutant_is_found`): money in = money out;
//! every state but the last ones ends by time alone; an interval is paid only with `t` valid fragments for it; after a delivery its price comes
//! back by a valid proof only; a buyer that told no lie pays for delivered intervals alone.

mod command;
mod draw;
mod event;
mod judge;
mod machine;
mod messages;
#[cfg(test)]
mod model;
mod order;
mod payout;
mod stream;
mod terms;
mod wire;

pub use command::Command;
pub use draw::{Candidate, draw};
pub use event::{
    Complaint, Effect, EscrowError, Event, GrantedNode, LeafEvidence, Outcome, PostedFragment, ProxyGrant, Purpose,
    Reason,
};
pub use judge::{FragmentError, FragmentId, FragmentKeys, FragmentVerifier, OpenedAs, Recovered, open_leaf};
pub use machine::{Context, Rules, Step};
pub use order::{Order, OrderId, Slot, State};
pub use stream::{Ask, StreamEvent, StreamOrder, StreamState, StreamStep, StreamTerms};
pub use terms::{
    MAX_CAPSULE, MAX_FRAGMENT, MAX_KEY, MAX_NODES, MAX_PROOF, MAX_PROXIES_DRAWN, MAX_SEALED, Terms, TermsError,
};
pub use wire::CodecError;
