//! The module.

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};

use super::{
    super::{
        amount::Amount,
        genesis::Genesis,
        module::{Call, Context, Module, ModuleError},
    },
    call::BridgeCall,
    peer::{self, Peer, PeerStatus},
    transfer::{self, Arrival, Copy},
};
use crate::{ChainId, Height, Term, lbft::Committee};

pub(super) fn refuse(reason: &'static str) -> ModuleError {
    ModuleError::refused(reason)
}

/// The module: on a main chain, and on every side chain of it.
///
/// ```
/// use cpchain_consensus::{
///     Term,
///     lbft::Committee,
///     ledger::{Amount, Genesis, Ledger, bridge::{Bridge, BridgeView, PeerStatus}},
/// };
/// use cpchain_crypto::{PublicKey, Digest};
/// use cpchain_consensus::Height;
///
/// // The main chain asks a deposit of those who register side chains.
/// let (alice, validator, gateway) = (PublicKey([1; 32]), PublicKey([2; 32]), PublicKey([3; 32]));
/// let genesis = Genesis::new().account(alice, Amount::cpc(10));
/// let main_id = genesis.chain_id("main");
/// let main = Ledger::builder(main_id, genesis).module(Bridge::new(Amount::cpc(5))).build()?;
/// let committee = Committee::new(main_id, Term(0), vec![validator], vec![validator])?;
///
/// // A side chain knows the main chain from its genesis, and begins with all money in the reserve.
/// let genesis = Bridge::found(Genesis::new(), &committee, (Height(0), Digest::ZERO), Amount::cpc(1_000));
/// let side_id = genesis.chain_id("side");
/// let side = Ledger::builder(side_id, genesis).module(Bridge::new(Amount::ZERO)).build()?;
/// let bridge = BridgeView::new(side.view());
/// assert_eq!(bridge.status(&main_id), Some(PeerStatus::Open));
/// assert_eq!(bridge.held(&main_id), Amount::cpc(1_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Bridge {
    deposit: Amount,
}

impl Bridge {
    /// The kind of its transactions, and the name of its space.
    pub const KIND: &str = "bridge";
    /// The vault of deposits that were lost and not paid to who proved it. Nobody can take from it.
    pub const LOST: &[u8] = b"lost";

    /// Asks for this deposit of those who register a side chain. Equal on all nodes of a chain.
    pub const fn new(deposit: Amount) -> Self {
        Self { deposit }
    }

    /// Lets a side chain begin with its main chain known: its committee, and a final record of it as a checkpoint, from which on it is
    /// followed. `reserve` is the most that can ever circulate on the side chain: the supply of the main chain is enough.
    #[must_use]
    pub fn found(genesis: Genesis, main: &Committee, checkpoint: (Height, Digest), reserve: Amount) -> Genesis {
        let chain = main.chain();
        genesis
            .entry(Self::KIND, &peer::tip_key(&chain), Peer::new(PublicKey([0; 32]), checkpoint).to_bytes())
            .entry(Self::KIND, &peer::committee_key(&chain), main.to_bytes())
            .vault(Self::KIND, &transfer::vault(&chain), reserve)
    }

    fn register(
        &self,
        context: &mut Context<'_>,
        call: &Call<'_>,
        committee: &Committee,
        deposit: Amount,
    ) -> Result<(), ModuleError> {
        let chain = committee.chain();
        if deposit < self.deposit {
            return Err(ModuleError::refused(format!("the deposit is at least {}", self.deposit)));
        }
        if chain == context.chain_id() || context.get(&peer::tip_key(&chain)).is_some() {
            return Err(refuse("the chain is known here, and a closed one stays closed"));
        }
        if (committee.term(), committee.first()) != (Term(0), Height::GENESIS.next()) {
            return Err(refuse("a side chain is registered by the committee of its first term"));
        }
        context.hold(call, &peer::deposit(&chain), deposit)?;
        context.put(&peer::committee_key(&chain), committee.to_bytes())?;
        Peer::new(call.sender(), (Height::GENESIS, Digest::ZERO)).keep(context, &chain)
    }

    /// Half of the deposit goes to who proved it, the rest to nobody: members who report themselves lose.
    fn report(context: &mut Context<'_>, call: &Call<'_>, chain: &ChainId) -> Result<(), ModuleError> {
        let vault = peer::deposit(chain);
        let held = context.held(&vault);
        let half = Amount(held.0 / 2);
        context.release(&vault, &call.sender(), half)?;
        let rest = context.held(&vault);
        context.shift(&vault, Self::LOST, rest)
    }

    fn close(context: &mut Context<'_>, call: &Call<'_>, chain: &ChainId) -> Result<(), ModuleError> {
        let peer = Peer::open(context, chain)?;
        if peer.owner != call.sender() {
            return Err(refuse("who registered the chain may close it"));
        }
        if context.held(&transfer::vault(chain)) != Amount::ZERO {
            return Err(refuse("something is locked for the chain"));
        }
        Peer { status: PeerStatus::Closed, ..peer }.keep(context, chain)?;
        let (vault, owner) = (peer::deposit(chain), peer.owner);
        let held = context.held(&vault);
        context.release(&vault, &owner, held)
    }
}

fn read(payload: &Bytes) -> Result<BridgeCall, ModuleError> {
    BridgeCall::decode(payload).ok_or_else(|| refuse("malformed call of the bridge"))
}

impl Module for Bridge {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn check(&self, payload: &Bytes) -> Result<(), ModuleError> {
        read(payload).map(drop)
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        match read(call.payload())? {
            BridgeCall::Register { committee, deposit } => self.register(context, call, &committee, deposit),
            BridgeCall::Advance { chain, headers, certificate, head } => {
                peer::advance(context, &chain, &headers, &certificate, head.as_ref())
            }
            BridgeCall::NextTerm { committee, handover } => peer::next_term(context, &committee, &handover),
            BridgeCall::Send { chain, to, amount } => transfer::send(context, call, &chain, &to, amount),
            BridgeCall::Receive { chain, block, sequence, to, amount, proof } => {
                let (chain, to, proof) = (&chain, &to, &proof);
                transfer::receive(context, &Arrival { chain, block, sequence, to, amount, proof })
            }
            BridgeCall::Carry { chain, block, kind, key, value, proof } => {
                let (chain, kind, key, value, proof) = (&chain, &kind, &key, value.as_deref(), &proof);
                transfer::carry(context, &Copy { chain, block, kind, key, value, proof })
            }
            BridgeCall::Report { chain, first, second } => {
                peer::report(context, &chain, [&first, &second])?;
                Self::report(context, call, &chain)
            }
            BridgeCall::Close { chain } => Self::close(context, call, &chain),
        }?;
        context.emit(call.payload().clone())
    }
}
