//! The one rule by which the chain takes an operation and every market books it.

use super::{
    facts::{Account, Fact, FactKey, Placed, Preview, Standing, Trade},
    record::{ChainRecord, PreviewDraw, TradeEnd, TradeRecord},
};
use crate::{
    listing::{
        Action, Answer, ListingId, Offered, PreviewOffer, PreviewOpening, Rating, SignedOperation,
        rule::{self, Known, Skip},
    },
    log::Cursor,
};

/// What is known before an entry of the log: a catalogue, or the chain's own state.
pub trait View {
    /// Why it cannot answer.
    type Error;

    /// The last operation on a listing or on something wanted, withdrawals too.
    ///
    /// # Errors
    /// When the storage fails.
    fn entry(&self, id: ListingId) -> Result<Option<Placed>, Self::Error>;

    /// A row of the book.
    ///
    /// # Errors
    /// When the storage fails.
    fn fact(&self, key: FactKey) -> Result<Option<Fact>, Self::Error>;
}

/// What an entry of the log changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The listing, or what is wanted, after it.
    pub entry: Option<Placed>,
    /// Rows of the book after it.
    pub facts: Vec<(FactKey, Fact)>,
}

/// Why an entry changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal<E> {
    /// It says nothing that counts: every market skips it, and the chain refuses it.
    Skip(Skip),
    /// What is known could not be read: try again.
    Unknown(E),
}

impl<E> From<Skip> for Refusal<E> {
    fn from(skip: Skip) -> Self {
        Self::Skip(skip)
    }
}

/// What a signed operation at `at` changes.
///
/// # Errors
/// [`Refusal`].
pub fn operation<V: View>(operation: SignedOperation, at: Cursor, known: &V) -> Result<Changes, Refusal<V::Error>> {
    let placed = Placed { operation, at };
    match &placed.operation.operation().action {
        Action::Publish(_) | Action::Update { .. } | Action::Withdraw { .. } | Action::Want(_) => {
            let before = entry(known, placed.operation.listing_id())?;
            rule::decide(before.as_ref().map(|entry| Known::from(&entry.operation)).as_ref(), &placed.operation)?;
            Ok(Changes { entry: Some(placed), facts: Vec::new() })
        }
        Action::Answer(answer) => answered(&placed, answer, known),
        Action::Rate(rating) => rated(&placed, rating, known),
        Action::OfferPreview(offer) => offered(&placed, offer, known),
        Action::OpenPreview(opening) => opened(&placed, opening, known),
    }
}

/// What a record of the chain at `at` changes.
///
/// # Errors
/// [`Refusal`].
pub fn record<V: View>(record: &ChainRecord, at: Cursor, known: &V) -> Result<Changes, Refusal<V::Error>> {
    match record {
        ChainRecord::Trade(trade) => ended(trade, at, known),
        ChainRecord::Draw(draw) => drawn(draw, at, known),
    }
}

fn entry<V: View>(known: &V, id: ListingId) -> Result<Option<Placed>, Refusal<V::Error>> {
    known.entry(id).map_err(Refusal::Unknown)
}

fn fact<V: View>(known: &V, key: FactKey) -> Result<Option<Fact>, Refusal<V::Error>> {
    known.fact(key).map_err(Refusal::Unknown)
}

fn standing<V: View>(known: &V, id: ListingId) -> Result<Standing, Refusal<V::Error>> {
    match fact(known, FactKey::Standing(id))? {
        Some(Fact::Standing(standing)) => Ok(standing),
        _ => Ok(Standing::default()),
    }
}

fn account<V: View>(known: &V, key: FactKey) -> Result<Account, Refusal<V::Error>> {
    match fact(known, key)? {
        Some(Fact::Account(account)) => Ok(account),
        _ => Ok(Account::default()),
    }
}

fn answered<V: View>(placed: &Placed, answer: &Answer, known: &V) -> Result<Changes, Refusal<V::Error>> {
    let seller = placed.operation.operation().seller;
    let wish = entry(known, answer.wanted)?.ok_or(Skip::Unknown)?;
    if matches!(wish.operation.operation().action, Action::Withdraw { .. }) {
        return Err(Skip::Withdrawn.into());
    }
    let wanted = wish.operation.wanted().ok_or(Skip::Kind)?;
    if !wanted.is_open(placed.at.height) {
        return Err(Skip::Expired(wanted.until).into());
    }
    if wish.operation.operation().seller == seller {
        return Err(Skip::Answer("nobody answers itself").into());
    }
    if answer.price > wanted.max_price {
        return Err(Skip::Answer("it costs more than the buyer pays").into());
    }
    if let Offered::Listing(id) = answer.offered {
        let listing = entry(known, id)?;
        let own = listing.is_some_and(|listing| {
            listing.operation.content().is_some() && listing.operation.operation().seller == seller
        });
        if !own {
            return Err(Skip::Answer("the listing is not up, or another seller's").into());
        }
    }
    let key = FactKey::Answer(answer.wanted, seller);
    if let Some(Fact::Answer(last)) = fact(known, key)? {
        let (given, current) = (placed.operation.operation().sequence, last.operation.operation().sequence);
        if given <= current {
            return Err(Skip::Stale { given, current }.into());
        }
    }
    Ok(Changes { entry: None, facts: vec![(key, Fact::Answer(Box::new(placed.clone())))] })
}

