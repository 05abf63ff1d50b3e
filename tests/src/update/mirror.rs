//! A web server on this host that boxes fetch bundles from. It counts what it sends.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use axum::Router;
use axum::http::header::CONTENT_LENGTH;
use axum::response::Response;
use tower_http::services::ServeDir;

/// Serves a folder until it is dropped.
pub struct Mirror {
    folder: PathBuf,
    port: u16,
    sent: Arc<AtomicU64>,
    _runtime: tokio::runtime::Runtime,
}

impl Mirror {
    /// On a free port of the loopback interface, which QEMU's user network shows its guests as 10.0.2.2.
    pub fn of(folder: &Path) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        let router = Router::new().fallback_service(ServeDir::new(folder)).layer(
            axum::middleware::map_response(move |answer: Response| {
                let length = answer.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
                let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
                count.fetch_add(length, Ordering::Relaxed);
                async { answer }
            }),
        );
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))))
            .context("cannot listen on the loopback interface")?;
        let port = listener.local_addr()?.port();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { folder: folder.to_owned(), port, sent, _runtime: runtime })
    }

    /// The URL of a file, as a guest on the user network sees it.
    pub fn url(&self, file: &str) -> String {
        format!("http://10.0.2.2:{}/{file}", self.port)
    }

    /// Bytes that a file has.
    pub fn size(&self, file: &str) -> anyhow::Result<u64> {
        let path = self.folder.join(file);
        Ok(path.metadata().with_context(|| format!("cannot read {}", path.display()))?.len())
    }

    /// Bytes of content sent since the last call.
    pub fn sent(&self) -> u64 {
        self.sent.swap(0, Ordering::Relaxed)
    }
}
