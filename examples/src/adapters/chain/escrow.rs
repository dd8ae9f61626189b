//! The escrow machine of the market as a module of the ledger: orders in its key-value space, money in its vaults.
//!
//! State: `order/id` → order; `stream/id` → stream order; `due/height/id` → nothing, read at the end of each block; `locked/proxy` → stake that orders have
//! locked; the [`Report`] of each party: trades that a proxy brought to a good end, sales settled, and whether it has a stake. A party's money of an order lies in the vault `order ‖ purpose ‖ party`,
//! a proxy's stake in the vault `stake ‖ proxy` whether locked or not.

use bytes::{BufMut, Bytes, BytesMut};
use cpchain_consensus::{
    dpor::reputation::Record,
    ledger::{Amount, Call, Context, LedgerView, Module, ModuleError, dpor::Report},
};
use cpchain_crypto::PublicKey;
use cpchain_market::{
    Height,
    book::{ChainRecord, TradeRecord},
    escrow::{
        self, Candidate, Command, Effect, FragmentVerifier, Order, OrderId, Outcome, Purpose, Rules, StreamOrder,
    },
    listing::SignedOperation,
};

use super::{ListingModule, record_event, refuse};

const COMMAND: u8 = 1;
const STAKE: u8 = 2;
const UNSTAKE: u8 = 3;
/// First byte of a notice's event.
const NOTICE: u8 = 1;

/// Runs orders. Knows re-encryption only through its verifier.
pub struct EscrowModule<V> {
    rules: Rules,
    verifier: V,
}

/// What a proxy does with its stake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StakeCommand {
    /// Adds to it.
    Deposit(Amount),
    /// Takes back what no order has locked.
    Withdraw(Amount),
}

impl StakeCommand {
    /// The payload of the transaction.
    pub fn to_payload(self) -> Bytes {
        let (action, amount) = match self {
            Self::Deposit(amount) => (STAKE, amount),
            Self::Withdraw(amount) => (UNSTAKE, amount),
        };
        let mut out = BytesMut::with_capacity(17);
        out.put_u8(action);
        out.put_slice(&amount.to_bytes());
        out.freeze()
    }
}

/// The event that follows each accepted command: which order, who asked, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscrowNotice {
    /// The order.
    pub order: OrderId,
    /// Who signed the transaction.
    pub sender: PublicKey,
    /// What was asked; `None` for a change by time alone.
    pub command: Option<Command>,
}

impl EscrowNotice {
    fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(NOTICE);
        out.put_slice(self.order.0.as_bytes());
        out.put_slice(&self.sender.0);
        if let Some(command) = &self.command {
            out.put_slice(&command.to_bytes());
        }
        out.freeze()
    }

    /// Reads the event; `None` for a [record](super::record_of).
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (_, rest) = bytes.split_first().filter(|(tag, _)| **tag == NOTICE)?;
        let (order, rest) = rest.split_first_chunk::<32>()?;
        let (sender, command) = rest.split_first_chunk::<32>()?;
        let command = if command.is_empty() { None } else { Some(Command::from_bytes(command).ok()?) };
        Some(Self { order: OrderId(cpchain_crypto::Digest(*order)), sender: PublicKey(*sender), command })
    }
}

/// Where slashed money goes: a key that no signature satisfies.
pub const fn burn_account() -> PublicKey {
    PublicKey([0; 32])
}

/// An order as a node's ledger has it.
pub fn read_order(view: &LedgerView, id: &OrderId) -> Option<Order> {
    Order::from_bytes(&view.get(EscrowModule::<()>::KIND, &order_key(id))?).ok()
}

/// A stream order as a node's ledger has it.
pub fn read_stream_order(view: &LedgerView, id: &OrderId) -> Option<StreamOrder> {
    StreamOrder::from_bytes(&view.get(EscrowModule::<()>::KIND, &stream_key(id))?).ok()
}

impl<V> EscrowModule<V> {
    /// The kind of its transactions.
    pub const KIND: &'static str = "escrow";

    /// The payload of a command's transaction.
    pub fn payload(command: &Command) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(COMMAND);
        out.put_slice(&command.to_bytes());
        out.freeze()
    }
}

impl<V: FragmentVerifier> EscrowModule<V> {
    /// Orders with these durations, fragments checked by `verifier`. The same on every node of the chain.
    pub const fn new(rules: Rules, verifier: V) -> Self {
        Self { rules, verifier }
    }

