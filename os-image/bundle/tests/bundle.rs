//! Bundles as a whole: written, opened, verified, and refused when anything about them is wrong.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rauc_bundle::manifest::TreeKeys;
use rauc_bundle::signature::SignatureError;
use rauc_bundle::verity::VerityError;
use rauc_bundle::{
    BLOCK, Bundle, BundleError, Digest, Manifest, Problem, Salt, Signer, Trust, WriteError, development_keys,
    write,
};
use tempfile::TempDir;

/// A folder with keys, and a bundle signed with them.
struct Fixture {
    dir: TempDir,
    squashfs: PathBuf,
    bundle: PathBuf,
    signer: Signer,
    trust: Trust,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = development_keys(&dir.path().join("keys")).unwrap();
        let fixture = Self {
            squashfs: dir.path().join("squashfs"),
            bundle: dir.path().join("update.raucb"),
            signer: Signer::load(&keys.signer, &keys.signer_key).unwrap(),
            trust: Trust::load(&keys.authority).unwrap(),
            dir,
        };
        fs::write(&fixture.squashfs, squashfs()).unwrap();
        fixture.write(&fixture.bundle, None).unwrap();
        fixture
    }

    fn write(&self, output: &Path, salt: Option<Salt>) -> Result<(), WriteError> {
        write(&self.squashfs, &manifest(), &self.signer, salt, output).map(|_| ())
    }

    /// Opens the file, verifies it, and checks its payload.
    fn accept(&self) -> Result<(), BundleError> {
        accept(&self.bundle, &self.trust)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn accept(bundle: &Path, trust: &Trust) -> Result<(), BundleError> {
    Bundle::open(bundle)?.verify(trust)?.check_payload()
}

/// Not a real one, and not whole blocks.
fn squashfs() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..3 * BLOCK + 100).map(|i| (i % 251) as u8).collect();
    bytes[..4].copy_from_slice(b"hsqs");
    bytes
}

fn manifest() -> Manifest {
    Manifest {
        compatible: "example".into(),
        version: Some("1".into()),
        description: None,
        build: None,
        images: Vec::new(),
        meta: BTreeMap::new(),
    }
}

#[test]
fn what_was_written_is_read_back() {
    let fixture = Fixture::new();
    let bundle = Bundle::open(&fixture.bundle).unwrap();
    let verified = bundle.verify(&fixture.trust).unwrap();
    assert_eq!(verified.manifest, manifest());
    assert_eq!(verified.signer, "CN = Development signer");
    assert_eq!((verified.verity.data_size, verified.tree_size), (4 * BLOCK as u64, BLOCK as u64));
    assert_eq!(bundle.layout().signed_size, 5 * BLOCK as u64);
    verified.check_payload().unwrap();

    let payload = fixture.dir.path().join("payload");
    verified.payload_to(&payload).unwrap();
    let mut padded = squashfs();
    padded.resize(4 * BLOCK, 0);
    assert!(fs::read(&payload).unwrap() == padded);
    assert_eq!(fixture.names(), ["keys", "payload", "squashfs", "update.raucb"]);
}

#[test]
fn the_payload_depends_on_squashfs_and_salt_only() {
    let fixture = Fixture::new();
    let other = fixture.dir.path().join("other");
    let payload_and_tree = |path| fs::read(path).unwrap()[..5 * BLOCK].to_vec();
    let first = payload_and_tree(&fixture.bundle);
    fixture.write(&other, None).unwrap();
    assert!(payload_and_tree(&other) == first);
    fixture.write(&other, Some(Salt([9; 32]))).unwrap();
    assert!(payload_and_tree(&other) != first);
    accept(&other, &fixture.trust).unwrap();

    let mut changed = squashfs();
    changed[BLOCK] ^= 1;
    let salt = |path| Bundle::open(path).unwrap().verify(&fixture.trust).unwrap().verity.salt;
    fs::write(&fixture.squashfs, changed).unwrap();
    fixture.write(&other, None).unwrap();
    assert_ne!(salt(&other), salt(&fixture.bundle));
}

#[test]
fn a_changed_byte_anywhere_is_refused() {
    let fixture = Fixture::new();
    let file = OpenOptions::new().read(true).write(true).open(&fixture.bundle).unwrap();
    let size = file.metadata().unwrap().len();
    let signature = Bundle::open(&fixture.bundle).unwrap().layout().signed_size;
    // Bytes of a block are alike: each of signature and length, some of the others.
    let places = (0..signature).step_by(61).chain(signature - 1..size);
    for at in places {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1 << (at % 8)], at).unwrap();
        let refused = fixture.accept().expect_err("a changed byte is refused");
        file.write_all_at(&byte, at).unwrap();
        match *refused.problem {
            Problem::Payload(VerityError::Changed { what: "data", block }) => {
                assert_eq!(block, at / BLOCK as u64);
            }
            Problem::Payload(VerityError::Changed { what: "hash tree", block: 0 }) => {
                assert_eq!(at / BLOCK as u64, 4);
            }
            Problem::Signature(_) => assert!(at >= signature),
            Problem::SignatureLength { .. } | Problem::SignatureTooLarge(_) => assert!(at >= size - 8),
            ref other => panic!("byte {at}: {other}"),
        }
    }
    fixture.accept().unwrap();
}

#[test]
fn a_bundle_cut_off_anywhere_is_refused() {
    let fixture = Fixture::new();
    let file = OpenOptions::new().write(true).open(&fixture.bundle).unwrap();
    let size = file.metadata().unwrap().len();
    for length in
        (size - 900..size).rev().chain((0..size - 900).rev().step_by(67)).chain([9, 8, 7, 4, 3, 1, 0])
    {
        file.set_len(length).unwrap();
        let refused = fixture.accept().expect_err("a cut bundle is refused");
        if length < 8 {
            assert!(matches!(*refused.problem, Problem::TooShort(n) if n == length), "{refused}");
        }
    }
}

