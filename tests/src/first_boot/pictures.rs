//! What an owner sees at the screen, for the README.

use std::path::Path;

use qemu_harness::{Key, Layout, Mac, UserNic};

use super::person::Person;
use super::prepare;
use super::set_up::{self, DISKS, Lan, Wishes};
use crate::appliance::Appliance;
use crate::narrate::Narrator;

/// Sets a box up at its screen, with a mirror, encrypted, and its address from the network; each page is kept as a PNG in `album`.
pub fn play(
    workspace: &Path,
    builder: &os_image::Builder,
    out: &Path,
    album: &Path,
    narrator: &Narrator,
) -> anyhow::Result<()> {
    let (world, images) = prepare(workspace, builder, out, narrator)?;
    let vm = Appliance::unconfigured("appliance", &images, set_up::blank(&DISKS))
        .cpus(2)
        .user_nic(UserNic::new(Mac::numbered(0x40)).outbound())
        .launch(&world.run_dir)?;
    let person = narrator.step("boot a box that nobody has set up", || {
        Person::at_the_screen(&vm, Layout::US)?.with_album(album.to_owned())
    })?;
    narrator.step("set it up", || {
        let wishes = Wishes { lan: Lan::Dhcp, ..Wishes::default() };
        set_up::to_the_summary(&person, &wishes)?;
        set_up::agree(&person, &wishes)
    })?;
    narrator.step("look around", || {
        person.picture("overview")?;
        person.seat.press(Key::Enter)?;
        person.page("backstage: menu")?;
        person.picture("menu")
    })?;
    narrator.note(&format!("{} pages, {} keys", person.pages(), person.seat.keys_pressed()));
    Ok(())
}
