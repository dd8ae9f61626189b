use cpchain_crypto::Digest;

use super::{Actor, Stage, about};
use crate::{
    ids::Term,
    lbft::{Kind, Message, Statement, Vote},
};

const KEPT: usize = 64;

/// Lives in the past: repeats old messages of all kinds, votes under its key at final heights and in other terms.
#[derive(Debug, Default)]
pub struct StaleSigner {
    kept: Vec<Message>,
    heard: u64,
}

impl Actor for StaleSigner {
    fn name(&self) -> &'static str {
        "stale signer"
    }

    fn hears(&mut self, _: &mut Stage<'_>, message: &Message) -> bool {
        self.heard += 1;
        if self.kept.len() < KEPT {
            self.kept.push(message.clone());
        } else if self.heard.is_multiple_of(8)
            && let Some(slot) = self.kept.get_mut((self.heard / 8) as usize % KEPT)
        {
            *slot = message.clone();
        }
        true
    }

    fn ticks(&mut self, stage: &mut Stage<'_>) {
        for _ in 0..4 {
            let Some(old) = stage.random.pick(&self.kept).cloned() else { return };
            let again = about(&old).and_then(|(height, _)| stage.vote(Kind::Commit, height, Digest([7; 32])));
            let to = stage.some(5_000);
            stage.send(&to, old);
            if let Some(vote) = again {
                stage.send(&to, Message::Vote(vote));
                stage.send(&to, Message::Vote(in_term(stage, vote, Term(stage.committee.term().0.wrapping_sub(1)))));
            }
        }
    }
}

fn in_term(stage: &Stage<'_>, vote: Vote, term: Term) -> Vote {
    let Vote { kind, height, digest, .. } = vote;
    let said = Statement { chain: stage.committee.chain(), term, kind, height, digest };
    Vote { term, signature: said.sign(stage.signer), ..vote }
}
