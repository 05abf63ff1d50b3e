use tokio::io::AsyncWriteExt;
use understudy_qemu_runner::Processes;

use super::*;

const ID: &str = "000102030405060708090a0b0c0d0e0f";

fn helper() -> Helper<Processes> {
    let parts = Parts { accelerator: Accelerator::Tcg, kernel: "/k".into(), initrd: "/i".into() };
    Helper::new(Processes::new("/none", "/none"), parts, "/none".into())
}

fn asked(size: u64) -> AskedDisk {
    let file = tempfile::tempfile().unwrap();
    file.set_len(1 << 20).unwrap();
    AskedDisk { disk: ID.to_owned(), contents: OwnedFd::from(file).into(), size, sector_size: 512 }
}

#[test]
fn the_helper_has_no_network_and_may_only_read_the_disks() {
    let (machine, contents, ids) =
        helper().machine(ID.parse().unwrap(), "uefi", vec![asked(1 << 20)]).unwrap();
    assert!(machine.interfaces.is_empty());
    assert!(machine.disks.iter().all(|disk| disk.read_only));
    assert_eq!((contents.len(), ids), (1, vec![ID.to_owned()]));
    let Boot::Kernel { command_line, .. } = machine.boot else { panic!("the helper boots its own kernel") };
    assert!(command_line.contains(&format!("understudy.disks={ID}")), "{command_line}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused =
        |firmware: &str, disks| helper().machine(ID.parse().unwrap(), firmware, disks).unwrap_err().message();
    assert!(refused("efi quiet", vec![asked(512)]).contains("neither"));
    assert!(refused("uefi", vec![]).contains("0 disks"));
    assert!(refused("uefi", vec![asked(1000)]).contains("no size of a disk"));
    assert!(refused("uefi", vec![asked(2 << 20)]).contains("the clone has 1048576"));
    let mut nameless = asked(512);
    nameless.disk = "vda init=/bin/sh".to_owned();
    assert!(refused("uefi", vec![nameless]).contains("disk id"));
}

async fn line_of(bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let (mut guest, port) = UnixStream::pair().unwrap();
    let writer = tokio::spawn(async move {
        // A reader that has enough closes its end.
        let _ = guest.write_all(&bytes).await;
    });
    let line = one_line(port).await;
    writer.await.unwrap();
    line
}

#[tokio::test]
async fn one_whole_line_is_taken_and_nothing_after_it() {
    assert_eq!(line_of(b"{}\nmore\n".to_vec()).await.unwrap(), b"{}");
}

#[tokio::test]
async fn half_a_line_and_an_endless_one_are_refused() {
    assert!(line_of(b"{".to_vec()).await.unwrap_err().to_string().contains("without a whole line"));
    assert!(line_of(Vec::new()).await.is_err());
    let endless = vec![b'x'; report::LONGEST * 4];
    assert!(line_of(endless).await.unwrap_err().to_string().contains("does not end"));
}
