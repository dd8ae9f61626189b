//! The messages of `proto/listing.proto`.

use cpchain_crypto::{Digest, PublicKey};
use prost::Message;

use super::{
    content::{self, Unit},
    messages as m,
    operation::{Action, ListingError, ListingId, Operation},
};
use crate::wire::Amount;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum UnitMessage {
    Unspecified = 0,
    File = 1,
    Interval = 2,
    Stream = 3,
}

#[derive(Clone, PartialEq, Message)]
struct ListingMessage {
    #[prost(string, tag = "1")]
    title: String,
    #[prost(string, tag = "2")]
    description: String,
    #[prost(string, repeated, tag = "3")]
    tags: Vec<String>,
    #[prost(string, tag = "4")]
    category: String,
    #[prost(message, optional, tag = "5")]
    price: Option<Amount>,
    #[prost(enumeration = "UnitMessage", tag = "6")]
    unit: i32,
    #[prost(uint64, tag = "7")]
    period_ms: u64,
    #[prost(uint64, tag = "8")]
    from_ms: u64,
    #[prost(uint64, tag = "9")]
    to_ms: u64,
    #[prost(bytes = "vec", repeated, tag = "10")]
    samples: Vec<Vec<u8>>,
    #[prost(string, tag = "11")]
    uri: String,
    #[prost(bytes = "vec", repeated, tag = "12")]
    proxies: Vec<Vec<u8>>,
    #[prost(bytes = "vec", tag = "13")]
    stream: Vec<u8>,
    #[prost(bytes = "vec", tag = "14")]
    manifest: Vec<u8>,
    #[prost(uint64, tag = "15")]
    created_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
struct UpdateMessage {
    #[prost(bytes = "vec", tag = "1")]
    listing: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    content: Option<ListingMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct WithdrawMessage {
    #[prost(bytes = "vec", tag = "1")]
    listing: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum ActionMessage {
    #[prost(message, tag = "3")]
    Publish(ListingMessage),
    #[prost(message, tag = "4")]
    Update(UpdateMessage),
    #[prost(message, tag = "5")]
    Withdraw(WithdrawMessage),
    #[prost(message, tag = "6")]
    Want(m::Wanted),
    #[prost(message, tag = "7")]
    Answer(m::Answer),
    #[prost(message, tag = "8")]
    Rate(m::Rating),
    #[prost(message, tag = "9")]
    OfferPreview(m::PreviewOffer),
    #[prost(message, tag = "10")]
    OpenPreview(m::PreviewOpening),
}

#[derive(Clone, PartialEq, Message)]
struct OperationMessage {
    #[prost(bytes = "vec", tag = "1")]
    seller: Vec<u8>,
    #[prost(uint64, tag = "2")]
    sequence: u64,
    #[prost(oneof = "ActionMessage", tags = "3, 4, 5, 6, 7, 8, 9, 10")]
    action: Option<ActionMessage>,
}

pub(super) fn encode(operation: &Operation) -> Vec<u8> {
    let action = match &operation.action {
        Action::Publish(listing) => ActionMessage::Publish(listing_out(listing)),
        Action::Update { listing, content } => {
            ActionMessage::Update(UpdateMessage { listing: listing.0.0.to_vec(), content: Some(listing_out(content)) })
        }
        Action::Withdraw { listing } => ActionMessage::Withdraw(WithdrawMessage { listing: listing.0.0.to_vec() }),
        Action::Want(wanted) => ActionMessage::Want(m::wanted_out(wanted)),
        Action::Answer(answer) => ActionMessage::Answer(m::answer_out(answer)),
        Action::Rate(rating) => ActionMessage::Rate(m::rating_out(rating)),
        Action::OfferPreview(offer) => ActionMessage::OfferPreview(m::offer_out(offer)),
        Action::OpenPreview(opening) => ActionMessage::OpenPreview(m::opening_out(opening)),
    };
    OperationMessage { seller: operation.seller.0.to_vec(), sequence: operation.sequence, action: Some(action) }
        .encode_to_vec()
}

pub(super) fn decode(body: &[u8]) -> Result<Operation, ListingError> {
    let message = OperationMessage::decode(body).map_err(|_| ListingError::Format("not an operation message"))?;
    let action = match message.action {
        Some(ActionMessage::Publish(listing)) => Action::Publish(listing_in(listing)?),
        Some(ActionMessage::Update(update)) => Action::Update {
            listing: ListingId(digest(&update.listing)?),
            content: listing_in(update.content.ok_or(ListingError::Format("an update without content"))?)?,
        },
        Some(ActionMessage::Withdraw(withdraw)) => Action::Withdraw { listing: ListingId(digest(&withdraw.listing)?) },
        Some(ActionMessage::Want(wanted)) => Action::Want(m::wanted_in(wanted)?),
        Some(ActionMessage::Answer(answer)) => Action::Answer(m::answer_in(answer)?),
        Some(ActionMessage::Rate(rating)) => Action::Rate(m::rating_in(rating)?),
        Some(ActionMessage::OfferPreview(offer)) => Action::OfferPreview(m::offer_in(&offer)?),
        Some(ActionMessage::OpenPreview(opening)) => Action::OpenPreview(m::opening_in(opening)?),
        None => return Err(ListingError::Format("no action that this version knows")),
    };
    Ok(Operation { seller: key(&message.seller)?, sequence: message.sequence, action })
}

fn listing_out(listing: &content::Listing) -> ListingMessage {
    ListingMessage {
        title: listing.title.clone(),
        description: listing.description.clone(),
        tags: listing.tags.clone(),
        category: listing.category.clone(),
        price: Some(listing.price.into()),
        unit: unit_out(listing.unit),
        period_ms: listing.period_ms,
        from_ms: listing.from_ms,
        to_ms: listing.to_ms,
        samples: listing.samples.iter().map(|digest| digest.0.to_vec()).collect(),
        uri: listing.uri.clone(),
        proxies: listing.proxies.iter().map(|key| key.0.to_vec()).collect(),
        stream: listing.stream.0.to_vec(),
        manifest: listing.manifest.map(|digest| digest.0.to_vec()).unwrap_or_default(),
        created_ms: listing.created_ms,
    }
}

fn listing_in(message: ListingMessage) -> Result<content::Listing, ListingError> {
    Ok(content::Listing {
        title: message.title,
        description: message.description,
        tags: message.tags,
        category: message.category,
        price: message.price.ok_or(ListingError::Format("no price"))?.into(),
        unit: unit_in(message.unit)?,
        period_ms: message.period_ms,
        from_ms: message.from_ms,
        to_ms: message.to_ms,
        samples: message.samples.iter().map(|bytes| digest(bytes)).collect::<Result<_, _>>()?,
        uri: message.uri,
        proxies: message.proxies.iter().map(|bytes| key(bytes)).collect::<Result<_, _>>()?,
        stream: digest(&message.stream)?,
        manifest: if message.manifest.is_empty() { None } else { Some(digest(&message.manifest)?) },
        created_ms: message.created_ms,
    })
}

pub(super) const fn unit_out(unit: Unit) -> i32 {
    (match unit {
        Unit::File => UnitMessage::File,
        Unit::Interval => UnitMessage::Interval,
        Unit::Stream => UnitMessage::Stream,
    }) as i32
}

pub(super) fn unit_in(unit: i32) -> Result<Unit, ListingError> {
    match UnitMessage::try_from(unit) {
        Ok(UnitMessage::File) => Ok(Unit::File),
        Ok(UnitMessage::Interval) => Ok(Unit::Interval),
        Ok(UnitMessage::Stream) => Ok(Unit::Stream),
        _ => Err(ListingError::Format("no unit that this version knows")),
    }
}

pub(super) fn digest(bytes: &[u8]) -> Result<Digest, ListingError> {
    Digest::from_slice(bytes).ok_or(ListingError::Format("a hash has 32 bytes"))
}

fn key(bytes: &[u8]) -> Result<PublicKey, ListingError> {
    PublicKey::from_slice(bytes).ok_or(ListingError::Format("a key has 32 bytes"))
}
