//! The few functions of libiscsi that we use, as `iscsi/iscsi.h` and `iscsi/scsi-lowlevel.h` of 1.19 and 1.20 declare
//! them, and its iSER half turned off.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_uchar, c_void};

/// `struct iscsi_context`, opaque.
#[repr(C)]
pub struct Context {
    _private: [u8; 0],
}

/// `struct scsi_task`, of which only the first member is read.
#[repr(C)]
pub struct Task {
    /// SCSI or libiscsi status.
    pub status: c_int,
}

/// `struct scsi_readcapacity16`, its first members.
#[repr(C)]
pub struct Capacity {
    /// The last block's number.
    pub last: u64,
    /// Bytes a block.
    pub block_length: u32,
}

/// `iscsi_command_cb`.
pub type Callback = unsafe extern "C" fn(*mut Context, c_int, *mut c_void, *mut c_void);

pub const STATUS_GOOD: c_int = 0;
pub const STATUS_CHECK_CONDITION: c_int = 2;
pub const STATUS_BUSY: c_int = 8;
pub const STATUS_TASK_SET_FULL: c_int = 0x28;
pub const SESSION_NORMAL: c_int = 2;

unsafe extern "C" {
    pub fn iscsi_create_context(initiator: *const c_char) -> *mut Context;
    pub fn iscsi_destroy_context(context: *mut Context) -> c_int;
    pub fn iscsi_set_targetname(context: *mut Context, name: *const c_char) -> c_int;
    pub fn iscsi_set_session_type(context: *mut Context, kind: c_int) -> c_int;
    pub fn iscsi_set_initiator_username_pwd(
        context: *mut Context,
        user: *const c_char,
        secret: *const c_char,
    ) -> c_int;
    pub fn iscsi_set_noautoreconnect(context: *mut Context, state: c_int);
    pub fn iscsi_set_timeout(context: *mut Context, seconds: c_int) -> c_int;
    pub fn iscsi_set_tcp_syncnt(context: *mut Context, count: c_int);
    pub fn iscsi_set_tcp_user_timeout(context: *mut Context, milliseconds: c_int);
    pub fn iscsi_full_connect_sync(context: *mut Context, portal: *const c_char, lun: c_int) -> c_int;
    pub fn iscsi_logout_sync(context: *mut Context) -> c_int;
    pub fn iscsi_get_error(context: *mut Context) -> *const c_char;
    pub fn iscsi_get_fd(context: *mut Context) -> c_int;
    pub fn iscsi_which_events(context: *mut Context) -> c_int;
    pub fn iscsi_service(context: *mut Context, events: c_int) -> c_int;
    pub fn iscsi_readcapacity16_sync(context: *mut Context, lun: c_int) -> *mut Task;
    pub fn iscsi_write16_task(
        context: *mut Context,
        lun: c_int,
        lba: u64,
        data: *mut c_uchar,
        len: u32,
        block_size: c_int,
        wrprotect: c_int,
        dpo: c_int,
        fua: c_int,
        fua_nv: c_int,
        group: c_int,
        callback: Callback,
        private: *mut c_void,
    ) -> *mut Task;
    pub fn iscsi_read16_task(
        context: *mut Context,
        lun: c_int,
        lba: u64,
        len: u32,
        block_size: c_int,
        rdprotect: c_int,
        dpo: c_int,
        fua: c_int,
        fua_nv: c_int,
        group: c_int,
        callback: Callback,
        private: *mut c_void,
    ) -> *mut Task;
    pub fn iscsi_synchronizecache16_task(
        context: *mut Context,
        lun: c_int,
        lba: u64,
        blocks: u32,
        syncnv: c_int,
        immediate: c_int,
        callback: Callback,
        private: *mut c_void,
    ) -> *mut Task;
    pub fn scsi_task_add_data_in_buffer(task: *mut Task, len: c_int, buffer: *mut c_uchar) -> c_int;
    pub fn scsi_datain_unmarshall(task: *mut Task) -> *mut c_void;
    pub fn scsi_free_scsi_task(task: *mut Task);
}

/// Debian builds libiscsi with iSER, whose libraries a static program cannot have. We never choose that transport, so
/// its functions are never called; they only have to exist for the linker. Each fails if it is called nevertheless.
mod no_rdma {
    use std::ffi::{c_int, c_void};

    macro_rules! absent {
        (pointer: $($pointer:ident)*; number: $($number:ident)*) => {
            $(
                // SAFETY: nothing else in this program has these names; Debian's RDMA libraries are not linked.
                #[unsafe(no_mangle)]
                extern "C" fn $pointer() -> *mut c_void {
                    std::ptr::null_mut()
                }
            )*
            $(
                // SAFETY: as above.
                #[unsafe(no_mangle)]
                extern "C" fn $number() -> c_int {
                    -1
                }
            )*
        };
    }

    absent! {
        pointer: ibv_alloc_pd ibv_create_comp_channel ibv_create_cq ibv_reg_mr rdma_create_event_channel;
        number: ibv_ack_cq_events ibv_dealloc_pd ibv_dereg_mr ibv_destroy_comp_channel ibv_destroy_cq ibv_get_cq_event
            rdma_ack_cm_event rdma_connect rdma_create_id rdma_create_qp rdma_destroy_event_channel rdma_destroy_id
            rdma_destroy_qp rdma_disconnect rdma_get_cm_event rdma_resolve_addr rdma_resolve_route rdma_set_option
    }
}
