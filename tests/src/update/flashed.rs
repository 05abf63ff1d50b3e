//! The box's disk as flashing makes it.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::bail;
use os_flash::{FileTarget, Found, Image, Phase, Watch};

/// Bytes of the disk: more than the image has.
pub const SIZE: u64 = 8 << 30;

/// Flashes `image` into the new file `to`.
pub fn disk(image: &Path, to: &Path) -> anyhow::Result<PathBuf> {
    let Found::Place(place) = os_flash::find(to)? else { bail!("{} is a disk", to.display()) };
    let image = Image::open(image)?;
    let mut target = FileTarget::create(&place, SIZE, &image)?;
    os_flash::flash(&image, &mut target, &mut Unseen)?;
    Ok(to.to_owned())
}

struct Unseen;

impl Watch for Unseen {
    fn begin(&mut self, _: Phase, _: u64) {}

    fn advance(&mut self, _: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
