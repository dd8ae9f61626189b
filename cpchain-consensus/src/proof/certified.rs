//! From headers that a quorum certified to what the state holds.

use cpchain_crypto::{Did, Digest, PublicKey};

use super::{
    MalformedStanding, ProofError, StateProof,
    head::HeadProof,
    key::{AccountState, StateKey},
    standing::KeyStanding,
};
use crate::{ids::Height, lbft::Header};

/// Why nothing is shown about the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Uncertified {
    /// The head is of none of these blocks.
    #[error("the head belongs to none of these final blocks; follow the chain up to the block that it is of")]
    Block,
    /// The payload does not begin with a head that this build reads.
    #[error("the payload has no head of the default ledger")]
    Head,
    /// The proof does not show it.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The value is proved, and is none of its kind.
    #[error("the value is proved, and this build does not read it")]
    Value,
}

impl From<MalformedStanding> for Uncertified {
    fn from(_: MalformedStanding) -> Self {
        Self::Value
    }
}

/// A root of the state that a quorum of the committee stands for: each validator computed it before it voted.
///
/// ```
/// # #[cfg(feature = "ledger")] {
/// use cpchain_consensus::{
///     Application, FinalBlock, Height, Term, lbft::*, ledger::{Amount, Genesis, Ledger},
///     proof::{CertifiedState, HeadProof, StateKey, StateProof},
/// };
/// use cpchain_crypto::{Digest, PublicKey, Signer, SigningKey};
///
/// // A chain of one validator, which makes block 1.
/// let (key, alice) = (SigningKey::from_seed(&[1; 32]), PublicKey([2; 32]));
/// let genesis = Genesis::new().account(alice, Amount::cpc(10));
/// let chain = genesis.chain_id("example");
/// let mut ledger = Ledger::builder(chain, genesis).build().unwrap();
/// let me = vec![key.public_key()];
/// let committee = Committee::new(chain, Term(0), me.clone(), me).unwrap();
/// let payload = ledger.propose(Height(1), &[], 1 << 20);
/// let block = Block::seal(&committee, &key, Height(1), Height(0), Digest::ZERO, payload.clone());
/// let vote = Vote::cast(&committee, 0, &key, Kind::Commit, Height(1), block.digest());
/// let certificate = Certificate::from_votes(&committee, Kind::Commit, Height(1), block.digest(), &[vote]);
/// let (digest, proposer) = (block.digest(), key.public_key());
/// ledger.finalised(&FinalBlock { height: Height(1), digest, parent: Digest::ZERO, proposer, impeached: false, payload });
///
/// // What a full node sends.
/// let answer = ledger.view().prove_certified(&StateKey::account(&alice)).unwrap();
/// let (head, proof) = (answer.head.to_bytes(), answer.proof.to_bytes());
///
/// // What a light client does: it trusts the committee alone.
/// let mut client = LightClient::new(committee, (Height(0), Digest::ZERO));
/// let proved = client.advance(&[block.encoded_header().clone()], &certificate).unwrap();
/// let state = CertifiedState::of(&proved, &HeadProof::from_bytes(&head).unwrap()).unwrap();
/// let proof = StateProof::from_bytes(&proof).unwrap();
/// let account = state.account(&alice, answer.value.as_deref(), &proof).unwrap();
/// assert_eq!(account.unwrap().balance, Amount::cpc(10).0);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertifiedState {
    block: Height,
    root: Digest,
}

impl CertifiedState {
    /// The state that one of these blocks names: the one whose payload the head is of. They are final, as
    /// [`LightClient::advance`](crate::lbft::LightClient::advance) or
    /// [`verify_final_headers`](crate::lbft::verify_final_headers) gave them; a chain that runs the default ledger.
    ///
    /// # Errors
    /// [`Uncertified::Block`], [`Uncertified::Head`].
    pub fn of(proved: &[(Digest, Header)], head: &HeadProof) -> Result<Self, Uncertified> {
        let payload = head.payload_digest();
        let (_, header) = proved.iter().find(|(_, header)| header.payload == payload).ok_or(Uncertified::Block)?;
        let head = head.head().ok_or(Uncertified::Head)?;
        Ok(Self { block: header.height, root: head.root })
    }

    /// The block that names it.
    pub const fn block(&self) -> Height {
        self.block
    }

    /// The height after which the state was that: the one below the block.
    pub const fn height(&self) -> Height {
        Height(self.block.0.saturating_sub(1))
    }

    /// The root of the state after [`height`](Self::height).
    pub const fn root(&self) -> Digest {
        self.root
    }

    /// Checks that the key has this value there or, for `None`, no value.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, key: &StateKey, value: Option<&[u8]>, proof: &StateProof) -> Result<(), ProofError> {
        proof.verify(&self.root, key, value)
    }

    /// What an account has; `None` if it is proved that there is no such account.
    ///
    /// # Errors
    /// [`Uncertified::Proof`], [`Uncertified::Value`].
    pub fn account(
        &self,
        account: &PublicKey,
        value: Option<&[u8]>,
        proof: &StateProof,
    ) -> Result<Option<AccountState>, Uncertified> {
        self.verify(&StateKey::account(account), value, proof)?;
        value.map(|value| AccountState::from_value(value).ok_or(Uncertified::Value)).transpose()
    }

    /// Which key speaks for an identity. Without a record on the ledger, which is proved as well, it is the first one.
    ///
    /// # Errors
    /// [`Uncertified::Proof`], [`Uncertified::Value`].
    pub fn standing(
        &self,
        identity: Did,
        value: Option<&[u8]>,
        proof: &StateProof,
    ) -> Result<KeyStanding, Uncertified> {
        self.verify(&KeyStanding::key_of(&identity), value, proof)?;
        Ok(KeyStanding::read(identity, value)?)
    }
}
