//! Why a share did not come to its end, and the exit status that says so.

use std::process::ExitCode;

/// Why a share ended early.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// The input cannot be used: one line that names the file, and the line where there is one.
    #[error("{0}")]
    Input(String),
    /// A part of the system failed while doing something.
    #[error("{doing}: {why}")]
    Failed {
        /// What it was doing.
        doing: &'static str,
        /// What went wrong.
        why: String,
    },
}

impl ShareError {
    /// Wraps any error with what was being done.
    pub fn while_doing<E: std::fmt::Display>(doing: &'static str) -> impl Fn(E) -> Self {
        move |why| Self::Failed { doing, why: why.to_string() }
    }

    /// 2 for input that cannot be used, 1 for everything else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Input(_) => ExitCode::from(2),
            Self::Failed { .. } => ExitCode::FAILURE,
        }
    }
}

/// Shorthand: `.during("uploading")?` on any result.
pub(crate) trait During<T> {
    /// Names what was being done when it failed.
    ///
    /// # Errors
    /// [`ShareError::Failed`] in place of the error.
    fn during(self, doing: &'static str) -> Result<T, ShareError>;
}

impl<T, E: std::fmt::Display> During<T> for Result<T, E> {
    fn during(self, doing: &'static str) -> Result<T, ShareError> {
        self.map_err(ShareError::while_doing(doing))
    }
}

impl<T> During<T> for Option<T> {
    fn during(self, doing: &'static str) -> Result<T, ShareError> {
        self.ok_or_else(|| ShareError::Failed { doing, why: "not there".to_owned() })
    }
}