    fn command(&self, context: &mut Context<'_>, call: &Call<'_>, bytes: &[u8]) -> Result<(), ModuleError> {
        let command = Command::from_bytes(bytes).map_err(refuse)?;
        let before = match &command {
            Command::Offer(_) | Command::OfferStream(_) => None,
            Command::Event { order, .. } | Command::Stream { order, .. } => Some(Held::load(context, order)?),
        };
        let allowed = before.as_ref().map(Held::allowed).unwrap_or_default();
        let candidates: Vec<_> = allowed.iter().map(|proxy| candidate(context, proxy)).collect();
        let at = escrow::Context {
            height: Height(context.height().0),
            sender: call.sender(),
            randomness: context.randomness(),
            candidates: &candidates,
            rules: &self.rules,
        };
        let listing = |id| {
            let listing = context.read(ListingModule::KIND, &ListingModule::key(id));
            let listing = listing.ok_or_else(|| ModuleError::refused("there is no such listing"))?;
            SignedOperation::from_bytes(&listing).map_err(refuse)
        };
        let taken = match (&command, &before) {
            (Command::Offer(terms), _) => {
                Order::offer(terms.clone(), &listing(&terms.listing)?, &at).map(Taken::from).map_err(refuse)?
            }
            (Command::OfferStream(terms), _) => {
                StreamOrder::offer(terms.clone(), &listing(&terms.listing)?, &at).map(Taken::from).map_err(refuse)?
            }
            (Command::Event { event, .. }, Some(Held::Order(order))) => {
                order.apply(event, &at, &self.verifier).map(Taken::from).map_err(refuse)?
            }
            (Command::Stream { event, .. }, Some(Held::Stream(order))) => {
                order.apply(event, &at, &self.verifier).map(Taken::from).map_err(refuse)?
            }
            _ => return Err(ModuleError::refused("this is an order of the other kind")),
        };
        if before.is_none() && context.get(&taken.after.key()).is_some() {
            return Err(ModuleError::refused("this order is there already"));
        }
        let notice = EscrowNotice { order: taken.after.id(), sender: call.sender(), command: Some(command) };
        perform(context, Some(call), before.as_ref(), &taken)?;
        context.emit(notice.to_bytes())
    }

    fn stake(context: &mut Context<'_>, call: &Call<'_>, action: u8, amount: &[u8]) -> Result<(), ModuleError> {
        let amount = Amount::from_slice(amount).ok_or_else(|| ModuleError::refused("an amount has 16 bytes"))?;
        let proxy = call.sender();
        if action == STAKE {
            context.hold(call, &stake_vault(&proxy), amount)?;
        } else if candidate(context, &proxy).free_stake.0 < amount.0 {
            return Err(ModuleError::refused("orders have locked this stake"));
        } else {
            context.release(&stake_vault(&proxy), &proxy, amount)?;
        }
        register(context, &proxy)
    }
}

impl<V: FragmentVerifier + Send + Sync> Module for EscrowModule<V> {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        match call.payload().split_first() {
            Some((&COMMAND, command)) => self.command(context, call, command),
            Some((&action @ (STAKE | UNSTAKE), amount)) => Self::stake(context, call, action, amount),
            _ => Err(ModuleError::refused("no action that the escrow knows")),
        }
    }

    fn end_of_block(&self, context: &mut Context<'_>) -> Result<(), ModuleError> {
        let now = context.height().0;
        for (key, _) in context.scan(DUE, None, usize::MAX) {
            let Some((height, id)) = due_of(&key).filter(|(height, _)| *height <= now) else { break };
            let order = Held::load(context, &id)?;
            context.remove(&key);
            if let Some(taken) = order.tick(Height(height.max(now)), &self.rules) {
                perform(context, None, Some(&order), &taken)?;
                let sender = order.buyer();
                context.emit(EscrowNotice { order: id, sender, command: None }.to_bytes())?;
            }
        }
        Ok(())
    }
}

const DUE: &[u8] = b"due/";

fn order_key(id: &OrderId) -> Vec<u8> {
    [b"order/".as_slice(), id.0.as_bytes()].concat()
}

fn stream_key(id: &OrderId) -> Vec<u8> {
    [b"stream/".as_slice(), id.0.as_bytes()].concat()
}

