use cpchain_crypto::PublicKey;

use super::{Actor, Stage};
use crate::lbft::{Kind, Message};

/// Forwards no certificate, and shows each PREPARE to a single other member: that one alone gets a P-certificate, COMMITs,
/// and may no longer ask to impeach (the trace behind rules L1 and L3).
#[derive(Debug, Clone, Copy, Default)]
pub struct CertificateWithholder;

impl Actor for CertificateWithholder {
    fn name(&self) -> &'static str {
        "certificate withholder"
    }

    fn says(&mut self, stage: &mut Stage<'_>, to: &[PublicKey], message: Message) {
        match &message {
            Message::Certificate(_) => {}
            Message::Vote(vote) if vote.kind == Kind::Prepare => {
                let chosen =
                    usize::try_from(vote.height.0).ok().and_then(|h| to.get(h.checked_rem(to.len())?)).copied();
                stage.send(chosen.as_slice(), message);
            }
            Message::Vote(_) | Message::Propose(_) | Message::Block(_) | Message::Pull(_) | Message::Range(_) => {
                stage.send(to, message)
            }
        }
    }
}
