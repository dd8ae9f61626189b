//! LBFT 2.0 as a pure state machine.

mod block;
mod certificate;
mod committee;
mod engine;
mod evidence;
mod fetch;
mod finality;
mod intake;
mod io;
mod light;
mod message;
mod pacemaker;
mod proposer;
mod repeat;
mod round;
mod rules;
mod statement;
#[allow(missing_docs, reason = "the fields are those of proto/lbft.proto, which describes them")]
pub(crate) mod wire;

pub use {
    block::{Block, Header, MAX_HEADER, impeach_digest},
    certificate::{Certificate, CertificateError, Vote},
    committee::{Committee, CommitteeError, MAX_PROPOSERS, MAX_VALIDATORS, Role},
    engine::{Config, Lbft},
    evidence::Evidence,
    io::{Fault, FinalEntry, Input, Output, Record, Restored},
    light::{LightError, verify_final_headers},
    message::{DecodeError, MAX_MESSAGE, MAX_PAYLOAD, MAX_PULL, Message, Proposal, Pull},
    round::State,
    statement::{Kind, LBFT, SignatureCache, Statement},
};
