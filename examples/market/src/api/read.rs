//! Reading what a client sends: queries, bodies, and the texts in them.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{header::CONTENT_TYPE, request::Parts},
};
use cpchain_crypto::{Digest, PublicKey};
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// The query string, with errors of this API. Unknown names are refused.
pub(super) struct Args<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Args<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(args)| Self(args)).map_err(|error| ApiError::BadRequest(error.body_text()))
    }
}

/// A JSON body, with errors of this API.
///
/// Only `application/json` is read: a form of another origin cannot send it without asking first.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.split(';').next().map(str::trim) != Some("application/json") {
            return Err(ApiError::MediaType);
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|_| ApiError::TooLarge)?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| ApiError::BadRequest(error.to_string()))
    }
}

/// A hash of 64 hexadecimal digits.
pub(super) fn digest(text: &str) -> Result<Digest, ApiError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| ApiError::BadRequest("an id has 64 hexadecimal digits".to_owned()))?;
    Ok(Digest(bytes))
}

/// An account: 64 hexadecimal digits or a `did:key`.
pub(super) fn account(text: &str) -> Result<PublicKey, ApiError> {
    cpchain_node::keys::account(text)
        .ok_or_else(|| ApiError::BadRequest("an account is 64 hexadecimal digits or a did:key".to_owned()))
}

/// Bytes in hexadecimal digits.
pub(super) fn bytes(text: &str) -> Result<Vec<u8>, ApiError> {
    hex::decode(text).map_err(|_| ApiError::BadRequest("bytes are written in hexadecimal digits".to_owned()))
}

/// An amount in units of 10⁻¹⁸ CPC, as decimal digits.
pub(super) fn amount(text: &str) -> Result<u128, ApiError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let amount = text.parse().ok().filter(|_| digits);
    amount.ok_or_else(|| ApiError::BadRequest("an amount is a whole number of units of 10^-18 CPC".to_owned()))
}

/// How many items a page has: 1 to `most`.
pub(super) fn limit(asked: Option<usize>, default: usize, most: usize) -> Result<usize, ApiError> {
    let limit = asked.unwrap_or(default);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::BadRequest(format!("limit is 1 to {most}")))
}
