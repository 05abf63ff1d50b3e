use super::*;

const ID: &str = "000102030405060708090a0b0c0d0e0f";

fn host() -> Host {
    let uefi = Boot::Uefi { code: "/c".into(), variables: "/v".into() };
    Host { accelerator: Accelerator::Kvm, memory: 4096 * MIB, uefi }
}

fn asked_disk(size: u64) -> AskedDisk {
    let file = tempfile::tempfile().unwrap();
    file.set_len(1 << 20).unwrap();
    let contents = OwnedFd::from(file).into();
    AskedDisk { disk: ID.to_owned(), contents, size, sector_size: 512 }
}

fn spec() -> Spec {
    Spec {
        vm: ID.to_owned(),
        name: "web".to_owned(),
        cpus: 2,
        memory: 1024 * MIB,
        firmware: "uefi".to_owned(),
        network: "isolated".to_owned(),
        macs: vec!["52:54:00:12:34:56".to_owned()],
        disks: vec![asked_disk(1_000_448)],
    }
}

/// The error of a request with one thing changed.
fn error(change: impl FnOnce(&mut Spec)) -> Error {
    let mut spec = spec();
    change(&mut spec);
    host().machine(spec).expect_err("the request was taken")
}

#[test]
fn a_request_becomes_the_machine_it_describes() {
    let (machine, contents) = host().machine(spec()).unwrap();
    assert_eq!((machine.cpus, machine.memory_mib, contents.len()), (2, 1024, 1));
    assert_eq!(machine.boot, host().uefi);
    assert_eq!(machine.disks[0].serial, "00010203040506070809");
    assert_eq!(machine.disks[0].size, 1_000_448);
    assert!(!machine.disks[0].access.block_device);
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    type Change = fn(&mut Spec);
    let cases: [(&str, Change); 10] = [
        ("VM id", |spec| spec.vm = "../../etc".to_owned()),
        ("0 processors", |spec| spec.cpus = 0),
        ("bytes of memory", |spec| spec.memory = 5),
        ("coreboot", |spec| spec.firmware = "coreboot".to_owned()),
        ("lan", |spec| spec.network = "lan".to_owned()),
        ("hardware address", |spec| spec.macs[0] = "ff:ff:ff:ff:ff:ff".to_owned()),
        ("0 disks", |spec| spec.disks.clear()),
        ("24 interfaces", |spec| spec.macs = vec!["52:54:00:12:34:56".to_owned(); 24]),
        ("not whole sectors", |spec| spec.disks[0].size = 1000),
        ("its sectors have 520", |spec| spec.disks[0].sector_size = 520),
    ];
    for (what, change) in cases {
        let error = error(change);
        assert!(matches!(&error, Error::InvalidArgument(text) if text.contains(what)), "{what}: {error:?}");
    }
}

#[test]
fn a_clone_smaller_than_the_disk_is_refused() {
    let error = error(|spec| spec.disks[0] = asked_disk(2 << 20)).message();
    assert!(error.contains("shall have 2097152 bytes and the clone has 1048576"), "{error}");
}

#[test]
fn a_clone_that_cannot_be_written_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 20).unwrap();
    let reader = OwnedFd::from(std::fs::File::open(file.path()).unwrap());
    let error = error(|spec| spec.disks[0].contents = reader.into()).message();
    assert!(error.contains("reading only"), "{error}");
}

#[test]
fn a_pipe_is_no_disk() {
    let (pipe, _other) = std::io::pipe().unwrap();
    let error = error(|spec| spec.disks[0].contents = OwnedFd::from(pipe).into()).message();
    assert!(error.contains("neither a block device nor a regular file"), "{error}");
}

#[test]
fn more_memory_than_the_box_has_is_no_room() {
    assert!(matches!(error(|spec| spec.memory = 4096 * MIB), Error::NoSpace(_)));
}

#[test]
fn the_boxs_memory_is_read_from_the_kernels_words() {
    assert_eq!(memory_total("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 * MIB));
    assert_eq!(memory_total("MemFree: 1 kB\n"), None);
}