fn due_key(height: u64, id: &OrderId) -> Vec<u8> {
    [DUE, &height.to_be_bytes(), id.0.as_bytes()].concat()
}

fn due_of(key: &[u8]) -> Option<(u64, OrderId)> {
    let (height, id) = key.strip_prefix(DUE)?.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*height), OrderId(cpchain_crypto::Digest::from_slice(id)?)))
}

fn stake_vault(proxy: &PublicKey) -> Vec<u8> {
    [b"stake/".as_slice(), &proxy.0].concat()
}

fn party_key(of: &str, party: &PublicKey) -> Vec<u8> {
    [of.as_bytes(), &party.0].concat()
}

/// An order of either kind.
enum Held {
    Order(Order),
    Stream(StreamOrder),
}

/// An order after a step, and what the step asks of the ledger.
struct Taken {
    after: Held,
    effects: Vec<Effect>,
}

impl From<escrow::Step> for Taken {
    fn from(step: escrow::Step) -> Self {
        Self { after: Held::Order(step.order), effects: step.effects }
    }
}

impl From<escrow::StreamStep> for Taken {
    fn from(step: escrow::StreamStep) -> Self {
        Self { after: Held::Stream(step.order), effects: step.effects }
    }
}

impl Held {
    fn load(context: &Context<'_>, id: &OrderId) -> Result<Self, ModuleError> {
        let order = Self::read(&|key: &[u8]| context.get(key), id)?;
        order.ok_or_else(|| ModuleError::refused("there is no such order"))
    }

    fn read(get: &dyn Fn(&[u8]) -> Option<Bytes>, id: &OrderId) -> Result<Option<Self>, ModuleError> {
        if let Some(bytes) = get(&order_key(id)) {
            return Order::from_bytes(&bytes).map(|order| Some(Self::Order(order))).map_err(refuse);
        }
        let stream = get(&stream_key(id)).map(|bytes| StreamOrder::from_bytes(&bytes)).transpose().map_err(refuse)?;
        Ok(stream.map(Self::Stream))
    }

    const fn id(&self) -> OrderId {
        match self {
            Self::Order(order) => order.id(),
            Self::Stream(order) => order.id(),
        }
    }

    const fn buyer(&self) -> PublicKey {
        match self {
            Self::Order(order) => order.buyer(),
            Self::Stream(order) => order.buyer(),
        }
    }

    fn allowed(&self) -> &[PublicKey] {
        match self {
            Self::Order(order) => order.allowed(),
            Self::Stream(order) => order.allowed(),
        }
    }

    const fn deadline(&self) -> Option<Height> {
        match self {
            Self::Order(order) => order.deadline(),
            Self::Stream(order) => order.deadline(),
        }
    }

    fn key(&self) -> Vec<u8> {
        match self {
            Self::Order(order) => order_key(&order.id()),
            Self::Stream(order) => stream_key(&order.id()),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Order(order) => order.to_bytes(),
            Self::Stream(order) => order.to_bytes(),
        }
    }

    fn tick(&self, height: Height, rules: &Rules) -> Option<Taken> {
        match self {
            Self::Order(order) => order.tick(height).map(Taken::from),
            Self::Stream(order) => order.tick(height, rules).map(Taken::from),
        }
    }

    fn ended(&self, effects: &[Effect]) -> Option<TradeRecord> {
        match self {
            Self::Order(order) => TradeRecord::of(order, effects),
            Self::Stream(order) => TradeRecord::of_stream(order, effects),
        }
    }
}

/// How an order of either kind ended, for other modules; what it paid is told by the event of its end alone.
pub(super) fn ended(context: &Context<'_>, id: &OrderId) -> Result<Option<TradeRecord>, ModuleError> {
    let order = Held::read(&|key: &[u8]| context.read(EscrowModule::<()>::KIND, key), id)?;
    Ok(order.and_then(|order| order.ended(&[])))
}

fn number(context: &Context<'_>, key: &[u8]) -> u128 {
    let bytes = context.get(key).and_then(|bytes| <[u8; 16]>::try_from(bytes.as_ref()).ok());
    bytes.map_or(0, u128::from_be_bytes)
}

