//! Errors as JSON: `{"error":{"code":"not_found","message":"..."}}`.

use axum::{
    Json,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// Why there is no answer. The code is for programs, the message for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The request cannot be read.
    #[error("{0}")]
    BadRequest(String),
    /// There is no such thing, or this node does not know it.
    #[error("{0}")]
    NotFound(String),
    /// The route has other methods.
    #[error("this route has other methods: see /api/v1/openapi.json")]
    Method,
    /// A page of another origin asked.
    #[error("pages of other origins are not served")]
    Origin,
    /// The chain or the catalogue refuses what was signed.
    #[error("{0}")]
    Refused(String),
    /// The body is over its bound.
    #[error("the body is too long")]
    TooLarge,
    /// Bodies are JSON.
    #[error("send application/json")]
    MediaType,
    /// This peer asks too much.
    #[error("too many requests: wait a second")]
    Busy,
    /// A part that the answer needs is not there.
    #[error("{0}")]
    Unavailable(String),
    /// The answer took too long.
    #[error("the answer took too long: ask again")]
    Timeout,
    /// The server failed; its log says more.
    #[error("the server failed")]
    Internal,
}

/// The body of an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Body {
    error: Fields,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Fields {
    code: &'static str,
    message: String,
}

impl ApiError {
    /// Logs what happened, and tells nobody.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::Internal
    }

    const fn parts(&self) -> (StatusCode, &'static str) {
        match self {
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Origin => (StatusCode::FORBIDDEN, "foreign_origin"),
            Self::Refused(_) => (StatusCode::CONFLICT, "refused"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type"),
            Self::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Timeout => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.parts();
        let body = Body { error: Fields { code, message: self.to_string() } };
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(RETRY_AFTER, axum::http::HeaderValue::from_static("1"));
        }
        response
    }
}
