//! Orders: what the chain computes for one from the offer to the payment, what it stores of it, and what a dispute adds.

use core::ops::Range;

use cpchain_consensus::{
    ChainId, Height as ChainHeight,
    ledger::{Nonce, TransactionDraft},
};
use cpchain_crypto::{Digest, PublicKey, Signer, SigningKey};
use cpchain_examples::adapters::UmbralJudge;
use cpchain_market::{
    Amount, Height,
    escrow::{Candidate, Command, Context, Event, Order, Rules, State},
};

use super::{
    AnyError,
    trade::{FEE, PRICE, THRESHOLD, Trade},
};
use crate::{
    measure::{Effort, measure},
    report::Figure,
};

pub(super) fn escrow(effort: Effort, progress: &impl Fn(&'static str)) -> Result<Vec<Figure>, AnyError> {
    let mut trade = Trade::new()?;
    let mut figures = Vec::new();
    let mut sizes = Vec::new();
    progress("market::order, from offer to payment");
    // Ranges that a key tree covers by one, two and five nodes.
    for (nodes, intervals) in [(1, 0..16), (2, 0..24), (5, 0..31)] {
        let life = Life::of(&mut trade, intervals)?;
        let params = format!("nodes={nodes} proxies=3of5");
        let sample = measure(effort, || life.replay());
        let rate = 1e9 / sample.median();
        let orders = Figure::count("market::order", format!("{params} of=rate"), "/s", rate);
        figures.push(Figure::nanoseconds("market::order", &params, &sample));
        figures.push(if nodes == 1 { orders.not_below(300.0) } else { orders });
        let bytes = life.bytes_on_chain()? as f64;
        sizes.push((nodes, bytes));
        let size = Figure::count("market::order_bytes", &params, "bytes", bytes);
        figures.push(if nodes == 1 { size.at_most(5_120.0) } else { size });
    }
    if let (Some((few, small)), Some((many, large))) = (sizes.first(), sizes.last()) {
        let each = (large - small) / f64::from(many - few);
        figures.push(Figure::count("market::order_bytes", "of=each_further_node", "bytes", each).at_most(3_072.0));
    }
    progress("market::dispute, a bad leaf of a GiB");
    figures.extend(dispute(&mut trade, effort)?);
    Ok(figures)
}

/// An order's life as its transactions' payloads, and who sends each.
struct Life<'a> {
    trade: &'a Trade,
    candidates: Vec<Candidate>,
    sent: Vec<(SigningKey, Vec<u8>)>,
}

impl<'a> Life<'a> {
    fn of(trade: &'a mut Trade, intervals: Range<u32>) -> Result<Self, AnyError> {
        let terms = trade.terms(intervals, None)?;
        let (mut sent, order) = start(trade, terms)?;
        let confirm = Command::Event { order: order.id(), event: Event::Confirm };
        sent.push((trade.buyer.clone(), confirm.to_bytes()));
        let life = Self { candidates: candidates(trade), trade, sent };
        match life.replay() {
            Some(order) if order.state() == State::Settled => Ok(life),
            _ => Err("the order is not settled".into()),
        }
    }

    /// All that the chain computes: each command decoded, applied with every fragment verified, and the order stored.
    fn replay(&self) -> Option<Order> {
        let mut stored: Option<Vec<u8>> = None;
        for (sender, payload) in &self.sent {
            let step =
                with(sender.public_key(), &self.candidates, |context| match Command::from_bytes(payload).ok()? {
                    Command::Offer(terms) => Order::offer(terms, &self.trade.listing, context).ok(),
                    Command::Event { event, .. } => {
                        Order::from_bytes(stored.as_deref()?).ok()?.apply(&event, context, &UmbralJudge).ok()
                    }
                    Command::OfferStream(_) | Command::Stream { .. } => None,
                });
            stored = Some(step?.order.to_bytes());
        }
        Order::from_bytes(&stored?).ok()
    }

    /// As signed transactions of a ledger.
    fn bytes_on_chain(&self) -> Result<usize, AnyError> {
        self.sent.iter().map(|(sender, payload)| transaction(sender, payload)).sum()
    }
}

/// Who sent which payload.
type Sent = (SigningKey, Vec<u8>);

/// Everything up to the last bundle that is needed, and the order then.
fn start(trade: &mut Trade, terms: cpchain_market::escrow::Terms) -> Result<(Vec<Sent>, Order), AnyError> {
    let candidates = candidates(trade);
    let mut sent = vec![(trade.buyer.clone(), Command::Offer(terms.clone()).to_bytes())];
    let step = with(trade.buyer.public_key(), &candidates, |context| Order::offer(terms, &trade.listing, context))?;
    let mut order = step.order;
    let mut happens = |order: &Order, sender: &SigningKey, event: Event| -> Result<Order, AnyError> {
        let step = with(sender.public_key(), &candidates, |context| order.apply(&event, context, &UmbralJudge))?;
        sent.push((sender.clone(), Command::Event { order: order.id(), event }.to_bytes()));
        Ok(step.order)
    };
    let seller = trade.seller.clone();
    let bond = FEE.checked_mul(5).ok_or("overflow")?;
    order = happens(&order, &seller, Event::Accept { bond })?;
    let grant = trade.grant(&order)?;
    order = happens(&order, &seller, grant.clone())?;
    for place in 0..usize::from(THRESHOLD) {
        let drawn = order.slots().get(place).map(|slot| slot.proxy());
        let proxy = trade.proxies.iter().find(|key| Some(key.public_key()) == drawn).ok_or("a stranger was drawn")?;
        order = happens(&order, proxy, trade.bundle(&order, &grant, place)?)?;
    }
    Ok((sent, order))
}

fn dispute(trade: &mut Trade, effort: Effort) -> Result<Vec<Figure>, AnyError> {
    let goods = trade.bad_goods()?;
    let terms = trade.terms(0..1, Some(&goods))?;
    let (_, order) = start(trade, terms)?;
    let complaint = goods.complaint()?;
    let buyer = trade.buyer.public_key();
    let judge = || with(buyer, &[], |context| order.apply(&complaint, context, &UmbralJudge));
    if judge()?.order.state() != State::SellerFault {
        return Err("the judge does not see the bad leaf".into());
    }
    let sample = measure(effort, judge);
    let payload = Command::Event { order: order.id(), event: complaint.clone() }.to_bytes();
    let bytes = transaction(&trade.buyer, &payload)? as f64;
    let params = "proof=bad_leaf leaves=262144";
    Ok(vec![
        Figure::nanoseconds("market::dispute", params, &sample).at_most(30e3),
        Figure::count("market::dispute_bytes", params, "bytes", bytes).at_most(5_120.0),
    ])
}

fn candidates(trade: &Trade) -> Vec<Candidate> {
    let free_stake = PRICE.checked_mul(10).unwrap_or(Amount::LIMIT);
    trade.proxies.iter().map(|key| Candidate { proxy: key.public_key(), reputation: 10, free_stake }).collect()
}

fn with<R>(sender: PublicKey, candidates: &[Candidate], f: impl FnOnce(&Context<'_>) -> R) -> R {
    let rules = Rules::default();
    f(&Context { height: Height(100), sender, randomness: Digest([4; 32]), candidates, rules: &rules })
}

fn transaction(sender: &SigningKey, payload: &[u8]) -> Result<usize, AnyError> {
    let draft = TransactionDraft {
        chain: ChainId(Digest([5; 32])),
        nonce: Nonce(100),
        expires: ChainHeight(1_000_000),
        kind: "escrow".into(),
        payload: payload.to_vec().into(),
    };
    Ok(draft.sign(sender)?.bytes().len())
}
