//! What a test starts from: the images, and a private network for the two machines.

use std::path::{Path, PathBuf};

use anyhow::Context;
use os_image::both;
use qemu_harness::{Accelerator, Firmware, Mac, Network};

/// The images of the story.
#[derive(Debug)]
pub struct Images {
    /// The appliance's disk.
    pub appliance: PathBuf,
    /// The protected machine's disks.
    pub machine: Vec<PathBuf>,
    /// UEFI firmware of the images' release.
    pub firmware: Firmware,
    /// What runs the appliance where KVM does not work; with KVM, the QEMU that is installed.
    pub emulator: Option<PathBuf>,
    /// How long it took to build the appliance beside all the rest, or to find it built, in seconds.
    pub build_seconds: f64,
    /// The appliance's image, compressed, in bytes.
    pub compressed_bytes: u64,
}

/// Where a test takes place.
#[derive(Debug)]
pub struct World {
    /// Consoles, logs and disks of its machines.
    pub run_dir: PathBuf,
    /// The private network.
    pub network: Network,
    /// The appliance's network card.
    pub appliance_mac: Mac,
    /// The protected machine's.
    pub machine_mac: Mac,
}

impl World {
    /// A new world whose files go to `run_dir`, which is emptied first.
    pub fn new(run_dir: &Path) -> anyhow::Result<Self> {
        if run_dir.exists() {
            std::fs::remove_dir_all(run_dir)
                .with_context(|| format!("cannot empty {}", run_dir.display()))?;
        }
        std::fs::create_dir_all(run_dir).with_context(|| format!("cannot make {}", run_dir.display()))?;
        Ok(Self {
            run_dir: run_dir.to_owned(),
            network: Network::new("lan"),
            appliance_mac: Mac::numbered(0x10),
            machine_mac: Mac::numbered(0x20),
        })
    }
}

/// The firmware of a release, for machines of the harness.
pub fn firmware(builder: &os_image::Builder, release: &str) -> anyhow::Result<Firmware> {
    let os_image::Firmware { code, variables: vars } = builder.firmware(release)?;
    Ok(Firmware { code, vars })
}

impl Images {
    /// Builds what is not built yet, as much of it as possible at the same time.
    pub fn build(workspace: &Path, builder: &os_image::Builder) -> anyhow::Result<Self> {
        let recipes = workspace.join("recipes");
        let is_emulated = matches!(Accelerator::of_this_host()?, Accelerator::Tcg { .. });
        let appliance = || {
            let image = builder.build(&recipes.join("appliance-qemu.toml"))?;
            let compressed_bytes = builder.compressed_bytes(&image)?;
            Ok((image, compressed_bytes))
        };
        let machine = || builder.build(&recipes.join("machine-debian.toml"));
        let emulator = || is_emulated.then(|| builder.emulator("trixie")).transpose();
        let ((appliance, compressed_bytes), (machine, emulator)) =
            both(appliance, || both(machine, emulator))?;
        Ok(Self {
            compressed_bytes,
            build_seconds: appliance.seconds,
            appliance: appliance.disk.context("the appliance's recipe makes no disk")?,
            machine: machine.disk.into_iter().chain(machine.data_disks.into_values()).collect(),
            firmware: firmware(builder, "trixie")?,
            emulator,
        })
    }
}
