//! First boot and console, as their owner sees them: typed on a keyboard, read from a screen.

mod afterwards;
mod bundle;
mod cuts;
mod moved;
mod person;
mod pictures;
mod set_up;
mod stick;

pub use afterwards::play as afterwards;
pub use cuts::play as cuts;
pub use moved::play as moved;
pub use pictures::play as pictures;

pub(crate) use bundle::write as write_support_bundle;
pub(crate) use person::Person;
pub(crate) use stick::Stick;

use std::path::Path;

use qemu_harness::UserNic;

use crate::appliance::{Appliance, OUTSIDE};
use crate::narrate::Narrator;
use crate::world::{Images, World};

/// A new world, whose files go to `out`, and the images for it.
fn prepare(
    workspace: &Path,
    builder: &os_image::Builder,
    out: &Path,
    narrator: &Narrator,
) -> anyhow::Result<(World, Images)> {
    let world = World::new(out)?;
    let images = narrator.step("build the images", || Images::build(workspace, builder))?;
    Ok((world, images))
}

/// As [`Appliance::boot_with_outside`], but set up by typing at the serial line, with an encrypted pool.
pub fn boot_with_outside(world: &World, images: &Images, narrator: &Narrator) -> anyhow::Result<Appliance> {
    let begin = std::time::Instant::now();
    let vm = Appliance::unconfigured("appliance", images, set_up::blank(&set_up::DISKS))
        .cpus(2)
        .nic(&world.network, world.appliance_mac)
        .user_nic(UserNic::new(OUTSIDE).outbound())
        .launch(&world.run_dir)?;
    set_up::at_the_serial_line(&vm, &set_up::Wishes::default(), narrator, || Ok(()))?;
    let mut appliance = Appliance::set_up(vm, begin.elapsed().as_secs_f64())?;
    appliance.goes_outside()?;
    Ok(appliance)
}
