//! The end of delegations before their time.

use crate::{
    hash::Domain,
    sign::{Signature, Signer},
};

use super::{
    delegation::{Delegation, DelegationError},
    did::Did,
    layout::{HEADER_LEN, Kind, Reader, RecordError, Writer, header},
    speaker::Speaker,
};

/// Encoded bytes of a [`SignedWithdrawal`].
pub const WITHDRAWAL_LEN: usize = BODY_LEN + 64;

const BODY_LEN: usize = HEADER_LEN + 80;
const WITHDRAWS: Domain = Domain::new("cpchain/crypto/identity/withdrawal/v1");

/// Ends the delegations of `controller` to `gateway` whose number is at most `through`, from `since_ms` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdrawal {
    /// Who granted them.
    pub controller: Did,
    /// To whom.
    pub gateway: Did,
    /// The highest number that ends; `u64::MAX` ends this gateway for good.
    pub through: u64,
    /// From when: what the gateway signed before stays good.
    pub since_ms: u64,
}

/// A [`Withdrawal`] that the controller signed: from outside it comes by [`open`](Self::open) alone, which checks that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedWithdrawal {
    statement: Withdrawal,
    signature: Signature,
}

impl Withdrawal {
    fn body(&self) -> [u8; BODY_LEN] {
        Writer::new()
            .put(&header(Kind::Withdrawal, [0; 3]))
            .put(&self.controller.public_key().0)
            .put(&self.gateway.public_key().0)
            .put(&self.through.to_le_bytes())
            .put(&self.since_ms.to_le_bytes())
            .finish()
    }

    /// Does it end this delegation at that time?
    pub(super) fn ends(&self, delegation: &Delegation<'_>, at_ms: u64) -> bool {
        (self.controller, self.gateway) == (delegation.controller(), delegation.gateway())
            && delegation.sequence() <= self.through
            && at_ms >= self.since_ms
    }

    /// What bytes say that claim to be a withdrawal: to learn whose it would be. Whether it is, says [`SignedWithdrawal::open`].
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn claimed(bytes: &[u8]) -> Result<Self, RecordError> {
        read(bytes).map(|(statement, _)| statement)
    }

    /// Signs as the controller, with the key that speaks for it now.
    pub fn sign(self, controller: &dyn Signer) -> SignedWithdrawal {
        SignedWithdrawal { statement: self, signature: controller.sign(WITHDRAWS, &self.body()) }
    }
}

impl SignedWithdrawal {
    /// What is said.
    pub const fn statement(&self) -> &Withdrawal {
        &self.statement
    }

    /// The fixed layout: header, controller, gateway, through, since, signature.
    pub fn to_bytes(&self) -> [u8; WITHDRAWAL_LEN] {
        Writer::new().put(&self.statement.body()).put(&self.signature.0).finish()
    }

    /// Reads a withdrawal and checks that the controller signed it.
    ///
    /// # Errors
    /// [`WithdrawalError`].
    pub fn open(bytes: &[u8], controller: &Speaker) -> Result<Self, WithdrawalError> {
        let (statement, signature) = read(bytes)?;
        if statement.controller != controller.identity() {
            return Err(DelegationError::WrongParty.into());
        }
        controller.verify(WITHDRAWS, &statement.body(), &signature).map_err(DelegationError::from)?;
        Ok(Self { statement, signature })
    }
}

fn read(bytes: &[u8]) -> Result<(Withdrawal, Signature), RecordError> {
    let ([0, 0, 0], mut fields) = Reader::open(bytes, Kind::Withdrawal)? else { return Err(RecordError::Format) };
    let statement = Withdrawal {
        controller: fields.did()?,
        gateway: fields.did()?,
        through: fields.u64()?,
        since_ms: fields.u64()?,
    };
    let signature = fields.signature()?;
    fields.end()?;
    Ok((statement, signature))
}

/// Why bytes are not a withdrawal of the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WithdrawalError {
    /// They are not one at all.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// It is not this controller's.
    #[error(transparent)]
    Delegation(#[from] DelegationError),
}