#[test]
fn a_stranger_and_an_old_certificate_are_told_apart() {
    let fixture = Fixture::new();
    let stranger = accept(&fixture.bundle, &Fixture::new().trust).unwrap_err();
    let stranger_named = matches!(*stranger.problem, Problem::Signature(SignatureError::NotTrusted { .. }));
    assert!(stranger_named, "{stranger}");
    assert!(
        stranger.to_string().contains("update.raucb: signed by \"CN = Development signer\""),
        "{stranger}"
    );

    let keyring = fixture.dir.path().join("keys/authority.cert.pem");
    let in_2040 = Trust::load(keyring).unwrap().at(2_208_988_800);
    let expired = accept(&fixture.bundle, &in_2040).unwrap_err();
    let expired_named = matches!(*expired.problem, Problem::Signature(SignatureError::NotValidNow { .. }));
    assert!(expired_named && expired.to_string().contains("expired"), "{expired}");
}

/// Puts a bundle together by hand: squashfs and tree, signed text, and what the last bytes should be.
fn assemble(fixture: &Fixture, text: &str, length: impl FnOnce(u64) -> u64) {
    let mut bytes = fs::read(&fixture.bundle).unwrap()[..5 * BLOCK].to_vec();
    let signature = fixture.signer.sign(text.as_bytes()).unwrap();
    bytes.extend(&signature);
    bytes.extend(length(signature.len() as u64).to_be_bytes());
    fs::write(&fixture.bundle, bytes).unwrap();
}

#[test]
fn impossible_lengths_are_refused() {
    for (length, problem) in [
        (0, "no signature"),
        (1 << 40, "cut off or changed"),
        (u64::MAX, "cut off or changed"),
        (3, "not a signature"),
    ] {
        let fixture = Fixture::new();
        assemble(&fixture, "text", |_| length);
        let refused = fixture.accept().unwrap_err().to_string();
        assert!(refused.contains(problem), "{length}: {refused}");
    }
    let fixture = Fixture::new();
    let file = OpenOptions::new().write(true).open(&fixture.bundle).unwrap();
    file.set_len(1 << 20).unwrap();
    file.write_all_at(&(64 * 1024 + 1_u64).to_be_bytes(), (1 << 20) - 8).unwrap();
    let refused = fixture.accept().unwrap_err();
    assert!(matches!(*refused.problem, Problem::SignatureTooLarge(65537)), "{refused}");
}

#[test]
fn a_signed_manifest_that_does_not_fit_is_refused() {
    let fixture = Fixture::new();
    let tree = TreeKeys { root: Digest([1; 32]), salt: Salt([2; 32]), tree_size: BLOCK as u64 };
    let text = manifest().to_signed_text(&tree).unwrap();
    let sized = |size: u64| manifest().to_signed_text(&TreeKeys { tree_size: size, ..tree }).unwrap();
    for (text, problem) in [
        (sized(2 * BLOCK as u64), "does not go with a tree of 8192"),
        (sized(5 * BLOCK as u64), "does not go with"),
        (sized(1 << 40), "does not go with"),
        (text.replace("=verity", "=plain"), "format `plain`"),
        (text.replace("=verity", "=crypt\ncrypt-key=00"), "format `crypt`"),
        (text.replace("compatible", "compatibel"), "lacks `compatible`"),
        (text.clone() + "[hooks]\nfilename=hook\n", "section [hooks] is not supported"),
        (text, "block 0 of the hash tree was changed"),
    ] {
        assemble(&fixture, &text, |size| size);
        let refused = fixture.accept().unwrap_err().to_string();
        assert!(refused.contains(problem), "{problem}: {refused}");
    }
}

#[test]
fn a_bad_payload_is_not_copied() {
    let fixture = Fixture::new();
    let file = OpenOptions::new().write(true).open(&fixture.bundle).unwrap();
    file.write_all_at(b"?", 2 * BLOCK as u64).unwrap();
    let bundle = Bundle::open(&fixture.bundle).unwrap();
    let refused =
        bundle.verify(&fixture.trust).unwrap().payload_to(&fixture.dir.path().join("payload")).unwrap_err();
    assert!(refused.to_string().contains("block 2 of the data was changed"), "{refused}");
    assert_eq!(fixture.names(), ["keys", "squashfs", "update.raucb"]);
}

#[test]
fn what_is_no_payload_is_not_signed() {
    let fixture = Fixture::new();
    let before = fs::read(&fixture.bundle).unwrap();
    for (content, problem) in [
        (vec![0; 2 * BLOCK], "not a squashfs"),
        (Vec::new(), "needs more than 4096"),
        (b"hsqs".to_vec(), "needs more than 4096"),
    ] {
        fs::write(&fixture.squashfs, content).unwrap();
        let refused = fixture.write(&fixture.bundle, None).unwrap_err().to_string();
        assert!(refused.contains(problem), "{refused}");
    }
    fs::remove_file(&fixture.squashfs).unwrap();
    assert!(matches!(fixture.write(&fixture.bundle, None), Err(WriteError::File { action: "read", .. })));
    assert!(fs::read(&fixture.bundle).unwrap() == before);
    assert_eq!(fixture.names(), ["keys", "update.raucb"]);
}

#[test]
fn a_folder_or_nothing_is_no_bundle() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("missing")] {
        let Err(refused) = Bundle::open(&path) else { panic!("{}", path.display()) };
        assert!(refused.to_string().contains(path.to_str().unwrap()), "{refused}");
    }
}
