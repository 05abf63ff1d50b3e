//! One iSCSI session on one LUN: connecting, and requests in flight. Nothing here retries.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_int, c_void};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use understudy_direct_io::Buffer;

use super::ffi;
use super::{Address, TargetError};

/// Seconds after which a request that the target does not answer counts as a lost connection.
const ANSWER_SECONDS: c_int = 30;

const PENDING: i32 = i32::MIN;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Good,
    /// Refused for a reason that may pass: a unit attention after a reset, a full queue. The text may tell more.
    Retry,
    /// Refused for good.
    Refused(i32),
    /// The connection is lost; whether the request was carried out is not known.
    Lost,
}

struct Slot {
    /// Boxed, so that the address libiscsi keeps stays valid when the session moves.
    status: Box<AtomicI32>,
    task: *mut ffi::Task,
}

/// A logged-in session.
pub struct Session {
    context: *mut ffi::Context,
    lun: c_int,
    /// Bytes a sector of the LUN.
    pub sector_size: u32,
    /// Bytes of the LUN.
    pub size: u64,
    slots: Vec<Slot>,
}

// SAFETY: a libiscsi context may be used by any one thread at a time; this value is its only user and is not `Sync`.
unsafe impl Send for Session {}

unsafe extern "C" fn finished(_: *mut ffi::Context, status: c_int, _: *mut c_void, private: *mut c_void) {
    // SAFETY: `private` is the boxed status of a slot, which lives as long as its session.
    unsafe { &*private.cast::<AtomicI32>() }.store(status, Ordering::Relaxed);
}

impl Session {
    /// Connects, logs in and reads the LUN's size. Up to `depth` requests can be in flight.
    pub fn connect(address: &Address, depth: usize) -> Result<Self, TargetError> {
        let text = |text: &str| {
            CString::new(text).map_err(|_| TargetError::Address(format!("{text:?} holds a NUL")))
        };
        let (initiator, iqn) = (text(&address.initiator)?, text(&address.iqn)?);
        let portal = text(&address.portal.to_string())?;
        // SAFETY: a valid string; libiscsi copies it.
        let context = unsafe { ffi::iscsi_create_context(initiator.as_ptr()) };
        if context.is_null() {
            return Err(TargetError::Address(format!(
                "{:?} is refused as initiator name",
                address.initiator
            )));
        }
        let slots = (0..depth)
            .map(|_| Slot { status: Box::new(AtomicI32::new(0)), task: std::ptr::null_mut() })
            .collect();
        let lun = address.lun as c_int;
        // From here on `drop` destroys the context.
        let mut session = Self { context, lun, sector_size: 0, size: 0, slots };
        // SAFETY: the context is valid, and so are the strings, which libiscsi copies.
        unsafe {
            ffi::iscsi_set_targetname(context, iqn.as_ptr());
            ffi::iscsi_set_session_type(context, ffi::SESSION_NORMAL);
            if let Some((user, secret)) = &address.chap {
                let (user, secret) = (text(user)?, text(secret)?);
                ffi::iscsi_set_initiator_username_pwd(context, user.as_ptr(), secret.as_ptr());
            }
            ffi::iscsi_set_noautoreconnect(context, 1);
            ffi::iscsi_set_timeout(context, ANSWER_SECONDS);
            ffi::iscsi_set_tcp_syncnt(context, 3);
            ffi::iscsi_set_tcp_user_timeout(context, ANSWER_SECONDS * 1000);
            if ffi::iscsi_full_connect_sync(context, portal.as_ptr(), lun) != 0 {
                return Err(TargetError::Connect(session.error()));
            }
        }
        session.read_capacity()?;
        Ok(session)
    }

    fn read_capacity(&mut self) -> Result<(), TargetError> {
        // SAFETY: the context is logged in; the returned task is ours to free, and what is unmarshalled from it lives
        // as long as it does.
        unsafe {
            let task = ffi::iscsi_readcapacity16_sync(self.context, self.lun);
            if task.is_null() {
                return Err(TargetError::Connect(self.error()));
            }
            let capacity = ffi::scsi_datain_unmarshall(task).cast::<ffi::Capacity>();
            let good = (*task).status == ffi::STATUS_GOOD && !capacity.is_null();
            if good {
                self.sector_size = (*capacity).block_length;
                self.size = ((*capacity).last + 1) * u64::from((*capacity).block_length);
            }
            ffi::scsi_free_scsi_task(task);
            if !good || !self.sector_size.is_power_of_two() {
                return Err(TargetError::Connect(format!(
                    "the LUN does not tell its size: {}",
                    self.error()
                )));
            }
        }
        Ok(())
    }

    /// Begins a write of the first `len` bytes of `data`.
    ///
    /// # Safety
    /// `data` must stay where it is until [`Self::finished`] tells the slot's status or the session is dropped.
    pub unsafe fn write(
        &mut self,
        slot: usize,
        offset: u64,
        data: &Buffer,
        len: usize,
    ) -> Result<(), TargetError> {
        let (sector, len) = self.checked(offset, data, len)?;
        let private = self.arm(slot);
        // SAFETY: the context is valid, the data too by the caller's promise; libiscsi only reads it in a write.
        let task = unsafe {
            ffi::iscsi_write16_task(
                self.context,
                self.lun,
                sector,
                data.as_ptr().cast_mut(),
                len,
                self.sector_size as c_int,
                0,
                0,
                0,
                0,
                0,
                finished,
                private,
            )
        };
        self.begun(slot, task)
    }

