//! The real RAUC reads our bundles, we read RAUC's, and both trust the same signers.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::{command, output, run};
use rauc_bundle::block_hash_index::BlockHashIndex;
use rauc_bundle::manifest::{Adaptive, Image};
use rauc_bundle::signature::Purpose;
use rauc_bundle::{BLOCK, Bundle, Digest, Manifest, Signer, Trust, development_keys, write};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use sha2::Digest as _;

/// A folder with an image and its index, and the manifest for them.
fn content(dir: &Path) -> Manifest {
    fs::create_dir(dir).unwrap();
    let image = dir.join("rootfs.img");
    let bytes: Vec<u8> = (0..300 * BLOCK).map(|i| (i / 5 * (i / BLOCK) % 253) as u8).collect();
    fs::write(&image, &bytes).unwrap();
    BlockHashIndex::of_image(&image).unwrap().write_beside(&image).unwrap();
    Manifest {
        compatible: " a box; of \\ ünusual = [name] ".into(),
        version: Some("1.0-rc#2".into()),
        description: Some("two\nlines\tand a tab".into()),
        build: Some("20250102".into()),
        images: vec![Image {
            name: "rootfs".into(),
            filename: "rootfs.img".into(),
            sha256: Digest(sha2::Sha256::digest(&bytes).into()),
            size: bytes.len() as u64,
            adaptive: vec![Adaptive::BlockHashIndex],
        }],
        meta: BTreeMap::from([(
            "understood-by_1".into(),
            BTreeMap::from([("no-body".into(), " it says".into())]),
        )]),
    }
}

/// Packs the folder and makes it our bundle.
fn our_bundle(content: &Path, manifest: &Manifest, signer: &Signer, bundle: &Path) {
    fs::write(content.join("manifest.raucm"), manifest.to_text().unwrap()).unwrap();
    let squashfs = bundle.with_extension("squashfs");
    let mut mksquashfs = command("mksquashfs");
    mksquashfs.args([content, &squashfs]).args(["-all-root", "-noappend", "-quiet", "-no-progress"]);
    run(&mut mksquashfs, "squashfs-tools");
    write(&squashfs, manifest, signer, None, bundle).unwrap();
}

/// The manifest as RAUC wants it before it makes a bundle: it adds hashes and sizes itself.
fn input(manifest: &Manifest, format: &str) -> String {
    let text = manifest.to_text().unwrap().replace("format=verity", &format!("format={format}"));
    let generated = |line: &&str| line.starts_with("sha256=") || line.starts_with("size=");
    text.lines().filter(|line| !generated(line)).flat_map(|line| [line, "\n"]).collect()
}

/// Has RAUC pack the folder.
fn their_bundle(content: &Path, [certificate, key]: [&Path; 2], bundle: &Path) {
    let mut rauc = command("rauc");
    rauc.arg(format!("--cert={}", certificate.display())).arg(format!("--key={}", key.display()));
    run(rauc.arg("bundle").args([content, bundle]), "rauc");
}

/// RAUC's configuration with a keyring, and a purpose if it is not the default one.
fn configuration(dir: &Path, keyring: &Path, purpose: Option<&str>) -> PathBuf {
    let path = dir.join(format!("system-{}.conf", purpose.unwrap_or("default")));
    let purpose = purpose.map_or(String::new(), |purpose| format!("check-purpose={purpose}\n"));
    let keyring = keyring.display();
    let text = format!("[system]\ncompatible=x\nbootloader=noop\n[keyring]\npath={keyring}\n{purpose}");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn rauc_reads_and_extracts_our_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let keys = development_keys(&path("keys")).unwrap();
    let signer = Signer::load(&keys.signer, &keys.signer_key).unwrap();
    let manifest = content(&path("content"));
    our_bundle(&path("content"), &manifest, &signer, &path("ours.raucb"));

    let keyring = format!("--keyring={}", keys.authority.display());
    let info =
        run(command("rauc").args(["info", &keyring, "--output-format=json"]).arg(path("ours.raucb")), "rauc");
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["compatible"], manifest.compatible);
    assert_eq!(info["version"], manifest.version.unwrap());
    assert_eq!(info["description"], manifest.description.unwrap());
    assert_eq!(info["images"][0]["rootfs"]["checksum"], manifest.images[0].sha256.to_string());

    run(command("rauc").args(["extract", &keyring]).args([path("ours.raucb"), path("extracted")]), "rauc");
    for name in ["rootfs.img", "rootfs.img.block-hash-index", "manifest.raucm"] {
        let same =
            fs::read(path("extracted").join(name)).unwrap() == fs::read(path("content").join(name)).unwrap();
        assert!(same, "{name}");
    }
}

