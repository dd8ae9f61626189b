//! DPoR on the ledger: deposits, campaigns, elections and rewards as modules, and the application that asks the engine to seat whom
//! they elect (white paper 2.3, 5.1). The rules of ranking, drawing and paying are in [`crate::dpor`].
//!
//! | part | what it is |
//! | --- | --- |
//! | [`Settings`] | what all nodes of a chain agree on |
//! | [`Dpor`] | the ledger with these modules, as an [`Application`](crate::Application) |
//! | [`RNodes`] | the pool of deposits (module `rnode`) |
//! | [`Campaigns`], [`Claim`] | who stands for election, and the elections (module `dpor`) |
//! | [`admission`] | the proofs of work that a claim carries |
//! | [`economy`] | the pool whose deposits earn by seasons, a module to be added by [`LedgerBuilder::module`](super::LedgerBuilder::module) |
//! | [`Report`] | what other modules tell of accounts, for their reputation |
//! | [`Rewards`] | pays the proposer of each final block (module `reward`) |
//! | [`DporView`] | committees, candidates, deposits, reputations |
//!
//! # Terms
//! Term t has the heights from t · n + 1 to (t + 1) · n, where n = proposers · rounds. What is executed at its last height decides
//! who proposes in term t + 3. The first three terms have the first default proposers.
//!
//! # Rules, and the tests that hold them (`tests/ledger_dpor.rs`, `tests/elections.rs`)
//! - An RNode deposits once, at least [`Settings::deposit`]; it leaves after [`Settings::lock`] heights, and not as long as a present or
//!   future term has a seat for it (`an_elected_rnode_cannot_withdraw`). The original did not look at seats.
//! - A claim is for the elections at the ends of the next 1 to 3 terms, by an RNode, with both proofs over a final block of the last 10
//!   heights, by software that the chain supports, and not before the claim before it ends (`claims_are_refused_for_each_reason`).
//! - Each block carries the beacon of its proposer, and nothing else of it reaches the seed: no content of a block changes who is
//!   elected (`a_blocks_content_never_changes_the_seed`). A block without it, or with another's, is illicit
//!   (`a_block_without_its_beacon_is_illicit`).
//! - A final block pays its proposer from the vault that genesis fills; an impeached height pays nothing, and takes a ninth of its
//!   proposer's reputation (`rewards_are_paid_and_impeachments_counted`).
//! - Nothing walks over all depositors: a block costs as much as its transactions, an election as much as its candidates.
//! - Money is conserved, ledgers agree, replays are refused, whatever is sent
//!   (`random_histories_conserve_money_and_agree`).
//! - Five years of rewards empty the vault and make nothing (`five_years_of_rewards_empty_the_vault_and_make_nothing`).
//! - All nodes seat the same committee, term after term, also when proposers misbehave
//!   (`elected_proposers_take_their_seats`).

pub(in crate::ledger) mod activity;
pub mod admission;
mod application;
mod campaign;
pub mod economy;
pub(in crate::ledger) mod elections;
mod report;
mod reward;
mod rnode;
mod settings;
mod view;

pub use {
    application::{Dpor, SOFTWARE},
    campaign::{Campaigns, Claim},
    report::Report,
    reward::Rewards,
    rnode::{PoolCall, RNodes},
    settings::{Settings, SettingsError},
    view::{DporView, Standing},
};
