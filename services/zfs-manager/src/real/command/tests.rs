use std::os::unix::process::ExitStatusExt;

use super::*;

#[test]
fn a_volume_is_rounded_up_and_remembers_its_true_size() {
    let args = create_volume(MachineId::new(), DiskId::new(), Geometry::new(70_000 * 512, 512).unwrap());
    let text = args.join(" ");
    assert!(text.contains("-s -b 65536 -V 35848192 "), "{text}");
    assert!(text.contains("org.understudy:size=35840000"), "{text}");
    assert!(text.contains("org.understudy:sector=512"), "{text}");
}

#[test]
fn one_command_takes_the_snapshots_of_all_disks() {
    let (machine, point, disks) = (MachineId::new(), RecoveryPointId::new(), [DiskId::new(), DiskId::new()]);
    let args = snapshot(machine, point, &disks, &[("org.understudy:record.0".into(), "e30=".into())]);
    assert_eq!(args[0], "snapshot");
    assert!(args.contains(&"org.understudy:record.0=e30=".to_owned()));
    assert_eq!(args[args.len() - 2..], disks.map(|disk| layout::snapshot(machine, disk, point)));
}

#[test]
fn a_pool_of_one_disk_has_no_redundancy_word() {
    let disk = PathBuf::from("/dev/disk/by-id/virtio-a");
    assert!(
        create_pool(Redundancy::Single, std::slice::from_ref(&disk), None)
            .ends_with(&[layout::POOL.to_owned(), "/dev/disk/by-id/virtio-a".to_owned()])
    );
    assert!(create_pool(Redundancy::Raidz1, &[disk], None).contains(&"raidz1".to_owned()));
}

#[test]
fn a_pool_is_made_with_these_words() {
    let disks = ["/dev/disk/by-id/virtio-a", "/dev/disk/by-id/virtio-b"].map(PathBuf::from);
    let plain = "create -o ashift=12 -o autotrim=on -o cachefile=none -o compatibility=openzfs-2.2-linux \
                 -O compression=lz4 -O checksum=blake3 -O atime=off -O canmount=off -O mountpoint=none \
                 -O org.understudy:version=1 understudy mirror /dev/disk/by-id/virtio-a /dev/disk/by-id/virtio-b";
    assert_eq!(create_pool(Redundancy::Mirror, &disks, None).join(" "), plain);
    let encrypted = plain.replace(
        "version=1 ",
        "version=1 -O encryption=aes-256-gcm -O keyformat=passphrase -O pbkdf2iters=100000 \
         -O keylocation=file:///proc/1/fd/5 ",
    );
    let args = create_pool(Redundancy::Mirror, &disks, Some("file:///proc/1/fd/5"));
    assert_eq!(args.join(" "), encrypted);
}

#[test]
fn a_pool_is_imported_by_its_guid_and_looked_at_without_writing() {
    assert_eq!(
        import_pool(u64::MAX, Import::ToUse, false).join(" "),
        "import -d /dev/disk/by-id -o cachefile=none -N 18446744073709551615"
    );
    assert_eq!(
        import_pool(7, Import::ToLook, true).join(" "),
        "import -d /dev/disk/by-id -o cachefile=none -N -o readonly=on -f 7"
    );
}

#[test]
fn a_key_is_named_by_where_it_is_and_never_by_itself() {
    assert_eq!(
        load_key("file:///proc/1/fd/5", true).join(" "),
        "load-key -L file:///proc/1/fd/5 -n understudy"
    );
    assert_eq!(
        load_key("file:///proc/1/fd/5", false).join(" "),
        "load-key -L file:///proc/1/fd/5 understudy"
    );
    assert_eq!(ask_for_key().join(" "), "set keylocation=prompt understudy");
    assert_eq!(
        encryption().join(" "),
        "list -j -p -o name,encryption,encryptionroot,keyformat,keystatus,keylocation,org.understudy:version understudy"
    );
    assert_eq!(list_imported().join(" "), "list -H -p -o name,guid,health,readonly");
}

#[test]
fn failures_get_the_name_that_callers_act_upon() {
    let failed = |output: &str| {
        classify(ProgramError::Failed {
            command: "zfs".into(),
            status: std::process::ExitStatus::from_raw(256),
            output: output.into(),
        })
    };
    assert!(matches!(failed("cannot destroy 'a/b': dataset is busy"), Error::Busy(_)));
    assert!(matches!(failed("cannot open 'a/b': dataset does not exist"), Error::NotFound(_)));
    assert!(matches!(failed("cannot open 'a': no such pool"), Error::NotReady(_)));
    assert!(matches!(failed("cannot create 'a/b': out of space"), Error::NoSpace(_)));
    assert!(matches!(failed("Key load error: Incorrect key provided for 'understudy'."), Error::Denied(_)));
    assert!(matches!(failed("something new"), Error::Failed(_)));
}