#[test]
fn we_read_and_extract_a_bundle_of_rauc() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let keys = development_keys(&path("keys")).unwrap();
    let mut expected = content(&path("content"));
    fs::write(path("content/manifest.raucm"), input(&expected, "verity")).unwrap();
    let index = BlockHashIndex::read(&path("content/rootfs.img.block-hash-index")).unwrap();
    fs::remove_file(path("content/rootfs.img.block-hash-index")).unwrap();

    their_bundle(&path("content"), [&keys.signer, &keys.signer_key], &path("theirs.raucb"));

    let bundle = Bundle::open(path("theirs.raucb")).unwrap();
    let verified = bundle.verify(&Trust::load(&keys.authority).unwrap()).unwrap();
    // RAUC 1.8 drops what it does not read.
    expected.meta.retain(|label, _| verified.manifest.meta.contains_key(label));
    assert_eq!(verified.manifest, expected);
    verified.check_payload().unwrap();
    verified.payload_to(&path("payload.squashfs")).unwrap();
    let mut unsquashfs = command("unsquashfs");
    unsquashfs.args(["-no-progress", "-dest"]).args([path("extracted"), path("payload.squashfs")]);
    run(&mut unsquashfs, "squashfs-tools");
    let same =
        fs::read(path("extracted/rootfs.img")).unwrap() == fs::read(path("content/rootfs.img")).unwrap();
    assert!(same, "the image differs");
    assert_eq!(BlockHashIndex::read(&path("extracted/rootfs.img.block-hash-index")).unwrap(), index);
}

#[test]
fn we_name_the_other_formats_of_rauc() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let rsa = rsa_signer(dir.path());
    let mut manifest = content(&path("content"));
    manifest.images[0].adaptive.clear();
    for format in ["plain", "crypt", "verity"] {
        fs::write(path("content/manifest.raucm"), input(&manifest, format)).unwrap();
        their_bundle(&path("content"), [&rsa.authority, &rsa.key], &path(format));
    }
    let mut rauc = command("rauc");
    rauc.arg(format!("--keyring={}", rsa.authority.display())).arg("encrypt");
    rauc.arg(format!("--to={}", rsa.authority.display())).args([path("crypt"), path("encrypted")]);
    run(&mut rauc, "rauc");

    let trust = Trust::load(&rsa.authority).unwrap();
    for (bundle, format) in [("plain", "plain"), ("crypt", "crypt"), ("encrypted", "crypt")] {
        let bundle = Bundle::open(path(bundle)).unwrap();
        let refused = bundle.verify(&trust).unwrap_err().to_string();
        assert!(refused.contains(&format!("a bundle of the format `{format}`")), "{refused}");
    }
    Bundle::open(path("verity")).unwrap().verify(&trust).unwrap().check_payload().unwrap();
}

