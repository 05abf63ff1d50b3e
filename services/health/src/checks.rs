//! What must be so on a healthy box.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use understudy_bus::settings::SettingsProxy;
use understudy_bus::systemd::ManagerProxy;
use understudy_bus::{drivers, iscsi, maintenance, scheduler, settings, vms, zfs};
use zbus::Connection;
use zbus::fdo::DBusProxy;

/// Names that our services own.
const NAMES: [&str; 7] =
    [zfs::NAME, iscsi::NAME, scheduler::NAME, vms::NAME, drivers::NAME, settings::NAME, maintenance::NAME];

/// This service, as systemd knows it.
const OURSELVES: &str = "understudy-health.service";

/// The gateway, from here.
const GATEWAY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 443);

/// Between two looks at things that tell nobody when they change.
const AGAIN: Duration = Duration::from_secs(1);

/// Waits until all is well; fails with what is not once `patience` is over.
pub async fn wait(bus: &Connection, patience: Duration) -> anyhow::Result<()> {
    let begin = Instant::now();
    loop {
        let Err(error) = all(bus).await else { return Ok(()) };
        if begin.elapsed() > patience {
            return Err(error);
        }
        tracing::debug!("not healthy yet: {error:#}");
        tokio::time::sleep(AGAIN).await;
    }
}

async fn all(bus: &Connection) -> anyhow::Result<()> {
    units(bus).await?;
    names(bus).await?;
    set_up(bus).await?;
    gateway().await.context("the gateway does not answer")
}

async fn units(bus: &Connection) -> anyhow::Result<()> {
    let manager = ManagerProxy::new(bus).await?;
    // Targets wait for this very service.
    let jobs = manager.list_jobs().await?.into_iter().map(|job| job.unit);
    let starting: Vec<_> = jobs.filter(|unit| unit != OURSELVES && !unit.ends_with(".target")).collect();
    ensure!(starting.is_empty(), "still starting: {}", starting.join(", "));
    let failed = manager.list_units_filtered(&["failed"]).await?;
    let names: Vec<_> = failed.iter().map(|unit| unit.name.as_str()).collect();
    ensure!(names.is_empty(), "failed: {}", names.join(", "));
    Ok(())
}

async fn names(bus: &Connection) -> anyhow::Result<()> {
    let names = DBusProxy::new(bus).await?;
    for name in NAMES {
        ensure!(names.name_has_owner(name.try_into()?).await?, "nobody has the name {name} on the bus");
    }
    Ok(())
}

/// The pool is part of it: settings says `ready` only when it is imported.
async fn set_up(bus: &Connection) -> anyhow::Result<()> {
    let status = SettingsProxy::new(bus).await?.status().await?;
    match status.state.as_str() {
        "ready" | "unconfigured" => Ok(()),
        state => bail!("the box is not set up but {state}: {}", status.message),
    }
}

/// Any answer to an HTTP request is one: a refusal shows as much life as a page.
async fn gateway() -> anyhow::Result<()> {
    let attempt = async {
        let config = rustls::ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody::new()))
            .with_no_client_auth();
        let stream = TcpStream::connect(GATEWAY).await?;
        let name = ServerName::try_from(understudy_bus::wire::BOX_NAME)?;
        let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await?;
        ensure!(answer == *b"HTTP/", "it does not speak HTTP");
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(10), attempt).await?
}

/// Takes every certificate: this is a question for life, to this box itself, and tells nothing secret.
#[derive(Debug)]
struct Anybody(Arc<rustls::crypto::CryptoProvider>);

impl Anybody {
    fn new() -> Self {
        Self(Arc::new(rustls::crypto::ring::default_provider()))
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
