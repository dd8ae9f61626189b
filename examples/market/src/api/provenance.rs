//! Where the data of a listing comes from, and what some of it costs.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use cpchain_crypto::PublicKey;
use cpchain_examples::share::{Appraiser, ShareError};
use cpchain_market::Amount;
use cpchain_storage::{AccessRights, Manifest, StreamId, Voucher};
use serde::{Deserialize, Serialize};

use super::{
    error::ApiError,
    listings::current,
    read::{Args, limit},
};
use crate::App;

const PAGE: usize = 8;
const MOST: usize = 32;
/// What each proxy gets that posts its fragments: 1 CPC.
const FEE: Amount = Amount(1_000_000_000_000_000_000);
/// Proxies of an order, and how many of them are needed, as far as the listing has so many.
const PROXIES: (u8, u8) = (2, 3);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Uploads {
    #[serde(default)]
    from: u64,
    limit: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct Provenance {
    stream: String,
    /// Name of the stream, if the listing's URI leads to it.
    name: Option<String>,
    uploads: Vec<UploadRow>,
    more: bool,
    /// Whether this server asked the storage network.
    storage: bool,
}

#[derive(Serialize)]
struct UploadRow {
    upload: u64,
    voucher: String,
    previous: String,
    owner: String,
    manifest: String,
    block_root: String,
    leaf_root: String,
    leaf_count: u32,
    public: bool,
    stored: Option<StoredRow>,
}

#[derive(Serialize)]
struct StoredRow {
    object: String,
    bytes: u64,
    first_interval: u32,
    end_interval: u32,
    from_ms: u64,
    to_ms: u64,
    readings: u64,
    expires_ms: u64,
    blocks: Vec<BlockRow>,
    holders: Vec<HolderRow>,
}

#[derive(Serialize)]
struct BlockRow {
    index: u64,
    interval: u32,
    hash: String,
    bytes: u32,
    start_ms: u64,
    readings: u32,
}

#[derive(Serialize)]
struct HolderRow {
    node: String,
    shards: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    first: u32,
    end: u32,
}

#[derive(Serialize)]
pub(super) struct Quote {
    listing: String,
    revision: String,
    first_interval: u32,
    end_interval: u32,
    manifest: String,
    leaf_root: String,
    leaf_count: u64,
    price: String,
    fee: String,
    bond: String,
    locked: String,
    threshold: u8,
    proxies: u8,
}

pub(super) async fn provenance(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Args(args): Args<Uploads>,
) -> Result<Json<Provenance>, ApiError> {
    let limit = limit(args.limit, PAGE, MOST)?;
    let (shown, ..) = current(&app, &id)?;
    let content = shown.content().ok_or(ApiError::Internal)?;
    let stream = Appraiser::stream_of(content);
    let voucher = |upload| Appraiser::voucher(&app.view, &content.stream, upload);
    let vouchers = (args.from..=u64::MAX).map_while(voucher).take(limit + 1).collect::<Vec<_>>();
    let asked = vouchers.iter().take(limit).map(|voucher| upload(&app, stream.as_ref(), voucher));
    let uploads = futures::future::join_all(asked).await;
    Ok(Json(Provenance {
        stream: content.stream.to_string(),
        name: stream.map(|stream| stream.name().to_owned()),
        uploads,
        more: vouchers.len() > limit,
        storage: app.appraiser.is_some(),
    }))
}

async fn upload(app: &App, stream: Option<&StreamId>, voucher: &Voucher) -> UploadRow {
    let stored = match (&app.appraiser, stream) {
        (Some(appraiser), Some(stream)) => stored(appraiser, stream, voucher).await.unwrap_or_else(|error| {
            tracing::info!(%error, "an upload is not shown");
            None
        }),
        _ => None,
    };
    let body = voucher.body();
    UploadRow {
        upload: body.upload,
        voucher: voucher.hash().to_string(),
        previous: body.previous.to_string(),
        owner: body.owner.to_string(),
        manifest: body.manifest.to_string(),
        block_root: body.block_root.to_string(),
        leaf_root: body.leaf_root.to_string(),
        leaf_count: body.leaf_count,
        public: body.access == AccessRights::PublicCiphertext,
        stored,
    }
}

async fn stored(appraiser: &Appraiser, stream: &StreamId, voucher: &Voucher) -> Result<Option<StoredRow>, ShareError> {
    let Some(manifest) = appraiser.manifest(stream, voucher).await? else { return Ok(None) };
    let holders = appraiser.holders(&manifest).await?;
    let holders = holders.into_iter().map(|(node, shards)| HolderRow { node: PublicKey(node).to_string(), shards });
    Ok(Some(row(&manifest, holders.collect())))
}

fn row(manifest: &Manifest, holders: Vec<HolderRow>) -> StoredRow {
    let body = manifest.body();
    let block = |block: &cpchain_storage::manifest::BlockEntry| BlockRow {
        index: block.index,
        interval: block.interval.0,
        hash: block.hash.to_string(),
        bytes: block.length,
        start_ms: block.start_ms,
        readings: block.count,
    };
    StoredRow {
        object: body.object.root.to_string(),
        bytes: body.object.length,
        first_interval: body.intervals.first().map_or(0, |entry| entry.interval.0),
        end_interval: body.intervals.last().map_or(0, |entry| entry.interval.0.saturating_add(1)),
        from_ms: body.blocks.first().map_or(0, |block| block.start_ms),
        to_ms: body.blocks.last().map_or(0, |block| block.start_ms.saturating_add(body.period_ms)),
        readings: body.blocks.iter().map(|block| u64::from(block.count)).sum(),
        expires_ms: body.expires_ms,
        blocks: body.blocks.iter().map(block).collect(),
        holders,
    }
}

pub(super) async fn quote(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Args(wanted): Args<Wanted>,
) -> Result<Json<Quote>, ApiError> {
    let (shown, last, _) = current(&app, &id)?;
    if last.content().is_none() {
        return Err(ApiError::Refused("the listing was withdrawn".to_owned()));
    }
    let content = shown.content().ok_or(ApiError::Internal)?;
    let none = || ApiError::Unavailable("this server is no client of the storage network: ask another".to_owned());
    let appraiser = app.appraiser.as_ref().ok_or_else(none)?;
    let foreign = || ApiError::NotFound("the listing's URI does not lead to its stream".to_owned());
    let stream = Appraiser::stream_of(content).ok_or_else(foreign)?;
    let goods = appraiser.appraise(&stream, &(wanted.first..wanted.end)).await.map_err(|error| match error {
        ShareError::Input(why) => ApiError::BadRequest(why),
        ShareError::Failed { .. } => {
            tracing::info!(%error, "a quote failed");
            ApiError::Unavailable("the sealed data could not be fetched and verified: try again".to_owned())
        }
    })?;
    let (n, t) = (u8::try_from(content.proxies.len()).unwrap_or(u8::MAX).min(PROXIES.1), PROXIES.0);
    if n == 0 {
        return Err(ApiError::Refused("the listing allows no proxies: nobody could hand over its keys".to_owned()));
    }
    let costly = || ApiError::BadRequest("that costs more than there is".to_owned());
    let price = content.quote(wanted.end - wanted.first).ok_or_else(costly)?;
    let fees = FEE.checked_mul(u128::from(n)).ok_or_else(costly)?;
    let locked = price.checked_add(price).and_then(|twice| twice.checked_add(fees)).ok_or_else(costly)?;
    Ok(Json(Quote {
        listing: shown.listing_id().to_string(),
        revision: shown.id().to_string(),
        first_interval: wanted.first,
        end_interval: wanted.end,
        manifest: goods.manifest.to_string(),
        leaf_root: goods.leaf_root.to_string(),
        leaf_count: goods.leaf_count,
        price: price.0.to_string(),
        fee: FEE.0.to_string(),
        bond: price.0.to_string(),
        locked: locked.0.to_string(),
        threshold: t.min(n),
        proxies: n,
    }))
}
