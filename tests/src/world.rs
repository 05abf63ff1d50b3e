//! What a test starts from: the images, and a private network for the two machines.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
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
    /// How long it took to build the appliance, or to find it built, in seconds.
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
    /// Builds what is not built yet.
    pub fn build(workspace: &Path, builder: &os_image::Builder) -> anyhow::Result<Self> {
        let begin = Instant::now();
        let recipes = workspace.join("recipes");
        let appliance = builder.build(&recipes.join("appliance-qemu.toml"))?;
        let build_seconds = begin.elapsed().as_secs_f64();
        let machine = builder.build(&recipes.join("machine-debian.toml"))?;
        let emulator = match Accelerator::of_this_host()? {
            Accelerator::Kvm => None,
            Accelerator::Tcg { .. } => Some(builder.emulator("trixie")?),
        };
        Ok(Self {
            compressed_bytes: builder.compressed_bytes(&appliance)?,
            appliance: appliance.disk.context("the appliance's recipe makes no disk")?,
            machine: machine.disk.into_iter().chain(machine.data_disks.into_values()).collect(),
            firmware: firmware(builder, "trixie")?,
            emulator,
            build_seconds,
        })
    }
}
