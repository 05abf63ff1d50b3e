//! `host bench ROUNDS`: a first backup's copy against `qemu-img convert` with its best flags, from the same disk to the same kind of
//! target, in turn. Prints JSON: `disk_bytes`, and seconds of each round for either. `cargo xtask bench copy --here` runs it.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use understudy_agent::backup::copy_disk;
use understudy_agent::iscsi::Address;

use crate::disks::TestDisk;
use crate::shell::run;
use crate::target::{INITIATOR, Target, volume};

const MIB: usize = 1 << 20;

pub fn main(rounds: usize) {
    let folder = tempfile::Builder::new().prefix("understudy-bench-").tempdir_in("/var/tmp").unwrap();
    let disk = TestDisk::ext4(folder.path(), 3 << 30);
    fill(&disk.mount);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(timed(&disk, folder.path(), agent));
        theirs.push(timed(&disk, folder.path(), qemu_img));
    }
    let size = disk.disk.size.0;
    println!(
        "{}",
        serde_json::json!({ "disk_bytes": size, "agent_seconds": ours, "qemu_img_seconds": theirs })
    );
}

/// A disk that has been used: a gibibyte of files of either kind, and as good as much that was deleted.
fn fill(mount: &Path) {
    let mut random = File::open("/dev/urandom").unwrap();
    let mut write = |name: &str, mebibytes: usize, every: usize| {
        let mut file = File::create(mount.join(name)).unwrap();
        for number in 0..mebibytes {
            let mut data = vec![b'.'; MIB];
            if number % every == 0 {
                std::io::Read::read_exact(&mut random, &mut data).unwrap();
            }
            file.write_all(&data).unwrap();
        }
        file.sync_all().unwrap();
    };
    write("photographs", 600, 1);
    write("deleted", 800, 1);
    write("text", 400, 8);
    fs::remove_file(mount.join("deleted")).unwrap();
    nix::unistd::sync();
}

/// Seconds that a copy to a new volume of zeros takes. What arrived must hold the same files.
fn timed(disk: &TestDisk, folder: &Path, copy: fn(&TestDisk, &Target)) -> f64 {
    let file = folder.join("volume");
    volume(&file, disk.disk.size.0);
    let target = Target::start(std::slice::from_ref(&file));
    let begin = Instant::now();
    copy(disk, &target);
    let seconds = begin.elapsed().as_secs_f64();
    drop(target);
    let mount = folder.join("copy");
    fs::create_dir(&mount).unwrap();
    let (file, mount) = (file.display().to_string(), mount.display().to_string());
    run("mount", ["-o", "ro,loop,noload", &file, &mount]);
    run("diff", ["-r", &disk.mount.display().to_string(), &mount]);
    run("umount", [&mount]);
    fs::remove_dir(&mount).unwrap();
    fs::remove_file(&file).unwrap();
    seconds
}

fn agent(disk: &TestDisk, target: &Target) {
    let of = target.of(0);
    let address = Address {
        portal: SocketAddr::from(([127, 0, 0, 1], of.port)),
        iqn: of.iqn,
        lun: of.lun,
        initiator: INITIATOR.to_owned(),
        chap: Some((of.user, of.secret)),
        patience: Duration::from_secs(60),
    };
    let copied = copy_disk(&disk.node(), std::slice::from_ref(&disk.disk), address).unwrap();
    eprintln!("the agent sent {} of {} bytes", copied.sent.0, copied.size.0);
}

/// Unordered writes, as many requests in flight as it takes, the target known to be zero, no cache on either side.
fn qemu_img(disk: &TestDisk, target: &Target) {
    let of = target.of(0);
    let to = format!(
        "driver=raw,file.driver=iscsi,file.transport=tcp,file.portal=127.0.0.1:{},file.target={},file.lun={},file.user={},\
         file.password-secret=chap,file.initiator-name={INITIATOR}",
        of.port, of.iqn, of.lun, of.user
    );
    let from = format!(
        "driver=raw,file.driver=host_device,file.filename={},file.cache.direct=on",
        disk.node().display()
    );
    let secret = format!("secret,id=chap,data={}", of.secret);
    run(
        "qemu-img",
        [
            "convert",
            "-n",
            "-W",
            "-m",
            "16",
            "--target-is-zero",
            "-T",
            "none",
            "-t",
            "none",
            "--object",
            &secret,
            "--image-opts",
            &from,
            "--target-image-opts",
            &to,
        ],
    );
}
