//! What the service tells `understudy-qemu`: a length (32 bits, little endian), then JSON; the descriptors come with the
//! first byte (SCM_RIGHTS).

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::fds;

/// Arguments of a VM with many disks are some 20 KiB.
const LONGEST: usize = 1 << 20;

/// A program to become, with the descriptors it shall have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The program, a path.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The number each descriptor shall have, in the order they were sent; 2 is the program's standard error.
    pub numbers: Vec<RawFd>,
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

impl Order {
    /// Sends the order with its descriptors, one for each of `numbers`.
    pub fn send(&self, mut socket: &UnixStream, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        if fds.len() != self.numbers.len() || fds.len() > fds::MOST {
            return Err(invalid(format!("{} descriptors for {} numbers", fds.len(), self.numbers.len())));
        }
        let body = serde_json::to_vec(self)?;
        let length = u32::try_from(body.len())
            .ok()
            .filter(|_| body.len() <= LONGEST)
            .ok_or_else(|| invalid(format!("an order of {} bytes is too long", body.len())))?;
        let message = [&length.to_le_bytes()[..], &body].concat();
        let sent = fds::send(socket.as_fd(), &message, fds)?;
        socket.write_all(&message[sent..])
    }

    /// Receives an order with its descriptors.
    pub fn receive(socket: BorrowedFd<'_>) -> io::Result<(Self, Vec<OwnedFd>)> {
        let mut bytes = Vec::new();
        let mut received = Vec::new();
        let mut wanted = 4;
        while bytes.len() < wanted {
            let mut part = [0; 16 << 10];
            let room = part.len().min(wanted - bytes.len());
            let (count, fds) = fds::receive(socket, &mut part[..room])?;
            if count == 0 {
                return Err(invalid(format!("the order ended after {} of {wanted} bytes", bytes.len())));
            }
            bytes.extend_from_slice(&part[..count]);
            received.extend(fds);
            if let (4, Some(length)) = (wanted, bytes.first_chunk::<4>()) {
                wanted += u32::from_le_bytes(*length) as usize;
                if wanted > 4 + LONGEST {
                    return Err(invalid(format!(
                        "an order of {wanted} bytes is announced, more than one has"
                    )));
                }
            }
        }
        let order: Self = serde_json::from_slice(&bytes[4..])?;
        if received.len() != order.numbers.len() {
            return Err(invalid(format!(
                "{} descriptors came where the order names {}",
                received.len(),
                order.numbers.len()
            )));
        }
        let mut sorted = order.numbers.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) || sorted.iter().any(|n| !(2..1024).contains(n)) {
            return Err(invalid(format!("the descriptors cannot have the numbers {:?}", order.numbers)));
        }
        Ok((order, received))
    }

    /// Becomes the program. Returns only if that failed; standard error is then the order's, if it has one.
    pub fn become_it(self, fds: Vec<OwnedFd>) -> io::Error {
        match fds::place(fds, &self.numbers) {
            Ok(()) => Command::new(&self.program).args(&self.arguments).exec(),
            Err(error) => error,
        }
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
