//! File descriptors across processes: SCM_RIGHTS (unix(7)) and agreed numbers.
#![allow(unsafe_code)]

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// The kernel takes no more in one message (SCM_MAX_FD).
pub(crate) const MOST: usize = 253;

/// Sends bytes with descriptors attached to the first of them; says how many bytes went.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let numbers: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let rights = if fds.is_empty() { &[][..] } else { &rights[..] };
    let bytes = [IoSlice::new(bytes)];
    Ok(sendmsg::<()>(socket.as_raw_fd(), &bytes, rights, MsgFlags::MSG_NOSIGNAL, None)?)
}

/// Receives some bytes and the descriptors that came with them, which do not survive an exec.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut room = nix::cmsg_space!([RawFd; MOST]);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = part {
            // SAFETY: the kernel has just made these descriptors for us; nothing else knows their numbers.
            fds.extend(numbers.into_iter().map(|number| unsafe { OwnedFd::from_raw_fd(number) }));
        }
    }
    Ok((message.bytes, fds))
}

/// Makes each descriptor known under its number, so that it survives an exec there. Must be the last thing a process does
/// with descriptors before the exec: whatever had one of the numbers is closed.
pub(crate) fn place(fds: Vec<OwnedFd>, numbers: &[RawFd]) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, fcntl};
    let above = numbers.iter().max().map_or(3, |highest| highest + 1);
    // First out of the way: a received descriptor may have the number another one shall get.
    let mut moved = Vec::new();
    for fd in fds {
        let number = fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(above))?;
        // SAFETY: F_DUPFD_CLOEXEC has just made this descriptor for us.
        moved.push(unsafe { OwnedFd::from_raw_fd(number) });
    }
    for (fd, number) in moved.iter().zip(numbers) {
        // SAFETY: this process uses none of the agreed numbers any more: all it received has been moved above them.
        let placed = unsafe { nix::unistd::dup2_raw(fd, *number) }?;
        // It belongs to the program that comes after us.
        let _ = placed.into_raw_fd();
    }
    Ok(())
}

/// Lets go of what standard input is and puts `/dev/null` there.
pub fn replace_stdin_with_null() -> io::Result<()> {
    let null = std::fs::File::open("/dev/null")?;
    Ok(nix::unistd::dup2_stdin(null)?)
}
