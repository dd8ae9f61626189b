//! What holds for every request: bounds before it, headers after it.

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HOST, IF_NONE_MATCH, ORIGIN, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{ANSWER_WITHIN, error::ApiError};
use crate::App;

/// Who asks, as the connection says; set by [`serve`](crate::serve).
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Only files of this origin, and nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (headers, reads) = (request.headers().clone(), request.method() == Method::GET);
    let peer = request.extensions().get::<Peer>().copied();
    let answer = if peer.is_some_and(|Peer(address)| !app.limits.take(address)) {
        ApiError::Busy.into_response()
    } else if !same_origin(&headers) {
        ApiError::Origin.into_response()
    } else {
        let answered = tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await;
        answered.unwrap_or_else(|_| ApiError::Timeout.into_response())
    };
    let mut answer = if reads && answer.status() == StatusCode::OK { tagged(answer, &headers).await } else { answer };
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
        headers.insert(HeaderName::from_static(name), SAME_ORIGIN);
    }
    let cache = if headers.contains_key(ETAG) { "no-cache" } else { "no-store" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    answer
}

/// A browser names the origin of the page that asks; programs do not. That of the page that this server serves has the host that is asked.
fn same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let (Ok(origin), Some(Ok(host))) = (origin.to_str(), headers.get(HOST).map(HeaderValue::to_str)) else {
        return false;
    };
    origin.split_once("://").is_some_and(|(_, of)| of.eq_ignore_ascii_case(host))
}

/// Names the bytes of an answer, and leaves them out if the client has them. Streams pass as they are.
async fn tagged(answer: Response, asked: &HeaderMap) -> Response {
    if answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream") {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else { return ApiError::Internal.into_response() };
    let hash = blake3::hash(&bytes).to_hex();
    let tag = format!("\"{}\"", hash.get(..32).unwrap_or_default());
    let Ok(value) = HeaderValue::from_str(&tag) else { return ApiError::Internal.into_response() };
    parts.headers.insert(ETAG, value);
    let known = asked.get_all(IF_NONE_MATCH).iter().filter_map(|given| given.to_str().ok());
    if known.flat_map(|given| given.split(',')).any(|given| given.trim().trim_start_matches("W/") == tag) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(CONTENT_TYPE);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_must_be_the_host() {
        let same = |origin: Option<&str>, host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            origin.map(|origin| headers.insert(ORIGIN, origin.parse().unwrap()));
            same_origin(&headers)
        };
        assert!(same(None, "a:1"));
        assert!(same(Some("http://a:1"), "a:1"));
        assert!(same(Some("https://market.example"), "Market.example"));
        assert!(!same(Some("http://a:2"), "a:1"));
        assert!(!same(Some("null"), "a:1"));
        assert!(!same(Some("http://b"), "a:1"));
    }
}
