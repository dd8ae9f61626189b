//! The messages of `proto/book.proto`.

use cpchain_crypto::{Digest, PublicKey};
use prost::{Enumeration, Message, Oneof};

use super::{
    facts::{self, Fact, FactError, FactKey},
    record::{self, ChainRecord, RecordError},
};
use crate::{
    escrow::OrderId,
    listing::{ListingId, SignedOperation},
    log::Cursor,
    units::{self, Height},
    wire::Amount,
};

const VERSION: u8 = 1;
/// Longest record.
const MAX_RECORD: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
enum TradeEnd {
    Unspecified = 0,
    Cancelled = 1,
    Refunded = 2,
    Settled = 3,
    SellerFault = 4,
}

#[derive(Clone, PartialEq, Message)]
struct TradeRecord {
    #[prost(bytes = "vec", tag = "1")]
    order: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    listing: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    buyer: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    seller: Vec<u8>,
    #[prost(enumeration = "TradeEnd", tag = "5")]
    end: i32,
    #[prost(uint32, tag = "6")]
    intervals: u32,
    #[prost(message, optional, tag = "7")]
    paid: Option<Amount>,
    #[prost(bool, tag = "8")]
    false_complaint: bool,
}

#[derive(Clone, PartialEq, Message)]
struct PreviewDraw {
    #[prost(bytes = "vec", tag = "1")]
    seller: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    manifest: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    randomness: Vec<u8>,
}

#[derive(Clone, PartialEq, Oneof)]
enum RecordMessage {
    #[prost(message, tag = "1")]
    Trade(TradeRecord),
    #[prost(message, tag = "2")]
    Draw(PreviewDraw),
}