    /// Begins a read into the first `len` bytes of `data`.
    ///
    /// # Safety
    /// As for [`Self::write`]; nothing else may look at `data` until then.
    pub unsafe fn read(
        &mut self,
        slot: usize,
        offset: u64,
        data: &mut Buffer,
        len: usize,
    ) -> Result<(), TargetError> {
        let (sector, len) = self.checked(offset, data, len)?;
        let private = self.arm(slot);
        // SAFETY: as above; the buffer is handed to the task before any answer can arrive, because answers are only
        // received in `iscsi_service`.
        let task = unsafe {
            let task = ffi::iscsi_read16_task(
                self.context,
                self.lun,
                sector,
                len,
                self.sector_size as c_int,
                0,
                0,
                0,
                0,
                0,
                finished,
                private,
            );
            if !task.is_null() {
                ffi::scsi_task_add_data_in_buffer(task, len as c_int, data.as_mut_ptr());
            }
            task
        };
        self.begun(slot, task)
    }

    /// Begins SYNCHRONIZE CACHE over the whole LUN (SBC-4, 5.34).
    pub fn synchronize(&mut self, slot: usize) -> Result<(), TargetError> {
        let private = self.arm(slot);
        // SAFETY: the context is valid.
        let task = unsafe {
            ffi::iscsi_synchronizecache16_task(self.context, self.lun, 0, 0, 0, 0, finished, private)
        };
        self.begun(slot, task)
    }

    /// Waits until something can be done on the connection, `wake` is readable (if given), or a second has passed, and
    /// does it. Returns whether the connection still stands.
    pub fn turn(&mut self, wake: Option<BorrowedFd>) -> bool {
        // SAFETY: the context is valid; its descriptor stays open until the next call into libiscsi.
        let (socket, events) = unsafe {
            let events = ffi::iscsi_which_events(self.context);
            let fd = ffi::iscsi_get_fd(self.context);
            if fd < 0 || events == 0 {
                return false;
            }
            (BorrowedFd::borrow_raw(fd), events)
        };
        let mut fds = vec![PollFd::new(socket, PollFlags::from_bits_truncate(events as i16))];
        fds.extend(wake.as_ref().map(|wake| PollFd::new(wake.as_fd(), PollFlags::POLLIN)));
        // Interrupted or timed out: libiscsi still gets its turn, in which it looks for requests without answer.
        let _ = poll(&mut fds, PollTimeout::from(1000_u16));
        let ready = fds[0].revents().map_or(0, |events| events.bits());
        // SAFETY: the context is valid. Callbacks store into slots only.
        unsafe { ffi::iscsi_service(self.context, c_int::from(ready)) >= 0 }
    }

    /// The status of a request that has ended; its slot is free again. `None` while it is in flight.
    pub fn finished(&mut self, slot: usize) -> Option<Status> {
        let slot = &mut self.slots[slot];
        let status = slot.status.load(Ordering::Relaxed);
        if status == PENDING || slot.task.is_null() {
            return None;
        }
        // SAFETY: its callback was called, after which the task belongs to us.
        unsafe { ffi::scsi_free_scsi_task(slot.task) };
        slot.task = std::ptr::null_mut();
        Some(match status {
            ffi::STATUS_GOOD => Status::Good,
            ffi::STATUS_CHECK_CONDITION | ffi::STATUS_BUSY | ffi::STATUS_TASK_SET_FULL => Status::Retry,
            // libiscsi's own: cancelled, error, timeout.
            0x0f00_0000.. => Status::Lost,
            other => Status::Refused(other),
        })
    }

    /// What libiscsi said last.
    pub fn error(&self) -> String {
        // SAFETY: the context is valid and its error is a C string.
        let text = unsafe { CStr::from_ptr(ffi::iscsi_get_error(self.context)) };
        text.to_string_lossy().trim().to_owned()
    }

    /// Logs out, which spares the target an error in its log.
    pub fn log_out(self) {
        // SAFETY: the context is valid; it is destroyed by `drop` afterwards, whatever comes of this.
        unsafe { ffi::iscsi_logout_sync(self.context) };
    }

    fn checked(&self, offset: u64, data: &Buffer, len: usize) -> Result<(u64, u32), TargetError> {
        let sector = u64::from(self.sector_size);
        let fits = len <= data.len() && offset.checked_add(len as u64).is_some_and(|end| end <= self.size);
        match u32::try_from(len) {
            Ok(bytes) if fits && offset.is_multiple_of(sector) && (len as u64).is_multiple_of(sector) => {
                Ok((offset / sector, bytes))
            }
            _ => Err(TargetError::Range { offset, len, size: self.size, sector_size: self.sector_size }),
        }
    }

    fn arm(&mut self, slot: usize) -> *mut c_void {
        debug_assert!(self.slots[slot].task.is_null());
        let status: &AtomicI32 = &self.slots[slot].status;
        status.store(PENDING, Ordering::Relaxed);
        std::ptr::from_ref(status).cast_mut().cast()
    }

    fn begun(&mut self, slot: usize, task: *mut ffi::Task) -> Result<(), TargetError> {
        if task.is_null() {
            return Err(TargetError::Lost(self.error()));
        }
        self.slots[slot].task = task;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: destroying the context calls the callbacks of all that is in flight, so the statuses must still be
        // there, and the tasks are ours afterwards.
        unsafe {
            ffi::iscsi_destroy_context(self.context);
            for slot in &self.slots {
                if !slot.task.is_null() {
                    ffi::scsi_free_scsi_task(slot.task);
                }
            }
        }
    }
}
