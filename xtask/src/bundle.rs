//! `cargo xtask bundle`

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rauc_bundle::block_hash_index::{BlockHashIndex, delta};
use rauc_bundle::{Bundle, Signer, Trust};

use crate::{image, keys, paths, setup};

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The recipe's file
    #[arg(default_value = "recipes/appliance.toml")]
    recipe: PathBuf,
    /// Where the bundle goes [default: target/NAME-VERSION.raucb]
    #[arg(long)]
    to: Option<PathBuf>,
    /// Certificate of the signer, PEM, with intermediates behind it [default: the development keys]. What it signs is a release:
    /// only locked packages will do
    #[arg(long, requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, requires = "cert")]
    key: Option<PathBuf>,
    /// Certificates that go into the image [default: the development keys]
    #[arg(long)]
    keyring: Option<PathBuf>,
    /// A bundle of the version before: says how much of the new one a box downloads
    #[arg(long)]
    previous: Option<PathBuf>,
    #[command(flatten)]
    consent: setup::Consent,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Verify a bundle, signature and every block, and show what is in it
    Info {
        /// The bundle
        bundle: PathBuf,
        /// Certificates to trust, PEM [default: the development keys]
        #[arg(long)]
        keyring: Option<PathBuf>,
    },
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if let Some(Verb::Info { bundle, keyring }) = &arguments.verb {
        return info(bundle, keyring.as_deref());
    }
    setup::ensure(&arguments.consent)?;
    let keyring = keys::keyring(arguments.keyring.as_deref())?;
    let signer = match (&arguments.cert, &arguments.key) {
        (Some(cert), Some(key)) => Signer::load(cert, key)?,
        _ => {
            let keys = keys::development()?;
            Signer::load(&keys.signer, &keys.signer_key)?
        }
    };
    let mut builder = paths::builder(Some(&keyring))?;
    if arguments.cert.is_some() {
        builder = builder.locked();
    }
    let payload = builder.payload(&arguments.recipe)?;
    let version = payload.manifest.version.clone().unwrap_or_default();
    let name = arguments.recipe.file_stem().unwrap_or_default().to_string_lossy();
    let to = arguments
        .to
        .clone()
        .unwrap_or_else(|| paths::workspace().join(format!("target/{name}-{version}.raucb")));
    rauc_bundle::write(&payload.squashfs, &payload.manifest, &signer, None, &to)?;
    println!("{} version {version}, {}", to.display(), image::mebibytes(to.metadata()?.len()));
    if let Some(previous) = &arguments.previous {
        show_delta(&builder.indexes_of(&payload.release, previous)?, &payload.indexes, to.metadata()?.len());
    }
    // A signer the box does not trust is found here, not on the box.
    Bundle::open(&to)?.verify(&Trust::load(&keyring)?).context(
        "the bundle is signed by a key that its own image would not trust; give --cert and --key that fit --keyring",
    )?;
    Ok(())
}

/// `whole` is what a box downloads that does not stream, in bytes.
fn show_delta(before: &[BlockHashIndex], after: &[BlockHashIndex], whole: u64) {
    let streamed = streamed(before, after);
    println!(
        "a box with the version before downloads {} of {}: {:.1} %",
        image::mebibytes(streamed),
        image::mebibytes(whole),
        streamed as f64 * 100.0 / whole as f64
    );
}

/// Bytes that a box downloads whose slots hold the version before.
pub fn streamed(before: &[BlockHashIndex], after: &[BlockHashIndex]) -> u64 {
    let changed: u64 = before.iter().zip(after).map(|(before, after)| delta(before, after).bytes).sum();
    // 32 bytes for each block, and always read whole.
    let indexes: u64 = after.iter().map(|index| index.hashes().len() as u64 * 32).sum();
    changed + indexes
}

fn info(file: &Path, keyring: Option<&Path>) -> Result<()> {
    let bundle = Bundle::open(file)?;
    let verified = bundle.verify(&Trust::load(keys::keyring(keyring)?)?)?;
    verified.check_payload()?;
    let manifest = &verified.manifest;
    println!("{}: genuine, every block as signed", file.display());
    println!("  for         {}", manifest.compatible);
    println!("  version     {}", manifest.version.as_deref().unwrap_or("not told"));
    println!("  signed by   {}", verified.signer);
    for image in &manifest.images {
        let adaptive = if image.adaptive.is_empty() { "" } else { ", adaptive" };
        println!("  {:<10}  {}, sha256 {}{adaptive}", image.name, image::mebibytes(image.size), image.sha256);
    }
    Ok(())
}