#[derive(Clone, PartialEq, Message)]
struct RecordFrame {
    #[prost(oneof = "RecordMessage", tags = "1, 2")]
    record: Option<RecordMessage>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Place {
    #[prost(uint64, tag = "1")]
    height: u64,
    #[prost(uint32, tag = "2")]
    index: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Placed {
    #[prost(bytes = "vec", tag = "1")]
    operation: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    at: Option<Place>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Ratings {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(uint64, tag = "2")]
    sum: u64,
}

#[derive(Clone, PartialEq, Message)]
struct TradeRow {
    #[prost(message, optional, tag = "1")]
    record: Option<TradeRecord>,
    #[prost(message, optional, tag = "2")]
    at: Option<Place>,
    #[prost(message, optional, tag = "3")]
    rating: Option<Placed>,
}

#[derive(Clone, PartialEq, Message)]
struct StandingRow {
    #[prost(message, optional, tag = "1")]
    ratings: Option<Ratings>,
    #[prost(uint64, tag = "2")]
    sold: u64,
    #[prost(bytes = "vec", tag = "3")]
    preview: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Side {
    #[prost(uint64, tag = "1")]
    settled: u64,
    #[prost(uint64, tag = "2")]
    faults: u64,
    #[prost(uint64, tag = "3")]
    lapsed: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct AccountRow {
    #[prost(message, optional, tag = "1")]
    selling: Option<Side>,
    #[prost(message, optional, tag = "2")]
    buying: Option<Side>,
    #[prost(uint64, tag = "3")]
    false_complaints: u64,
    #[prost(message, optional, tag = "4")]
    ratings: Option<Ratings>,
}

#[derive(Clone, PartialEq, Message)]
struct PreviewRow {
    #[prost(message, optional, tag = "1")]
    offer: Option<Placed>,
    #[prost(bytes = "vec", tag = "2")]
    randomness: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    drawn_at: Option<Place>,
    #[prost(message, optional, tag = "4")]
    opening: Option<Placed>,
}

pub(super) fn record_to_bytes(record: &ChainRecord) -> Vec<u8> {
    let record = match record {
        ChainRecord::Trade(trade) => RecordMessage::Trade(trade_out(trade)),
        ChainRecord::Draw(draw) => RecordMessage::Draw(PreviewDraw {
            seller: draw.seller.0.to_vec(),
            manifest: draw.manifest.0.to_vec(),
            randomness: draw.randomness.0.to_vec(),
        }),
    };
    let mut bytes = vec![VERSION];
    bytes.extend(RecordFrame { record: Some(record) }.encode_to_vec());
    bytes
}

pub(super) fn record_from_bytes(bytes: &[u8]) -> Result<ChainRecord, RecordError> {
    let body = match bytes.split_first() {
        Some((&VERSION, body)) if bytes.len() <= MAX_RECORD => body,
        _ => return Err(RecordError("unknown version, or too long")),
    };
    let frame = RecordFrame::decode(body).map_err(|_| RecordError("not a record message"))?;
    match frame.record {
        Some(RecordMessage::Trade(trade)) => Ok(ChainRecord::Trade(trade_in(trade)?)),
        Some(RecordMessage::Draw(draw)) => Ok(ChainRecord::Draw(record::PreviewDraw {
            seller: PublicKey(digest(&draw.seller)?.0),
            manifest: digest(&draw.manifest)?,
            randomness: digest(&draw.randomness)?,
        })),
        None => Err(RecordError("no record that this version knows")),
    }
}

pub(super) fn fact_to_bytes(fact: &Fact) -> Vec<u8> {
    match fact {
        Fact::History => Vec::new(),
        Fact::Answer(answer) => placed_out(answer).encode_to_vec(),
        Fact::Standing(standing) => StandingRow {
            ratings: Some(ratings_out(standing.ratings)),
            sold: standing.sold,
            preview: standing.preview.map(|manifest| manifest.0.to_vec()).unwrap_or_default(),
        }
        .encode_to_vec(),
        Fact::Account(account) => AccountRow {
            selling: Some(side_out(account.selling)),
            buying: Some(side_out(account.buying)),
            false_complaints: account.false_complaints,
            ratings: Some(ratings_out(account.ratings)),
        }
        .encode_to_vec(),
        Fact::Trade(trade) => TradeRow {
            record: Some(trade_out(&trade.record)),
            at: Some(place_out(trade.at)),
            rating: trade.rated.as_ref().map(placed_out),
        }
        .encode_to_vec(),
        Fact::Preview(preview) => PreviewRow {
            offer: Some(placed_out(&preview.offered)),
            randomness: preview.drawn.map(|(randomness, _)| randomness.0.to_vec()).unwrap_or_default(),
            drawn_at: preview.drawn.map(|(_, at)| place_out(at)),
            opening: preview.opened.as_ref().map(placed_out),
        }
        .encode_to_vec(),
    }
}

pub(super) fn fact_from_bytes(key: &FactKey, bytes: &[u8]) -> Result<Fact, FactError> {
    Ok(match key {
        FactKey::History(..) if bytes.is_empty() => Fact::History,
        FactKey::History(..) => return Err(broken("a history row says nothing but its key")),
        FactKey::Answer(..) => Fact::Answer(Box::new(placed_in(decode(bytes)?)?)),
        FactKey::Standing(_) => {
            let row: StandingRow = decode(bytes)?;
            let preview = if row.preview.is_empty() { None } else { Some(digest(&row.preview).map_err(from)?) };
            Fact::Standing(facts::Standing { ratings: ratings_in(row.ratings), sold: row.sold, preview })
        }
        FactKey::Account(_) => {
            let row: AccountRow = decode(bytes)?;
            Fact::Account(facts::Account {
                selling: side_in(row.selling),
                buying: side_in(row.buying),
                false_complaints: row.false_complaints,
                ratings: ratings_in(row.ratings),
            })
        }
        FactKey::Trade(_) => {
            let row: TradeRow = decode(bytes)?;
            Fact::Trade(Box::new(facts::Trade {
                record: trade_in(row.record.ok_or_else(|| broken("a trade without its record"))?).map_err(from)?,
                at: place_in(row.at),
                rated: row.rating.map(placed_in).transpose()?,
            }))
        }
        FactKey::Preview(..) => {
            let row: PreviewRow = decode(bytes)?;
            let drawn = match row.drawn_at {
                None => None,
                Some(at) => Some((digest(&row.randomness).map_err(from)?, place_in(Some(at)))),
            };
            Fact::Preview(Box::new(facts::Preview {
                offered: placed_in(row.offer.ok_or_else(|| broken("a preview without its offer"))?)?,
                drawn,
                opened: row.opening.map(placed_in).transpose()?,
            }))
        }
    })
}

fn trade_out(trade: &record::TradeRecord) -> TradeRecord {
    TradeRecord {
        order: trade.order.0.0.to_vec(),
        listing: trade.listing.0.0.to_vec(),
        buyer: trade.buyer.0.to_vec(),
        seller: trade.seller.0.to_vec(),
        end: match trade.end {
            record::TradeEnd::Cancelled => TradeEnd::Cancelled,
            record::TradeEnd::Refunded => TradeEnd::Refunded,
            record::TradeEnd::Settled => TradeEnd::Settled,
            record::TradeEnd::SellerFault => TradeEnd::SellerFault,
        } as i32,
        intervals: trade.intervals,
        paid: Some(trade.paid.into()),
        false_complaint: trade.false_complaint,
    }
}

fn trade_in(trade: TradeRecord) -> Result<record::TradeRecord, RecordError> {
    Ok(record::TradeRecord {
        order: OrderId(digest(&trade.order)?),
        listing: ListingId(digest(&trade.listing)?),
        buyer: PublicKey(digest(&trade.buyer)?.0),
        seller: PublicKey(digest(&trade.seller)?.0),
        end: match TradeEnd::try_from(trade.end) {
            Ok(TradeEnd::Cancelled) => record::TradeEnd::Cancelled,
            Ok(TradeEnd::Refunded) => record::TradeEnd::Refunded,
            Ok(TradeEnd::Settled) => record::TradeEnd::Settled,
            Ok(TradeEnd::SellerFault) => record::TradeEnd::SellerFault,
            Ok(TradeEnd::Unspecified) | Err(_) => return Err(RecordError("no such end")),
        },
        intervals: trade.intervals,
        paid: units::Amount::from(trade.paid.ok_or(RecordError("an amount is missing"))?),
        false_complaint: trade.false_complaint,
    })
}

const fn place_out(at: Cursor) -> Place {
    Place { height: at.height.0, index: at.index }
}

fn place_in(at: Option<Place>) -> Cursor {
    let at = at.unwrap_or_default();
    Cursor { height: Height(at.height), index: at.index }
}

fn placed_out(placed: &facts::Placed) -> Placed {
    Placed { operation: placed.operation.as_bytes().to_vec(), at: Some(place_out(placed.at)) }
}

fn placed_in(placed: Placed) -> Result<facts::Placed, FactError> {
    let operation = SignedOperation::from_bytes(&placed.operation).map_err(|error| FactError(error.to_string()))?;
    Ok(facts::Placed { operation, at: place_in(placed.at) })
}

const fn ratings_out(ratings: facts::Ratings) -> Ratings {
    Ratings { count: ratings.count, sum: ratings.sum }
}

fn ratings_in(ratings: Option<Ratings>) -> facts::Ratings {
    let Ratings { count, sum } = ratings.unwrap_or_default();
    facts::Ratings { count, sum }
}

const fn side_out(side: facts::Side) -> Side {
    Side { settled: side.settled, faults: side.faults, lapsed: side.lapsed }
}

fn side_in(side: Option<Side>) -> facts::Side {
    let Side { settled, faults, lapsed } = side.unwrap_or_default();
    facts::Side { settled, faults, lapsed }
}

fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, FactError> {
    M::decode(bytes).map_err(|_| broken("not the expected message"))
}

fn broken(reason: &str) -> FactError {
    FactError(reason.into())
}

fn from(error: RecordError) -> FactError {
    FactError(error.to_string())
}

fn digest(bytes: &[u8]) -> Result<Digest, RecordError> {
    Digest::from_slice(bytes).ok_or(RecordError("a hash or key has 32 bytes"))
}
