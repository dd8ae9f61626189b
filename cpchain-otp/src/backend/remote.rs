//! Storage behind HTTP: S3 servers, and files on any web server that knows byte ranges.

#[cfg(feature = "s3")]
use std::fmt;
use std::time::Duration;

use opendal::{HttpTransporter, OperationContext, Operator, services};
use opendal_http_transport_reqwest::ReqwestTransport;

use super::{BackendError, OpendalBackend};

/// One request may take this long before it counts as a transient failure.
const LIMIT: Duration = Duration::from_secs(30);

/// Where a bucket is and who asks. `Debug` leaves the secret out.
#[cfg(feature = "s3")]
#[derive(Clone)]
pub struct S3Bucket {
    /// URL of the server, such as `https://s3.eu-central-1.amazonaws.com`.
    pub endpoint: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Region that requests are signed for; servers that have none take `us-east-1`.
    pub region: String,
    /// Folder in the bucket that keys are under; `/` for the whole bucket.
    pub root: String,
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
}

#[cfg(feature = "s3")]
impl fmt::Debug for S3Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Bucket")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl OpendalBackend {
    /// A bucket of an S3 server. Large values go up in parts of 8 MiB and appear when the last one is there.
    ///
    /// Only the given keys are used: nothing is read from the environment or from files of this machine.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cpchain_otp::backend::{OpendalBackend, Retry, S3Bucket};
    /// let bucket = S3Bucket {
    ///     endpoint: "http://127.0.0.1:9000".into(), bucket: "sealed".into(), region: "us-east-1".into(), root: "/".into(),
    ///     access_key_id: "id".into(), secret_access_key: "secret".into(),
    /// };
    /// let backend = Retry::new(OpendalBackend::s3(&bucket)?, 5, Duration::from_millis(100));
    /// # let _ = backend;
    /// # Ok::<(), cpchain_otp::backend::BackendError>(())
    /// ```
    ///
    /// # Errors
    /// [`BackendError::Permanent`] if the description is not usable. The server is not asked.
    #[cfg(feature = "s3")]
    pub fn s3(bucket: &S3Bucket) -> Result<Self, BackendError> {
        let service = services::S3::default()
            .endpoint(&bucket.endpoint)
            .bucket(&bucket.bucket)
            .region(&bucket.region)
            .root(&bucket.root)
            .access_key_id(&bucket.access_key_id)
            .secret_access_key(&bucket.secret_access_key)
            .disable_config_load()
            .disable_ec2_metadata();
        Self::bounded(&bucket.endpoint, Operator::new(service))
    }

    /// Files of a web server that answers byte ranges. Read only: writing and deleting fail.
    ///
    /// ```
    /// use cpchain_otp::backend::OpendalBackend;
    /// let backend = OpendalBackend::http("http://127.0.0.1:8080/archive")?;
    /// # let _ = backend;
    /// # Ok::<(), cpchain_otp::backend::BackendError>(())
    /// ```
    ///
    /// # Errors
    /// [`BackendError::Permanent`] if the URL is not usable. The server is not asked.
    #[cfg(feature = "http")]
    pub fn http(url: &str) -> Result<Self, BackendError> {
        Self::bounded(url, Operator::new(services::Http::default().endpoint(url)))
    }

    fn bounded(name: &str, operator: opendal::Result<Operator>) -> Result<Self, BackendError> {
        // TLS without C to build; what the application chose for the process stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let transport = HttpTransporter::new(ReqwestTransport::default());
        let operator = operator.map_err(|error| super::dal::convert(name, &error))?;
        let operator = operator.with_context(OperationContext::new().with_http_transport(transport));
        Ok(Self { operator, limit: Some(LIMIT) })
    }
}
