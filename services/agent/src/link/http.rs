//! One HTTPS request to the box and what its answer means.

use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use serde::Serialize;
use serde::de::DeserializeOwned;
use understudy_wire::{BOX_NAME, Refusal};
use ureq::http::{Method, Request, Response};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

use super::LinkError;
use super::address::Locator;
use crate::state::Pairing;

/// More than any answer has: 16384 hashes of 32 bytes, twice.
const ANSWER: u64 = 1024 * 1024;

/// Speaks HTTPS with the box.
pub struct Client {
    agent: Agent,
    locator: Locator,
}

/// A successful answer.
pub struct Answer {
    /// 200 to 299.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

impl Client {
    /// Speaks with the paired box and with nobody else: its certificate must come from the authority that pairing gave, for
    /// the box's fixed name.
    pub fn paired(pairing: &Pairing) -> Result<Self, LinkError> {
        let unusable = |what: &str| {
            LinkError::Protocol(format!("the stored {what} is damaged; pair again with --again"))
        };
        let certificate =
            |pem: &str| rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| ());
        let authority = certificate(&pairing.authority).map_err(|()| unusable("authority"))?;
        let own = certificate(&pairing.certificate).map_err(|()| unusable("certificate"))?;
        let key = PrivateKey::from_pem(pairing.key.as_bytes()).map_err(|_| unusable("key"))?;
        let tls = tls()
            .root_certs(RootCerts::new_with_certs(&[Certificate::from_der(&authority).to_owned()]))
            .client_cert(Some(ClientCert::new_with_certs(&[Certificate::from_der(&own).to_owned()], key)))
            .build();
        let locator = Locator::new(pairing.address.clone(), Some(pairing.last_ip));
        Ok(Self::new(tls, locator))
    }

    /// Speaks with whoever answers. Only for pairing, which brings its own proof of who that is.
    pub fn unverified(locator: Locator) -> Self {
        Self::new(tls().disable_verification(true).build(), locator)
    }

    fn new(tls: TlsConfig, locator: Locator) -> Self {
        let config = Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .proxy(None) // a box is near; a proxy of the environment is not meant for it
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("understudy-agent/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(Duration::from_secs(30)))
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_send_request(Some(Duration::from_secs(30)))
            .timeout_send_body(Some(Duration::from_secs(60)))
            .timeout_recv_body(Some(Duration::from_secs(60)))
            .build();
        Self { agent: Agent::with_parts(config, DefaultConnector::default(), locator.clone()), locator }
    }

    /// Where the box is.
    pub fn locator(&self) -> &Locator {
        &self.locator
    }

    /// Sends a request once; the answer must begin within `within`.
    pub fn send(
        &self,
        method: Method,
        path: &str,
        body: &[u8],
        within: Duration,
    ) -> Result<Answer, LinkError> {
        let request = Request::builder().method(method).uri(format!("https://{BOX_NAME}{path}"));
        let asked = if body.is_empty() {
            let request = request.body(()).map_err(|error| LinkError::Protocol(error.to_string()))?;
            let request = self.agent.configure_request(request).timeout_recv_response(Some(within)).build();
            self.agent.run(request)
        } else {
            let request = request.body(body).map_err(|error| LinkError::Protocol(error.to_string()))?;
            let request = self.agent.configure_request(request).timeout_recv_response(Some(within)).build();
            self.agent.run(request)
        };
        asked.and_then(read).map_err(|error| self.failed(error)).and_then(|answer| self.judge(answer))
    }

    /// Sends a value as JSON.
    pub fn send_json<T: Serialize>(
        &self,
        method: Method,
        path: &str,
        value: &T,
        within: Duration,
    ) -> Result<Answer, LinkError> {
        let body = serde_json::to_vec(value).map_err(|error| LinkError::Protocol(error.to_string()))?;
        self.send(method, path, &body, within)
    }

    fn judge(&self, answer: Answer) -> Result<Answer, LinkError> {
        let Answer { status, body } = answer;
        let refusal = serde_json::from_slice::<Refusal>(&body);
        match (status, refusal) {
            (200..=299, _) => Ok(Answer { status, body }),
            // Too slow, or too often: that passes.
            (408 | 429 | 500..=599, refusal) => {
                let text = refusal
                    .map_or_else(|_| String::from_utf8_lossy(&body).into_owned(), |refusal| refusal.error);
                Err(self.unreachable(format!("HTTP {status}: {text}")))
            }
            (400..=499, Ok(refusal)) => Err(LinkError::Refused { status, refusal }),
            _ => Err(LinkError::Protocol(format!(
                "HTTP {status} without the words of a box; is {} one?",
                self.locator.address()
            ))),
        }
    }

    fn unreachable(&self, reason: String) -> LinkError {
        LinkError::Unreachable { address: self.locator.address().to_string(), reason }
    }

    fn failed(&self, error: ureq::Error) -> LinkError {
        let address = self.locator.address();
        match tls_error(&error) {
            Some(rustls::Error::InvalidCertificate(why)) => LinkError::Protocol(format!(
                "who answers at {address} is not the box this machine is paired with ({why:?}); \
                 if the box has moved or was set up anew, pair again with --again"
            )),
            Some(rustls::Error::AlertReceived(alert)) if refuses_certificate(*alert) => {
                LinkError::Protocol(format!(
                    "the box at {address} does not accept this machine's certificate ({alert:?}); pair again with --again"
                ))
            }
            _ => self.unreachable(error.to_string()),
        }
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, LinkError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| LinkError::Protocol(format!("its JSON is not understood: {error}")))
    }
}

fn tls() -> ureq::tls::TlsConfigBuilder {
    TlsConfig::builder().unversioned_rustls_crypto_provider(rustls::crypto::ring::default_provider().into())
}

fn read(mut response: Response<Body>) -> Result<Answer, ureq::Error> {
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(ANSWER).read_to_vec()?;
    Ok(Answer { status, body })
}

/// The TLS error within, which may be wrapped in one of the socket.
fn tls_error(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

fn refuses_certificate(alert: rustls::AlertDescription) -> bool {
    use rustls::AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::DecryptError
            | Alert::AccessDenied
            | Alert::CertificateRequired
    )
}
