//! Two chains that check each other: a main chain and a side chain of gateways, each a light client of the other (white paper 2.5).
//!
//! The same module runs on both. A main chain [registers](BridgeCall::Register) a side chain by its first committee, with a deposit; a side
//! chain knows its main chain [from genesis](Bridge::found). From then on anybody brings headers and certificates; what a quorum of the other
//! chain certified anchors it here, and every value of its state can be proved against it.
//!
//! | part | what it is |
//! | --- | --- |
//! | [`Bridge`] | the module |
//! | [`BridgeCall`] | what a transaction asks of it |
//! | [`BridgeView`] | what of the other chain is known here; what a transfer needs to be proved |
//!
//! # Money
//! Sending moves money into the vault of the other chain, receiving moves it out of that vault. On the main chain the vault is empty at first:
//! it holds what was locked for the side chain, and no more can ever come back. On the side chain it holds the whole reserve at first,
//! out of anybody's reach, so that what circulates is what came in. So the module makes and burns nothing on either side.
//!
//! # Rules, and the tests that hold them (`tests/bridge.rs`)
//! - Only what a quorum of the committee in office certified counts, across terms, and in order (`forged_and_reordered_headers_are_refused`,
//!   `the_bridge_follows_terms`).
//! - Work for one transaction is bounded: [`MAX_HEADERS`] headers, one certificate, one proof (`work_is_bounded`).
//! - Roots of the last [`KEPT_ROOTS`] anchors serve; older ones do not (`old_roots_are_refused`).
//! - A transfer arrives once, in the order in which it was sent, and only on the chain that it was sent to
//!   (`a_transfer_arrives_once_and_in_order`, `transfers_to_other_chains_are_refused`).
//! - What circulates on the side chain is what the main chain holds for it; nothing is lost or made on either
//!   (`money_is_conserved_on_both_chains`).
//! - A side chain whose whole committee lies takes at most what is locked for it (`a_corrupt_committee_takes_at_most_what_is_locked_for_it`).
//! - Two certificates of one height cost the deposit and end the side chain here (`two_certificates_of_one_height_end_the_side_chain`).
//! - An entry of any module crosses as a copy with the height that it was proved at, both ways, and an older one never replaces a newer one
//!   (`vouchers_cross_both_ways`).
//!
//! # Trust
//! The main chain trusts a side chain's committee with the money locked for that side chain, and nothing else. A holder of money on the side
//! chain trusts it with all of it, as on any chain. Committees hand over to the next one by a quorum of their own: gateways that were in an
//! old committee must keep their keys until the main chain has heard of the next one.

mod call;
mod codec;
mod module;
mod peer;
mod transfer;
mod view;

pub use {
    call::{BridgeCall, MAX_HEADERS},
    module::Bridge,
    peer::{KEPT_ROOTS, PeerStatus},
    view::BridgeView,
};
