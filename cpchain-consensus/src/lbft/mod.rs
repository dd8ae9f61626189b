//! LBFT 2.0 as a pure state machine: [`Lbft::step`] takes what happened and says what to do.
//!
//! # Committee
//! `n` validators vote, of which `f = (n - 1) / 3` may be Byzantine; a certificate is `Q = n - f` votes
//! (`quorums_intersect_in_an_honest_validator_for_every_n`). Proposers take turns by height, on across terms and closing heights
//! (`turns_go_round_and_roles_follow_membership`), and need not be validators. Everyone else is a civilian: it
//! follows VALIDATE messages and checks certificates itself. Height 0 is genesis, certified and final.
//!
//! # Messages
//! | the paper's name | here | says |
//! | --- | --- | --- |
//! | PROPOSE | [`Message::Propose`] | a sealed block, the certificate of its parent, and the impeach certificate of the height below if the parent is lower |
//! | PREPARE | [`Message::Vote`], [`Kind::Prepare`] | the block is valid at this height |
//! | COMMIT | [`Message::Vote`], [`Kind::Commit`] | I hold a P-certificate, have checked the block, have not asked to impeach the height and never will |
//! | IMPEACH PREPARE | [`Message::Vote`], [`Kind::ImpeachPrepare`] | the proposer failed: timer, illicit block, or two blocks |
//! | (P-certificate) | [`Message::Certificate`] of PREPAREs | the next block may stand on this one |
//! | IMPEACH COMMIT | [`Message::Certificate`] of IMPEACH PREPAREs | the next block may skip this height |
//! | VALIDATE | [`Message::Certificate`] of COMMITs | the block and all its ancestors are final |
//! | – | [`Message::Vote`] and [`Message::Certificate`], [`Kind::Handover`] | who serves the next term, by a validator and by a quorum of the ended one |
//! | – | [`Message::Pull`], [`Message::Block`], [`Message::Range`] | asking for blocks and certificates; a block, and a piece of the final chain, as the answer |
//!
//! A signature binds protocol, chain, term, kind, height and digest (`every_field_is_bound`), and a digest never commits to
//! certificates, which differ from node to node.
//!
//! # One validator
//! It has one current height H, one timer, and a [`State`] for each height that nothing final covers. The rows are
//! conditions, tested again after every input, certificates before timers.
//!
//! | state at h | when | do | next | in `rules.rs` |
//! | --- | --- | --- | --- | --- |
//! | idle, h = H | a valid PROPOSE whose justification is complete | log block and vote, send PREPARE | prepare | `row_prepare` |
//! | idle or prepare, h = H | the timer; an illicit block under the seal; two digests under it | log, send IMPEACH PREPARE | impeach prepare | `row_impeach` |
//! | idle or prepare, h ≥ H | a P-certificate, for the own PREPARE's block or another | log and forward it, enter h+1; when the block is here and checked: log, send COMMIT | commit, once sent | `row_certificate`, `row_commit` |
//! | impeach prepare, h = H | a P-certificate | log and forward it, enter h+1; never COMMIT at h | impeach prepare | `row_certificate` |
//! | not commit, h ≥ H | an impeach certificate | log and forward it, enter h+1; never COMMIT at h | impeach commit | `row_certificate` |
//! | any, h < H | a certificate | keep it for justifications | same | `row_certificate` |
//! | any | a C-certificate not yet covered | log it; block and ancestors are final; VALIDATE once; enter the next height | commit | `row_certificate`, `row_final` |
//! | closing height | a block there whose ancestors are here | it is valid if it is empty | same | `row_closing` |
//!
//! # Rules, and the tests that hold them
//! - At most one PREPARE a height; COMMIT and IMPEACH PREPARE exclude each other for ever, across restarts
//!   (`states_follow_the_table_and_survive_a_restart`, `impeach_prepare_never_commits`; in every simulated run).
//! - PREPARE only on a certified parent with every skipped height impeached; what is missing is pulled, and is not
//!   illicit (`unjustified_blocks_wait_and_pull`).
//! - Two digests under a seal, or a refused payload, impeach; the same block again does not (`illicit_and_second_blocks_are_impeached`).
//! - A block that a true PREPARE names beside the one under the seal is pulled, few at a time: whoever shows two blocks to
//!   two halves is proven and impeached (`a_second_block_is_pulled_and_proves_its_proposer`,
//!   `two_blocks_for_disjoint_halves_are_proven`).
//! - Log before send: [`Output::Persist`] is the first output (`log_before_send`; the simulator crashes between outputs).
//! - A proposer seals once per height, and sends the same block again after a restart (`a_proposer_seals_once_per_height`).
//! - Certificates are judged alone, whatever the local tally says (`certificates_are_judged_alone`).
//! - Certificates are durable with the COMMIT that relies on them (`l1_certificates_survive_a_crash`).
//! - Until H changes, votes, the entry certificate and the own proposal are repeated (`l3_a_lost_certificate_is_sent_again`).
//! - A certificate of any later height jumps (`l4_a_certificate_of_a_later_height_jumps`).
//! - The timer is base · 2^max(0, H − 1 − final − 2), capped, and comes down by halves
//!   (`grows_without_finality_and_comes_down_by_halves`, `l5_timers_grow_while_nothing_is_final`), closing blocks included
//!   (`closing_blocks_bring_the_timer_down`).
//! - The timer does not run against the fetching of a certified block (`l7_commit_waits_for_the_block_and_not_for_the_timer`).
//! - A P- and an impeach certificate at one height are normal (`both_certificates_at_one_height`).
//! - What proves more than `f` faults, or an own one, stops the votes and nothing else (`faults_stop_votes_and_nothing_else`,
//!   `a_certified_block_that_fails_the_own_check_is_a_fault`).
//! - A fault is in the log and silences the key for ever; so does a vote or seal of the own key that the log does not know,
//!   alone or in a certificate (`faults_stop_votes_and_nothing_else`, `a_proposer_that_meets_a_forgotten_seal_of_its_own_is_silent`).
//! - Votes wait unverified until a quorum could form, and are then checked in one batch (`votes_wait_for_a_quorum`,
//!   `forged_votes_are_found_and_blamed`, `a_forgery_does_not_keep_the_true_vote_out`).
//! - Every double vote is evidence, once for each key, term, height and pair of kinds, also when a certificate shows it
//!   (`every_double_vote_is_evidence_once_and_logged`, `a_certificate_gives_its_double_voters_away`).
//! - Votes are kept from the last final height to a window above H, but not those that a C-certificate covers far above
//!   the last final height; blocks in a window above it (`votes_out_of_the_window_are_not_kept`,
//!   `votes_that_catching_up_passes_are_not_kept`); every length on the wire has a cap (`bounds`).
//! - Certificates go to a few at once and to all when nothing moves (`every_validator_hears_from_as_many`,
//!   `a_certificate_that_one_node_has_reaches_all`, `large_committees_lose_no_liveness`); of committees that are large a few
//!   publish each VALIDATE (`few_validators_publish_what_all_have`).
//! - Blocks above the last final height are held up to a number of bytes, and up to a part of them from one proposer
//!   (`a_proposer_fills_no_more_than_its_share`, `held_bytes_are_bounded_and_the_chain_goes_on`); while nothing becomes
//!   final, blocks are small (`blocks_are_small_while_nothing_is_final`, `a_validator_prepares_no_more_than_it_can_hold`).
//! - Who was away catches up by ranges, each with one certificate, of whoever brings news and of others at the same time; a peer
//!   that lies costs one range (`ranges_bring_the_chain_with_one_certificate_each`, `a_lying_peer_costs_one_range`,
//!   `a_follower_among_followers_catches_up`, `parts_come_from_several_peers`, `slow_lying_and_silent_members_hold_nobody_up`).
//!
//! # Why it is safe
//! Two quorums share an honest validator. So a height has at most one P-certified block (one PREPARE each), and not both a
//! C-certificate and an impeach certificate (COMMIT excludes IMPEACH PREPARE). Let a block be final at h by its
//! C-certificate. A certified block above h stands on a chain whose links skip only impeached heights; h has no impeach
//! certificate, so the chain passes through a certified block at h, and that is the final one.
//!
//! # Why it goes on
//! Whoever leaves a height tells the others how, again and again; so after the network becomes timely all honest
//! validators enter a height within a delay of each other. There either a P-certificate forms, or who has none asks to
//! impeach. With an honest proposer and a timer over three delays plus fetch and execution no honest timer fires, and the
//! block is final three delays after its proposal.
//!
//! # Where this leaves the white paper (2.4), and why
//! - The paper impeaches with f+1 endorsements. f+1 validators can then finalise an impeach block where 2f+1 finalise the
//!   proposer's: a fork with one Byzantine validator. Here impeaching takes Q, and excludes COMMIT.
//! - There is no IMPEACH VALIDATE: an impeach certificate finalises nothing. The empty block of an impeached height is
//!   final with the first final block above it, and is a function of the last proposed block, the height and who failed
//!   ([`impeach_digest`]).
//! - The quorum is n - f and not 2f+1, which is unsafe unless n = 3f+1.
//! - A validator enters the next height with the P-certificate, and commits the lower one while the next is proposed.
//!
//! - The paper does not say what happens when a term ends with nothing final; here closing heights make it final.
//!
//! # Terms
//! The term is in every signature, block and certificate, and a [`Committee`] is that of one term. Let L be its last height.
//! - A term ends with a C-certificate at a height ≥ L: the records up to L are final
//!   (`terms_follow_each_other_and_the_sets_change`).
//! - If the heights up to L pass without one, the committee goes on with closing heights L+1, L+2, …: the same rules, empty blocks
//!   that no application sees, no place in the chain (`l6_a_whole_term_without_a_final_block`,
//!   `a_closing_block_with_a_payload_is_impeached`). They are forgotten when the term ends; heights of two terms are told
//!   apart by the term in keys and signatures.
//! - The application says who is next, from the state at L ([`Output::TermEnded`], [`Input::NextTerm`]). Until it has, the node
//!   only serves (`a_committee_that_does_not_follow_is_a_fault`).
//! - The next term begins at L+1 and stands on the record of L: its block, or its impeach block
//!   (`a_term_without_a_block_ends_too`).
//! - Each validator of the ended term signs a HANDOVER: its last height, and the digest of the next committee. `Q` of them prove
//!   to a light client who is next ([`LightClient::next_term`], `a_light_client_follows_terms_and_takes_nothing_else`); nodes
//!   go by their own application, and compare (`a_hand_over_to_another_committee_is_a_fault`). The proof is logged, answers
//!   every PULL of the last height, and counts for no block (`hand_overs_are_proven_or_punished`).
//! - Both committees send what ended the term, and that proof, until something of the next one is final
//!   (`an_old_validator_hands_over_until_the_new_term_has_a_final_block`).
//! - A message of a later term means that this node is behind: it pulls. A message of an ended term says nothing
//!   (`messages_of_other_terms_are_nobodys_fault`, `who_missed_the_boundaries_catches_up`).
//! - All of it survives a crash at any output (`a_restart_at_every_step_of_the_boundary`, `terms_survive_crashes_and_loss`).
//!
//! Why the boundary is safe: all C-certificates of a term are on one chain, so they agree on the records up to L, and so on
//! the state and on the next committee. A node votes in the next term only after it knows one, and a vote of one term counts
//! in no other. Why it goes on: closing heights are ordinary heights of the old committee, which is live, and its members
//! follow the hand-over.

