//! One-time CHAP credentials.

use understudy_bus::error::{Error, Result};
use understudy_bus::wire::JobId;

/// What an initiator logs in with. Never logged: it has no `Debug`.
pub struct Credentials {
    /// CHAP name.
    pub user: String,
    /// CHAP secret: 128 random bits as hexadecimal digits. RFC 7143, 12.1.1 asks for 96 bits at least.
    pub secret: String,
}

impl Credentials {
    /// New ones for a job.
    pub fn new(job: JobId) -> Result<Self> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random)
            .map_err(|error| Error::Failed(format!("the kernel gives no random bytes: {error}")))?;
        Ok(Self {
            user: format!("job-{job}"),
            secret: random.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_and_used_once() {
        let job = JobId::new();
        let (a, b) = (Credentials::new(job).unwrap(), Credentials::new(job).unwrap());
        assert_eq!(a.secret.len(), 32);
        assert_ne!(a.secret, b.secret);
    }
}
