//! The functions of OpenSSL's CMS that the `openssl` crate does not wrap (`CMS_sign(3)`, `CMS_add1_signer(3)`,
//! `CMS_get1_certs(3)`, `CMS_verify(3)`).
#![allow(unsafe_code)]

use std::ffi::{c_int, c_uint, c_void};
use std::ptr;

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::asn1::Asn1TimeRef;
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::error::ErrorStack;
use openssl::pkey::{PKeyRef, Private};
use openssl::stack::{Stack, StackRef};
use openssl::x509::{X509, X509Ref};
use openssl_sys as sys;

/// Opaque; belongs to its `CMS_ContentInfo`.
#[repr(C)]
struct SignerInfo {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn CMS_add1_signer(
        cms: *mut sys::CMS_ContentInfo,
        certificate: *mut sys::X509,
        key: *mut sys::EVP_PKEY,
        digest: *const sys::EVP_MD,
        flags: c_uint,
    ) -> *mut SignerInfo;
    fn CMS_signed_add1_attr_by_NID(
        signer: *mut SignerInfo,
        nid: c_int,
        kind: c_int,
        value: *const c_void,
        length: c_int,
    ) -> c_int;
    fn CMS_final(
        cms: *mut sys::CMS_ContentInfo,
        data: *mut sys::BIO,
        detached: *mut sys::BIO,
        flags: c_uint,
    ) -> c_int;
    fn CMS_get0_signers(cms: *mut sys::CMS_ContentInfo) -> *mut sys::stack_st_X509;
    fn CMS_get1_certs(cms: *mut sys::CMS_ContentInfo) -> *mut sys::stack_st_X509;
}

/// Signs and encloses `content`, as RAUC does (`CMS_BINARY`, `CMS_NOSMIMECAP`), with a signing time of our choice.
pub(super) fn sign(
    certificate: &X509Ref,
    key: &PKeyRef<Private>,
    others: &StackRef<X509>,
    content: &[u8],
    time: &Asn1TimeRef,
) -> Result<CmsContentInfo, ErrorStack> {
    // Partial: content and signer come later, because the time must be there before the signature.
    let flags = CMSOptions::BINARY | CMSOptions::NOSMIMECAP | CMSOptions::PARTIAL;
    let cms = CmsContentInfo::sign::<Private>(None, None, Some(others), None, flags)?;
    let content = Input::new(content)?;
    // SAFETY: every pointer comes from a live wrapper borrowed for the whole block. `CMS_add1_signer` takes references
    // of its own to certificate and key, and a null digest means the key's default. The signer it returns belongs to
    // `cms`, which outlives its use here. The attribute is copied; the length -1 says that `value` is an ASN1_STRING of
    // type `kind`, and an ASN1_TIME is one. `CMS_final` reads `content` and keeps no pointer to it.
    unsafe {
        let signer =
            CMS_add1_signer(cms.as_ptr(), certificate.as_ptr(), key.as_ptr(), ptr::null(), flags.bits());
        if signer.is_null() {
            return Err(ErrorStack::get());
        }
        let kind = sys::ASN1_STRING_type(time.as_ptr().cast());
        let value = time.as_ptr().cast_const().cast();
        if CMS_signed_add1_attr_by_NID(signer, sys::NID_pkcs9_signingTime, kind, value, -1) != 1
            || CMS_final(cms.as_ptr(), content.0, ptr::null_mut(), flags.bits()) != 1
        {
            return Err(ErrorStack::get());
        }
    }
    Ok(cms)
}

/// The certificates of those who signed; to be called after a successful `verify`, which finds them.
pub(super) fn signers(cms: &CmsContentInfo) -> Vec<X509> {
    // SAFETY: `cms` is live and only read. The returned stack is the caller's, the certificates in it belong to `cms`:
    // each is cloned, which counts a reference, and only the stack is freed. Null means none.
    unsafe {
        let stack = CMS_get0_signers(cms.as_ptr());
        if stack.is_null() {
            return Vec::new();
        }
        let signers = StackRef::<X509>::from_ptr(stack).iter().map(ToOwned::to_owned).collect();
        sys::OPENSSL_sk_free(stack.cast());
        signers
    }
}

/// All certificates in the signature.
pub(super) fn certificates(cms: &CmsContentInfo) -> Result<Stack<X509>, ErrorStack> {
    // SAFETY: `cms` is live and only read. The returned stack and its references are the caller's, which is what `Stack`
    // owns. Null means none.
    unsafe {
        let stack = CMS_get1_certs(cms.as_ptr());
        if stack.is_null() { Stack::new() } else { Ok(Stack::from_ptr(stack)) }
    }
}

/// A BIO that reads a slice.
struct Input<'a>(*mut sys::BIO, std::marker::PhantomData<&'a [u8]>);

impl<'a> Input<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, ErrorStack> {
        let length = c_int::try_from(bytes.len()).expect("`Signer::sign` takes far less than 2 GiB");
        // SAFETY: the slice is valid for `length` bytes and outlives, by the lifetime, this BIO, which only reads it.
        let bio = unsafe { sys::BIO_new_mem_buf(bytes.as_ptr().cast(), length) };
        if bio.is_null() { Err(ErrorStack::get()) } else { Ok(Self(bio, std::marker::PhantomData)) }
    }
}

impl Drop for Input<'_> {
    fn drop(&mut self) {
        // SAFETY: made in `new`, freed once.
        unsafe { sys::BIO_free_all(self.0) }
    }
}
