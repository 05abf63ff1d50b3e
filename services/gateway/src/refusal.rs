//! Every answer that is not a success: an HTTP status and a [`Refusal`] for a person.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use understudy_bus::error::Error;
use understudy_wire::{JobId, Refusal};

/// A request that is not done. 4xx: asking again does not help. 5xx: it may.
#[derive(Debug)]
pub struct Refused {
    status: StatusCode,
    refusal: Refusal,
}

impl Refused {
    /// Refuses with this status and text.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, refusal: Refusal { error: error.into(), job: None } }
    }

    /// A malformed request.
    pub fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// A request that needs a client certificate and came without one.
    pub fn no_certificate() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "this needs the certificate that pairing gives; run `understudy-agent pair ADDRESS CODE` on the machine",
        )
    }

    /// Whether a condition that passes by itself is the reason, such as a scheduler that is being restarted.
    pub fn may_pass(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// Says which job it is about.
    pub fn about(mut self, job: JobId) -> Self {
        self.refusal.job = Some(job);
        self
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::InvalidArgument(_) => StatusCode::BAD_REQUEST,
            Error::Denied(_) => StatusCode::FORBIDDEN,
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Exists(_) => StatusCode::CONFLICT,
            Error::Corrupt(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Busy(_) | Error::NotReady(_) | Error::ZBus(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::NoSpace(_) => StatusCode::INSUFFICIENT_STORAGE,
            Error::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let text = match &error {
            // What the bus says names its parts; the agent's log needs to know what to do.
            Error::ZBus(error) => {
                format!("the box's scheduler does not answer ({error}); it may be restarting, try again")
            }
            error => error.message(),
        };
        if status.is_server_error() {
            tracing::warn!("answered {status}: {text}");
        }
        Self::new(status, text)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        // The request's body may not have been read; the rest of it must not be taken for the next request.
        (self.status, [(header::CONNECTION, "close")], Json(self.refusal)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_work_later_is_a_server_error() {
        let status = |error: Error| Refused::from(error).status.as_u16();
        assert_eq!(status(Error::Denied(String::new())), 403);
        assert_eq!(status(Error::NotFound(String::new())), 404);
        assert_eq!(status(Error::InvalidArgument(String::new())), 400);
        assert_eq!(status(Error::Busy(String::new())), 503);
        assert_eq!(status(Error::ZBus(zbus::Error::InvalidReply)), 503);
        assert_eq!(status(Error::NoSpace(String::new())), 507);
    }
}
