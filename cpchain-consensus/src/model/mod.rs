//! Model checking of LBFT (feature `model`): every reachable state of a small committee, for whoever wants to know why the rules
//! are what they are.
//!
//! ```text
//! cargo run --release -p cpchain-consensus --no-default-features --features model --example lbft-model
//! cargo run --release -p cpchain-consensus --no-default-features --features model --example lbft-model -- paper
//! cargo test --release -p cpchain-consensus --no-default-features --features model --test model
//! ```
//!
//! The second prints the shortest fork that the white paper's literal rule allows. `spec/` has the same rules in TLA+.
//!
//! # The models
//! | model | what runs | free | bounds in the tests |
//! | --- | --- | --- | --- |
//! | [`Votes`], [`Counts`] | the rules of votes alone | every order, loss, jump and restart | n = 4 to 7, 3 heights; two terms |
//! | [`Quotient`] | the real core ([`Lbft`](crate::lbft::Lbft)) | every order and loss; pulls are answered | n = 4, 3 heights; n = 7, 2 heights |
//! | [`Quotient`] of a [`Setup::boundary`] | the real core across a boundary of terms, with its log and its hand-over | also restarts and power cuts; a timely run with real messages | n = 4, last height 1, one closing height, one height of the next term |
//! | [`Machine`] | the real core with its log, and a timely run with its real messages | also lost pulls, restarts, power cuts | n = 4, 1 and 2 heights |
//!
//! In all of them Byzantine validators have signed everything, always, and proposers are Byzantine: two blocks on every
//! parent, one at the last height. The checker is `stateright`.
//!
//! # What holds in every state (`tests/model.rs`)
//! - No two final blocks on different chains; never two P-certificates at one height; never a C-certificate and an impeach
//!   certificate at one height; no honest core stops (`votes_never_fork`, `the_core_never_forks_in_three_heights`).
//! - A P-certificate and an impeach certificate at one height do occur.
//! - A timely network brings the next height with an honest proposer to be final: played with the real cores and messages in
//!   two orders of delivery ([`Setup::timely_one_in`] says from how many of the states;
//!   `every_state_recovers_in_a_timely_network`). Whatever was under way before is lost.
//!
//! # The boundary of two terms (`the_core_crosses_the_boundary_of_two_terms`)
//! Four validators serve a term that ends at height L. One of them leaves, one comes, the Byzantine one serves in both. The
//! application names another committee for every chain that the term could end on, and what an old committee signed stays for
//! ever. In every state:
//! - no fork, as above; records count, so that a height that is a block for one and impeached for another is a fork;
//! - whoever is in the next term holds L final by a C-certificate of the old committee, of L or a closing height;
//! - no honest core stops, whatever certificates of the other term and whatever proven hand-over it meets;
//! - a [`LightClient`](crate::lbft::LightClient) that is shown every HANDOVER that was signed takes the committee that follows
//!   from the final records, and no other, one of nobody's application included;
//! - a timely network brings the height after the explored ones to be final at all honest validators, the one that left
//!   included, and each of them then has a proof of hand-over that a light client takes. Real validators are brought to the
//!   state by the events that led there, with signatures that were given by then.
//!
//! `lbft-model -- boundary` prints 284,012 states for that, 168 states of one validator and 2,797 timely runs; `boundary-large`
//! goes on to two closing heights, two heights of the next term, and a last height of 2.
//!
//! It does occur that a closing height ends the term with nothing final at L, and that both terms vote at once. Votes alone
//! do not fork there either (`two_terms_never_fork`).
//!
//! Every rule of the boundary is missed (`every_mutant_of_the_boundary_is_found`): without closing heights the chain stops; a next
//! term that starts with a P-certificate forks, as does one that starts with f+1 COMMITs, and one in which the members of
//! the old term vote on; votes that do not name their term make an honest core meet an old certificate as one of its own and
//! stop; f HANDOVERs prove any committee. f+1 would prove none but the right one (`f_plus_one_hand_overs_name_no_other_committee`):
//! the quorum asks for more, and costs nothing, since all honest validators of the old term say it.
//!
//! # What each rule is for
//! A core or a vote without one of the rules is found to fork (`every_mutant_of_the_votes_forks`,
//! `every_mutant_of_the_core_forks`); with a literal reading of what is durable, repeated, jumped over or tested again it
//! stops for ever (`every_literal_reading_stops_the_chain`), and so does a term without closing heights
//! (`l6_without_closing_heights_a_term_can_end_for_ever`). One PREPARE a height is the exception: without it the votes fork, while
//! the real core that meets two P-certificates stops and says so (`two_prepares_make_two_certificates`).
//!
//! # Why the reductions are sound
//! - *No network.* A signature stays a signature: a message may come now, later, twice or never, so that loss and
//!   duplication need no actions of their own.
//! - *Certificates in place of votes.* The core judges certificates alone. A single vote changes a count and nothing else until
//!   a certificate is complete, and that certificate may then be delivered.
//! - *One automaton.* The core is deterministic and its inputs name no other validator but by signatures in certificates, so
//!   each transition of one validator runs once. All honest validators that serve in the same terms are
//!   this automaton (`validators_are_the_same_automaton_under_every_name`), and their order does not matter.
//! - *Only when it matters.* Blocks arrive when they are justified at the current height, or pulled; certificates of lower heights
//!   when pulled. Earlier they change no vote; [`Setup::wild`] does without this.
//! - *Effects at once.* The application accepts every payload, in the same step: a refused payload is impeached as a timer is.
//! - *The quotient* forgets of left heights all but the number of votes; with power cuts two validators are one only if they are
//!   so after one too. It reaches the votes that the core reaches
//!   (`the_quotient_reaches_the_votes_that_the_core_reaches`), as counting voters does (`counting_voters_is_an_exact_quotient`).
//!
//! # What is not covered
//! More heights; liveness under every fair schedule (two are played); signatures; lengths of timers; more than two terms. At the
//! boundary mutants are searched until the first find. States are told apart by 64-bit fingerprints.

pub use {
    catalogue::{boundary_mutants, core_mutants, early_starts, literal_readings, vote_mutants},
    counts::Counts,
    event::{Event, Log},
    machine::{Happens, Machine, Setup, Together},
    quotient::{Abstract, Quotient},
    search::{Found, Told, search},
    tally::{Start, VoteRules},
    universe::NextTerm,
    votes::{Ballot, Cast, Votes},
};

mod automaton;
mod boundary;
mod catalogue;
mod counts;
mod event;
mod machine;
mod past;
mod quotient;
mod search;
mod tally;
mod timely;
mod universe;
mod validator;
mod votes;
mod world;
