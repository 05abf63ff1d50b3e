//! That the builder is not made for one appliance alone: the recipe in the README, built, booted, and its page fetched.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use qemu_harness::{Disk, Mac, UserNic, Vm};

use crate::forwarded::ask;
use crate::narrate::Narrator;
use crate::world::{World, firmware};

/// The recipe, in the workspace.
pub const RECIPE: &str = "recipes/examples/web-server.toml";
const PAGE: &str = "recipes/examples/web-server/files/srv/www/index.html";
const HTTP: u16 = 80;
/// An emulated machine needs a minute or two.
const BOOT: Duration = Duration::from_secs(600);

/// Plays it; consoles and logs go to `out`.
pub fn play(
    workspace: &Path,
    builder: &os_image::Builder,
    out: &Path,
    narrator: &Narrator,
) -> anyhow::Result<()> {
    let world = World::new(out)?;
    let (disk, firmware) = narrator.step("build the small appliance of the README", || {
        let image = builder.build(&workspace.join(RECIPE))?;
        Ok((image.disk.context("the recipe makes no disk")?, firmware(builder, &image.release)?))
    })?;
    let vm = Vm::build("web-server")
        .firmware(&firmware)
        .disk(Disk::overlay_of(disk).named("system"))
        .user_nic(UserNic::new(Mac::numbered(0x30)).forward(HTTP))
        .launch(&world.run_dir)?;
    let served = narrator.step("boot it and fetch its page", || ask(&vm, HTTP, BOOT, page))?;
    let expected =
        std::fs::read_to_string(workspace.join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    ensure!(served == expected, "the appliance serves {served:?} instead of {PAGE}");
    Ok(())
}

/// The page at `/`: the body of an answer with status 200 (HTTP/1.0, RFC 1945: the end of the connection ends it).
fn page(connection: &mut TcpStream) -> anyhow::Result<String> {
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no complete answer")?;
    let status = head.split_whitespace().nth(1);
    ensure!(status == Some("200"), "the answer begins with {:?}", head.lines().next());
    Ok(body.to_owned())
}
