//! Takes the listening socket from systemd (sd_listen_fds(3)): port 443 is bound there, so that the gateway needs no
//! privilege for it, and a restart of the gateway refuses no connection.
#![allow(unsafe_code)]

use std::net::TcpListener;
use std::os::fd::FromRawFd;

use anyhow::Context;

/// The one socket of `understudy-gateway.socket`.
pub fn from_systemd() -> anyhow::Result<TcpListener> {
    let mut sockets = sd_notify::listen_fds().context("systemd's socket cannot be taken over")?;
    let socket = sockets.next().context("no socket was passed; start understudy-gateway.socket")?;
    anyhow::ensure!(
        sockets.next().is_none(),
        "more than one socket was passed; understudy-gateway.socket has one ListenStream="
    );
    // SAFETY: `listen_fds` has checked that the descriptors from 3 on were passed to this very process and are open; it
    // clears the variables that say so, hence nothing else takes ownership of this one.
    let listener = unsafe { TcpListener::from_raw_fd(socket) };
    listener.local_addr().context("what systemd passed is no listening TCP socket")?;
    Ok(listener)
}
