//! The messages of `proto/listing.proto` for what is no listing: wishes, answers, ratings, previews.

use cpchain_crypto::{
    Digest, Key,
    block::{HEADER_LEN, LeafCommitment, LeafSecrets},
};
use prost::{Message, Oneof};

use super::{
    operation::{ListingError, ListingId},
    preview, rating, wanted,
    wire::{UnitMessage, digest, unit_in, unit_out},
};
use crate::{
    escrow::{LeafEvidence, OrderId},
    units::Height,
    wire::Amount,
};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Wanted {
    #[prost(string, tag = "1")]
    title: String,
    #[prost(string, tag = "2")]
    description: String,
    #[prost(string, repeated, tag = "3")]
    tags: Vec<String>,
    #[prost(string, tag = "4")]
    category: String,
    #[prost(message, optional, tag = "5")]
    max_price: Option<Amount>,
    #[prost(enumeration = "UnitMessage", tag = "6")]
    unit: i32,
    #[prost(uint64, tag = "7")]
    period_ms: u64,
    #[prost(uint64, tag = "8")]
    until: u64,
    #[prost(uint64, tag = "9")]
    created_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OfferedObject {
    #[prost(bytes = "vec", tag = "1")]
    manifest: Vec<u8>,
    #[prost(string, tag = "2")]
    uri: String,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Offered {
    #[prost(bytes = "vec", tag = "2")]
    Listing(Vec<u8>),
    #[prost(message, tag = "3")]
    Object(OfferedObject),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Answer {
    #[prost(bytes = "vec", tag = "1")]
    wanted: Vec<u8>,
    #[prost(oneof = "Offered", tags = "2, 3")]
    offered: Option<Offered>,
    #[prost(message, optional, tag = "4")]
    price: Option<Amount>,
    #[prost(string, tag = "5")]
    note: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Rating {
    #[prost(bytes = "vec", tag = "1")]
    order: Vec<u8>,
    #[prost(uint32, tag = "2")]
    score: u32,
    #[prost(string, tag = "3")]
    text: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PreviewOffer {
    #[prost(bytes = "vec", tag = "1")]
    listing: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    manifest: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    leaf_root: Vec<u8>,
    #[prost(uint64, tag = "4")]
    leaf_count: u64,
    #[prost(uint32, tag = "5")]
    leaves: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OpenedLeaf {
    #[prost(bytes = "vec", tag = "1")]
    header: Vec<u8>,
    #[prost(uint32, tag = "2")]
    leaf: u32,
    #[prost(bytes = "vec", tag = "3")]
    sealed: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    plain_hash: Vec<u8>,
    #[prost(uint64, tag = "5")]
    index: u64,
    #[prost(bytes = "vec", tag = "6")]
    path: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "8")]
    salt: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PreviewOpening {
    #[prost(bytes = "vec", tag = "1")]
    listing: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    manifest: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    leaves: Vec<OpenedLeaf>,
}

pub(super) fn wanted_out(wanted: &wanted::Wanted) -> Wanted {
    Wanted {
        title: wanted.title.clone(),
        description: wanted.description.clone(),
        tags: wanted.tags.clone(),
        category: wanted.category.clone(),
        max_price: Some(wanted.max_price.into()),
        unit: unit_out(wanted.unit),
        period_ms: wanted.period_ms,
        until: wanted.until.0,
        created_ms: wanted.created_ms,
    }
}

pub(super) fn wanted_in(message: Wanted) -> Result<wanted::Wanted, ListingError> {
    Ok(wanted::Wanted {
        title: message.title,
        description: message.description,
        tags: message.tags,
        category: message.category,
        max_price: message.max_price.ok_or(ListingError::Format("no price"))?.into(),
        unit: unit_in(message.unit)?,
        period_ms: message.period_ms,
        until: Height(message.until),
        created_ms: message.created_ms,
    })
}

pub(super) fn answer_out(answer: &wanted::Answer) -> Answer {
    let offered = match &answer.offered {
        wanted::Offered::Listing(id) => Offered::Listing(id.0.0.to_vec()),
        wanted::Offered::Object { manifest, uri } => {
            Offered::Object(OfferedObject { manifest: manifest.0.to_vec(), uri: uri.clone() })
        }
    };
    Answer {
        wanted: answer.wanted.0.0.to_vec(),
        offered: Some(offered),
        price: Some(answer.price.into()),
        note: answer.note.clone(),
    }
}

pub(super) fn answer_in(message: Answer) -> Result<wanted::Answer, ListingError> {
    Ok(wanted::Answer {
        wanted: ListingId(digest(&message.wanted)?),
        offered: match message.offered {
            Some(Offered::Listing(id)) => wanted::Offered::Listing(ListingId(digest(&id)?)),
            Some(Offered::Object(object)) => {
                wanted::Offered::Object { manifest: digest(&object.manifest)?, uri: object.uri }
            }
            None => return Err(ListingError::Format("an answer that offers nothing")),
        },
        price: message.price.ok_or(ListingError::Format("no price"))?.into(),
        note: message.note,
    })
}

pub(super) fn rating_out(rating: &rating::Rating) -> Rating {
    Rating { order: rating.order.0.0.to_vec(), score: u32::from(rating.score), text: rating.text.clone() }
}

pub(super) fn rating_in(message: Rating) -> Result<rating::Rating, ListingError> {
    Ok(rating::Rating { order: OrderId(digest(&message.order)?), score: small(message.score)?, text: message.text })
}

pub(super) fn offer_out(offer: &preview::PreviewOffer) -> PreviewOffer {
    PreviewOffer {
        listing: offer.listing.0.0.to_vec(),
        manifest: offer.manifest.0.to_vec(),
        leaf_root: offer.leaf_root.0.to_vec(),
        leaf_count: offer.leaf_count,
        leaves: u32::from(offer.leaves),
    }
}

pub(super) fn offer_in(message: &PreviewOffer) -> Result<preview::PreviewOffer, ListingError> {
    Ok(preview::PreviewOffer {
        listing: ListingId(digest(&message.listing)?),
        manifest: digest(&message.manifest)?,
        leaf_root: digest(&message.leaf_root)?,
        leaf_count: message.leaf_count,
        leaves: small(message.leaves)?,
    })
}

pub(super) fn opening_out(opening: &preview::PreviewOpening) -> PreviewOpening {
    let leaves = opening.leaves.iter().map(|leaf| OpenedLeaf {
        header: leaf.evidence.header.to_vec(),
        leaf: leaf.evidence.leaf,
        sealed: leaf.evidence.sealed.clone(),
        plain_hash: leaf.evidence.commitment.plain.0.to_vec(),
        index: leaf.evidence.index,
        path: leaf.evidence.path.iter().flat_map(|digest| digest.0).collect(),
        key: leaf.secrets.key.expose().to_vec(),
        salt: leaf.secrets.salt.to_vec(),
    });
    PreviewOpening {
        listing: opening.listing.0.0.to_vec(),
        manifest: opening.manifest.0.to_vec(),
        leaves: leaves.collect(),
    }
}

pub(super) fn opening_in(message: PreviewOpening) -> Result<preview::PreviewOpening, ListingError> {
    Ok(preview::PreviewOpening {
        listing: ListingId(digest(&message.listing)?),
        manifest: digest(&message.manifest)?,
        leaves: message.leaves.into_iter().map(leaf_in).collect::<Result<_, _>>()?,
    })
}

fn leaf_in(message: OpenedLeaf) -> Result<preview::OpenedLeaf, ListingError> {
    let secrets = LeafSecrets { key: Key::from_bytes(array(&message.key)?), salt: array(&message.salt)? };
    let (path, rest) = message.path.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(ListingError::Format("a path is not of whole hashes"));
    }
    let evidence = LeafEvidence {
        header: array::<HEADER_LEN>(&message.header)?,
        leaf: message.leaf,
        sealed: message.sealed,
        commitment: LeafCommitment { key: secrets.key_hash(), plain: digest(&message.plain_hash)? },
        index: message.index,
        path: path.iter().map(|digest| Digest(*digest)).collect(),
    };
    Ok(preview::OpenedLeaf { evidence, secrets })
}

fn small(number: u32) -> Result<u8, ListingError> {
    u8::try_from(number).map_err(|_| ListingError::Format("a number of one byte"))
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], ListingError> {
    bytes.try_into().map_err(|_| ListingError::Format("a field has not its fixed length"))
}