fn rated<V: View>(placed: &Placed, rating: &Rating, known: &V) -> Result<Changes, Refusal<V::Error>> {
    let Some(Fact::Trade(trade)) = fact(known, FactKey::Trade(rating.order))? else {
        return Err(Skip::NoTrade.into());
    };
    if trade.record.buyer != placed.operation.operation().seller {
        return Err(Skip::NotBuyer.into());
    }
    if !trade.record.is_sale() {
        return Err(Skip::NotSold.into());
    }
    if trade.rated.is_some() {
        return Err(Skip::Rated.into());
    }
    let record = trade.record;
    let seller = FactKey::Account(record.seller);
    let (mut listed, mut selling) = (standing(known, record.listing)?, account(known, seller)?);
    listed.ratings = listed.ratings.with(rating.score);
    selling.ratings = selling.ratings.with(rating.score);
    let trade = Trade { rated: Some(placed.clone()), ..*trade };
    let facts = vec![
        (FactKey::Trade(record.order), Fact::Trade(Box::new(trade))),
        (FactKey::Standing(record.listing), Fact::Standing(listed)),
        (seller, Fact::Account(selling)),
    ];
    Ok(Changes { entry: None, facts })
}

fn offered<V: View>(placed: &Placed, offer: &PreviewOffer, known: &V) -> Result<Changes, Refusal<V::Error>> {
    let seller = placed.operation.operation().seller;
    let listing = entry(known, offer.listing)?.ok_or(Skip::Unknown)?;
    if listing.operation.operation().seller != seller {
        return Err(Skip::NotSeller.into());
    }
    let content = listing.operation.content().ok_or(Skip::Kind)?;
    if !offer.fits(content) {
        return Err(Skip::NoPreview.into());
    }
    let key = FactKey::Preview(seller, offer.manifest);
    if fact(known, key)?.is_some() {
        return Err(Skip::Drawn.into());
    }
    let mut listed = standing(known, offer.listing)?;
    listed.preview = Some(offer.manifest);
    let preview = Preview { offered: placed.clone(), drawn: None, opened: None };
    let facts =
        vec![(key, Fact::Preview(Box::new(preview))), (FactKey::Standing(offer.listing), Fact::Standing(listed))];
    Ok(Changes { entry: None, facts })
}

fn opened<V: View>(placed: &Placed, opening: &PreviewOpening, known: &V) -> Result<Changes, Refusal<V::Error>> {
    let seller = placed.operation.operation().seller;
    let key = FactKey::Preview(seller, opening.manifest);
    let Some(Fact::Preview(preview)) = fact(known, key)? else { return Err(Skip::NoPreview.into()) };
    let (Some(offer), Some((randomness, _)), None) = (preview.offer(), preview.drawn, &preview.opened) else {
        return Err(Skip::NoPreview.into());
    };
    let listing = entry(known, offer.listing)?.ok_or(Skip::Unknown)?;
    let content = listing.operation.content().ok_or(Skip::Withdrawn)?;
    if opening.listing != offer.listing {
        return Err(Skip::NoPreview.into());
    }
    opening.open(offer, content.stream, &seller, randomness).map_err(Skip::Preview)?;
    let preview = Preview { opened: Some(placed.clone()), ..*preview };
    Ok(Changes { entry: None, facts: vec![(key, Fact::Preview(Box::new(preview)))] })
}

fn ended<V: View>(record: &TradeRecord, at: Cursor, known: &V) -> Result<Changes, Refusal<V::Error>> {
    let key = FactKey::Trade(record.order);
    if fact(known, key)?.is_some() || record.buyer == record.seller {
        return Err(Skip::Record.into());
    }
    let (seller, buyer) = (FactKey::Account(record.seller), FactKey::Account(record.buyer));
    let (mut selling, mut buying) = (account(known, seller)?, account(known, buyer)?);
    for side in [&mut selling.selling, &mut buying.buying] {
        let count = match record.end {
            TradeEnd::Settled => &mut side.settled,
            TradeEnd::SellerFault => &mut side.faults,
            TradeEnd::Cancelled | TradeEnd::Refunded => &mut side.lapsed,
        };
        *count = count.saturating_add(1);
    }
    buying.false_complaints = buying.false_complaints.saturating_add(u64::from(record.false_complaint));
    let mut facts = vec![
        (key, Fact::Trade(Box::new(Trade { record: *record, at, rated: None }))),
        (FactKey::History(record.seller, at, record.order), Fact::History),
        (FactKey::History(record.buyer, at, record.order), Fact::History),
        (seller, Fact::Account(selling)),
        (buyer, Fact::Account(buying)),
    ];
    if record.is_sale() {
        let mut listed = standing(known, record.listing)?;
        listed.sold = listed.sold.saturating_add(1);
        facts.push((FactKey::Standing(record.listing), Fact::Standing(listed)));
    }
    Ok(Changes { entry: None, facts })
}

fn drawn<V: View>(draw: &PreviewDraw, at: Cursor, known: &V) -> Result<Changes, Refusal<V::Error>> {
    let key = FactKey::Preview(draw.seller, draw.manifest);
    let Some(Fact::Preview(preview)) = fact(known, key)? else { return Err(Skip::NoPreview.into()) };
    if preview.drawn.is_some() {
        return Err(Skip::Drawn.into());
    }
    // The offer must have been made before anybody could know the draw.
    if preview.offered.at.height >= at.height {
        return Err(Skip::Record.into());
    }
    let preview = Preview { drawn: Some((draw.randomness, at)), ..*preview };
    Ok(Changes { entry: None, facts: vec![(key, Fact::Preview(Box::new(preview)))] })
}
