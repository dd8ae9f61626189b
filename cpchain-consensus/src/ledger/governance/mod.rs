//! Votes and penalties on the ledger (white paper 2.4.1, 4, 5.1.1): who decides what the chain becomes, and what misbehaviour costs.
//!
//! **Economy nodes** vote on the chain's parameters, on updates of the software, on industry nodes and on the public vault. A vote weighs as
//! much as the deposit in the economy pool that earns. **Validators** vote on who validates, one vote each. The white paper gives
//! the first "the right to vote in the community", and has the second nominated; an **industry node**, whose "right to participate" it does not
//! detail, is here an account that a vote admits to elections with a reputation that it has at least: the vote stands in place of
//! a deposit and of the proofs of admission, and impeachments lower it as everyone's.
//!
//! # Rules, and the tests that hold them (`tests/ledger_governance.rs`, `tests/ledger_penalties.rs`)
//! - An economy proposal passes at the last height of its vote if enough of all deposits that earn was cast, and more than a
//!   share of that was in favour (`a_vote_needs_a_quorum_and_a_majority`).
//! - A deposit that a vote counts stays in its pool up to that height, so it counts once; a vote may be changed until then
//!   (`a_deposit_that_votes_stays`, `a_vote_may_be_changed`).
//! - More than two thirds of the validators in office pass a change of validators at once; votes of those who left do not count
//!   (`validators_decide_on_validators`). It happens at the end of the term, and more than a third of those in office
//!   always stay (`more_than_a_third_stays`).
//! - The deposit of a proposal goes back to its sender, unless too few took part: then it goes to the public vault
//!   (`a_deposit_is_returned_or_forfeited`).
//! - From its height on, a soft update keeps older software from claiming, and a hard one from going on: it stops with
//!   [`Outdated`](crate::Outdated) (`a_soft_update_gates_claims`, `a_hard_update_stops_old_nodes`).
//! - An industry node is a candidate without deposit and proofs (`an_industry_node_stands_by_vote_alone`).
//! - Two statements that exclude each other, by a member of a term that is kept, cost an RNode a part of its deposit and its next
//!   elections, and a validator its office; seats that it has already stay its own. A height is punished once. Evidence that proves nothing costs its
//!   sender a fee (`evidence_is_punished_once`, `false_evidence_costs_its_sender`, `an_old_terms_committee_is_checkable`).
//! - An account whose impeached heights in the window reach [`GovernanceSettings::impeachments`] is barred as well
//!   (`who_fails_again_and_again_is_barred`).
//! - No step walks over all depositors or proposals. Whatever is sent, money is conserved and ledgers agree
//!   (`random_votes_conserve_money_and_agree`).
//!
//! A vote of validators may open with every height, so that a faulty one is replaced within a term. The settings are part of
//! [`Settings`](super::dpor::Settings):
//!
//! ```
//! use cpchain_consensus::{
//!     Height, dpor::election::{Election, Seats},
//!     ledger::{Amount, Genesis, Ledger, dpor::{Dpor, Settings, economy::{Economy, EconomySettings}}},
//!     ledger::governance::{GovernanceSettings, GovernanceView},
//! };
//! use cpchain_crypto::{PublicKey, vrf::VrfSecretKey};
//!
//! let default = (PublicKey([1; 32]), VrfSecretKey::from_seed(&[1; 32]));
//! let election = Election::new(Seats::of(1)?, vec![default.0])?;
//! let validators = vec![PublicKey([3; 32])];
//! let settings = Settings::new(election, vec![default.1.public_key()])?
//!     .with_governance(GovernanceSettings::new(validators.clone())?)?;
//! let economy = EconomySettings::default();
//! let genesis = economy.found(settings.found(Genesis::new()), Amount::ZERO);
//! let ledger = Ledger::builder(genesis.chain_id("example"), genesis).module(Economy::new(economy));
//! let dpor = Dpor::build(settings, ledger, None)?;
//! let votes = GovernanceView::new(dpor.ledger_view());
//! assert_eq!(votes.members(cpchain_consensus::Term(0)).map(|members| members.validators), Some(validators));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod action;
mod ballot;
mod call;
mod effect;
mod module;
mod penalty;
mod proposal;
mod settings;
mod validators;
mod view;

pub use {
    action::{Action, Electorate, Parameter},
    call::GovernanceCall,
    module::Governance,
    proposal::{Proposal, ProposalId, Status},
    settings::{GovernanceError, GovernanceSettings},
    validators::Members,
    view::GovernanceView,
};
pub(in crate::ledger) use {
    ballot::locked_until,
    effect::{barred, industry, oldest, outdated, parameter},
    validators::members,
};