mod block;
mod budget;
mod cache;
mod certificate;
mod committee;
mod engine;
mod evidence;
mod fetch;
mod finality;
mod forward;
mod handover;
mod intake;
mod io;
mod lanes;
mod light;
mod message;
mod mutant;
mod pacemaker;
mod proposer;
mod repeat;
mod round;
mod rules;
mod snapshot;
mod statement;
mod sync;
mod term;
mod votes;
#[allow(missing_docs, reason = "the fields are those of proto/lbft.proto, which describes them")]
pub(crate) mod wire;

#[cfg(feature = "model")]
pub use mutant::Rule;
pub use {
    block::{Block, Header, MAX_HEADER, impeach_digest},
    budget::MAX_HELD,
    cache::SignatureCache,
    certificate::{Certificate, CertificateError, Vote},
    committee::{Committee, CommitteeError, MAX_PROPOSERS, MAX_VALIDATORS, Role},
    engine::{Config, Lbft},
    evidence::Evidence,
    io::{Closing, Fault, FinalEntry, Input, Output, Record, Restored},
    light::{LightClient, LightError, verify_final_headers},
    message::{DecodeError, MAX_MESSAGE, MAX_PAYLOAD, MAX_PIECES, MAX_PULL, MAX_RANGE, Message, Proposal, Pull, Range},
    round::State,
    snapshot::{Snapshot, SnapshotError},
    statement::{Kind, LBFT, Statement},
};