#[test]
fn rauc_and_we_trust_the_same_signers() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let manifest = content(&path("content"));
    let chain = Chain::new(dir.path());
    let rsa = rsa_signer(dir.path());
    let stranger = rsa_signer(&path("content")).authority;

    use ExtendedKeyUsagePurpose::{CodeSigning, EmailProtection, ServerAuth};
    use KeyUsagePurpose::{DigitalSignature, KeyEncipherment};
    // Who signs, whom is trusted, and who may sign messages and code.
    let cases = [
        (chain.signer("plain", &[], &[]), &chain.keyring, [true, false]),
        (chain.signer("mail", &[DigitalSignature], &[EmailProtection]), &chain.keyring, [true, false]),
        (chain.signer("code", &[DigitalSignature], &[CodeSigning]), &chain.keyring, [false, true]),
        (
            chain.signer("both", &[DigitalSignature], &[CodeSigning, EmailProtection]),
            &chain.keyring,
            [true, true],
        ),
        (chain.signer("tls", &[DigitalSignature], &[ServerAuth]), &chain.keyring, [false, false]),
        (
            chain.signer("encrypts", &[KeyEncipherment], &[CodeSigning, EmailProtection]),
            &chain.keyring,
            [false, false],
        ),
        (rsa.signer(), &rsa.authority, [true, false]),
        (rsa.signer(), &stranger, [false, false]),
    ];
    for (number, (signer, keyring, trusted)) in cases.into_iter().enumerate() {
        let bundle = path(&format!("{number}.raucb"));
        our_bundle(&path("content"), &manifest, &signer, &bundle);
        let purposes = [(Purpose::SmimeSign, None), (Purpose::CodeSign, Some("codesign"))];
        for ((purpose, check_purpose), trusted) in purposes.into_iter().zip(trusted) {
            let trust = Trust::load(keyring).unwrap().purpose(purpose);
            let ours = Bundle::open(&bundle).unwrap().verify(&trust).map(drop);
            assert_eq!(ours.is_ok(), trusted, "case {number}, {purpose}: {ours:?}");

            let configuration = configuration(dir.path(), keyring, check_purpose);
            let mut rauc = command("rauc");
            rauc.arg(format!("--conf={}", configuration.display())).arg("info").arg(&bundle);
            let theirs = output(&mut rauc, "rauc");
            let said = String::from_utf8_lossy(&theirs.stderr);
            assert_eq!(theirs.status.success(), trusted, "case {number}, {purpose}: {said}");
        }
    }
}

/// An authority, and an intermediate one that issues certificates to signers.
struct Chain {
    dir: PathBuf,
    keyring: PathBuf,
    intermediate: Issuer<'static, KeyPair>,
    intermediate_pem: String,
}

impl Chain {
    fn new(dir: &Path) -> Self {
        let authority = |name: &str| {
            let mut params = params(name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            (params, KeyPair::generate().unwrap())
        };
        let (root_params, root_key) = authority("Root");
        let keyring = dir.join("root.pem");
        fs::write(&keyring, root_params.self_signed(&root_key).unwrap().pem()).unwrap();
        let root = Issuer::new(root_params, root_key);
        let (params, key) = authority("Intermediate");
        let intermediate_pem = params.signed_by(&key, &root).unwrap().pem();
        Self { dir: dir.to_owned(), keyring, intermediate: Issuer::new(params, key), intermediate_pem }
    }

    fn signer(&self, name: &str, usages: &[KeyUsagePurpose], extended: &[ExtendedKeyUsagePurpose]) -> Signer {
        let mut params = params(name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = usages.to_vec();
        params.extended_key_usages = extended.to_vec();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.intermediate).unwrap().pem();
        let (certificate_path, key_path) = (self.dir.join("signer.pem"), self.dir.join("signer.key"));
        fs::write(&certificate_path, certificate + &self.intermediate_pem).unwrap();
        fs::write(&key_path, key.serialize_pem()).unwrap();
        Signer::load(certificate_path, key_path).unwrap()
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A self-signed certificate, as RAUC's manual makes it ("Single Key").
struct SelfSigned {
    authority: PathBuf,
    key: PathBuf,
}

impl SelfSigned {
    fn signer(&self) -> Signer {
        Signer::load(&self.authority, &self.key).unwrap()
    }
}

fn rsa_signer(dir: &Path) -> SelfSigned {
    let made = SelfSigned { authority: dir.join("rsa.pem"), key: dir.join("rsa.key") };
    let mut openssl = command("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days=2", "-subj", "/CN=Single"]);
    openssl.arg("-keyout").arg(&made.key).arg("-out").arg(&made.authority);
    run(&mut openssl, "openssl");
    made
}

#[test]
fn an_rsa_signature_of_a_given_time_is_reproducible() {
    let dir = tempfile::tempdir().unwrap();
    let rsa = rsa_signer(dir.path());
    let [first, second, later] = [1_750_000_000, 1_750_000_000, 1_750_000_001]
        .map(|time| rsa.signer().at(time).sign(b"text").unwrap());
    assert_eq!(first, second);
    assert_ne!(first, later);
    assert_eq!(Trust::load(&rsa.authority).unwrap().verify(&first).unwrap().content, b"text");
}
