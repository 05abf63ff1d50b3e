//! `cargo xtask run`: the appliance in QEMU, its serial console in this terminal.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use qemu_harness::Accelerator;

use crate::{paths, setup};

#[derive(clap::Args)]
pub struct Arguments {
    /// The recipe's file
    #[arg(default_value = "recipes/appliance-qemu.toml")]
    recipe: PathBuf,
    /// Memory in MiB
    #[arg(long, default_value_t = 3072)]
    memory: u32,
    #[command(flatten)]
    consent: setup::Consent,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    setup::ensure(&arguments.consent)?;
    let builder = paths::builder(None)?.in_steps();
    let image = builder.build(&arguments.recipe)?;
    let firmware = builder.firmware(&image.release)?;
    let accelerator = Accelerator::of_this_host()?;
    let (program, cpus) = match accelerator {
        Accelerator::Kvm => (PathBuf::from("qemu-system-x86_64"), "2"),
        Accelerator::Tcg { .. } => {
            eprintln!("{accelerator}: the machine will be slow");
            (builder.emulator(&image.release)?, "1") // with two, its own virtual machines are not safe
        }
    };
    drop(builder); // the cache is free for others while the machine runs
    let Some(disk) = &image.disk else { bail!("recipe {} makes no disk to boot", image.name) };
    let scratch = tempfile::tempdir().context("cannot make a folder for the machine")?;
    let variables = scratch.path().join("variables.fd");
    std::fs::copy(&firmware.variables, &variables).context("cannot copy the firmware's variables")?;
    let mut qemu = Command::new(&program);
    qemu.args(accelerator.arguments());
    qemu.args(["-machine", "q35", "-smp", cpus, "-display", "none", "-m", &arguments.memory.to_string()]);
    qemu.args(["-drive", &format!("if=pflash,format=raw,readonly=on,file={}", firmware.code.display())]);
    qemu.args(["-drive", &format!("if=pflash,format=raw,file={}", variables.display())]);
    add_disk(&mut qemu, scratch.path(), "boot", disk)?;
    for (name, path) in &image.data_disks {
        add_disk(&mut qemu, scratch.path(), name, path)?;
    }
    // No option ROM: nothing here boots from the network.
    qemu.args(["-netdev", "user,id=lan", "-device", "virtio-net-pci,netdev=lan,romfile="]);
    qemu.args(["-serial", "mon:stdio"]);
    eprintln!("booting {}; changes to its disks are forgotten at the end; Ctrl-A X ends it", image.name);
    let status = qemu.status().with_context(|| format!("cannot start {}", program.display()))?;
    if !status.success() {
        bail!("QEMU ended with {status}");
    }
    Ok(())
}

/// Adds a disk whose writes go to an overlay: images in the cache never change.
fn add_disk(qemu: &mut Command, scratch: &Path, name: &str, image: &Path) -> Result<()> {
    let overlay = scratch.join(format!("{name}.qcow2"));
    let out = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
        .args([image, &overlay])
        .output()
        .context("cannot start qemu-img")?;
    if !out.status.success() {
        bail!("cannot make an overlay over {}: {}", image.display(), String::from_utf8_lossy(&out.stderr));
    }
    qemu.args(["-drive", &format!("if=virtio,format=qcow2,file={}", overlay.display())]);
    Ok(())
}