fn candidate(context: &Context<'_>, proxy: &PublicKey) -> Candidate {
    let Report { is_proxy, trades, .. } = Report::of(context, proxy);
    let reputation = Record { is_proxy, trades, ..Record::default() }.proxy_points();
    let locked = number(context, &party_key("locked/", proxy));
    let free = context.held(&stake_vault(proxy)).0.saturating_sub(locked);
    Candidate { proxy: *proxy, reputation, free_stake: cpchain_market::Amount(free) }
}

/// A proxy is registered as long as it has a stake.
fn register(context: &mut Context<'_>, proxy: &PublicKey) -> Result<(), ModuleError> {
    let is_proxy = context.held(&stake_vault(proxy)) != Amount::ZERO;
    Report::change(context, proxy, |report| report.is_proxy = is_proxy)
}

/// Stores the order after a step and does what the step says.
fn perform(
    context: &mut Context<'_>,
    call: Option<&Call<'_>>,
    before: Option<&Held>,
    taken: &Taken,
) -> Result<(), ModuleError> {
    let (order, id) = (&taken.after, taken.after.id());
    if let Some(deadline) = before.and_then(Held::deadline) {
        context.remove(&due_key(deadline.0, &id));
    }
    if let Some(deadline) = order.deadline() {
        context.put(&due_key(deadline.0, &id), [])?;
    }
    context.put(&order.key(), order.to_bytes())?;
    taken.effects.iter().try_for_each(|effect| follow(context, call, &id, effect))?;
    match order.ended(&taken.effects) {
        Some(ended) => context.emit(record_event(&ChainRecord::Trade(ended))),
        None => Ok(()),
    }
}

fn follow(
    context: &mut Context<'_>,
    call: Option<&Call<'_>>,
    order: &OrderId,
    effect: &Effect,
) -> Result<(), ModuleError> {
    match *effect {
        Effect::Hold { party, purpose: Purpose::Stake, amount } => lock(context, &party, amount.0, true),
        Effect::Hold { party, purpose, amount } => {
            let call = call.filter(|call| call.sender() == party);
            let call = call.ok_or_else(|| ModuleError::refused("only its owner can lock money"))?;
            context.hold(call, &vault(order, purpose, &party), Amount(amount.0))
        }
        // Unlocked stake stays where it is.
        Effect::Release { party, purpose: Purpose::Stake, amount } => lock(context, &party, amount.0, false),
        Effect::Release { party, purpose, amount } => pay(context, order, purpose, &party, &party, amount.0),
        Effect::Transfer { from, purpose, to, amount, .. } => pay(context, order, purpose, &from, &to, amount.0),
        Effect::Slash { party, purpose, amount } => pay(context, order, purpose, &party, &burn_account(), amount.0),
        Effect::Reputation { party, outcome: Outcome::Delivered } => {
            Report::change(context, &party, |report| report.trades = report.trades.saturating_add(1))
        }
        Effect::Reputation { party, outcome: Outcome::Sold } => {
            Report::change(context, &party, |report| report.sales = report.sales.saturating_add(1))
        }
        Effect::Reputation { .. } => Ok(()),
    }
}

fn pay(
    context: &mut Context<'_>,
    order: &OrderId,
    purpose: Purpose,
    from: &PublicKey,
    to: &PublicKey,
    amount: u128,
) -> Result<(), ModuleError> {
    if purpose == Purpose::Stake {
        lock(context, from, amount, false)?;
        context.release(&stake_vault(from), to, Amount(amount))?;
        return register(context, from);
    }
    context.release(&vault(order, purpose, from), to, Amount(amount))
}

fn lock(context: &mut Context<'_>, proxy: &PublicKey, amount: u128, more: bool) -> Result<(), ModuleError> {
    let key = party_key("locked/", proxy);
    let locked = number(context, &key);
    let locked = if more { locked.checked_add(amount) } else { locked.checked_sub(amount) };
    let locked = locked.ok_or_else(|| ModuleError::refused("more stake unlocked than was locked"))?;
    if locked > context.held(&stake_vault(proxy)).0 {
        return Err(ModuleError::refused("the proxy has not so much stake"));
    }
    context.put(&key, locked.to_be_bytes())
}

fn vault(order: &OrderId, purpose: Purpose, party: &PublicKey) -> Vec<u8> {
    let purpose = match purpose {
        Purpose::Payment => b"/p/",
        Purpose::Bond => b"/b/",
        Purpose::Stake => b"/s/",
    };
    [order.0.as_bytes().as_slice(), purpose, &party.0].concat()
}
