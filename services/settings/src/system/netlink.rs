//! The kernel tells of every change to interfaces, addresses or neighbours (rtnetlink(7)). What changed is read anew by whoever waits;
//! here it only matters that something did.

use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::Context;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::unix::AsyncFd;

/// Hears what the kernel tells.
pub struct Monitor(AsyncFd<OwnedFd>);

impl Monitor {
    /// Of interfaces, their links, addresses and routes.
    pub fn interfaces() -> anyhow::Result<Self> {
        let addresses = libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        Self::of(libc::RTMGRP_LINK | addresses | libc::RTMGRP_IPV4_ROUTE | libc::RTMGRP_IPV6_ROUTE)
    }

    /// Of hardware addresses of others that become known, or not.
    pub fn neighbours() -> anyhow::Result<Self> {
        Self::of(libc::RTMGRP_NEIGH)
    }

    fn of(groups: i32) -> anyhow::Result<Self> {
        let open = || {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
            bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups.cast_unsigned()))?;
            Ok::<_, Errno>(socket)
        };
        let socket = open().context("cannot ask the kernel to tell of network changes")?;
        #[expect(
            deprecated,
            reason = "an OwnedFd stays the same descriptor while the AsyncFd has it, which is what the successor asks a promise for"
        )]
        let told = AsyncFd::new(socket)?;
        Ok(Self(told))
    }

    /// Waits until something has changed since the last time.
    pub async fn changed(&self) -> std::io::Result<()> {
        let mut ready = self.0.readable().await?;
        let mut buffer = [0; 8192];
        loop {
            match recv(self.0.get_ref().as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                // More was told than there was room for: something changed.
                Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        ready.clear_ready();
        Ok(())
    }
}
