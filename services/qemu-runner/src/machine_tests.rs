use super::*;

fn disk() -> Disk {
    Disk {
        serial: "0123456789abcdef0123".to_owned(),
        size: 1_000_448,
        sector_size: 512,
        read_only: false,
        access: Access { block_device: true, writable: true, direct: true },
    }
}

fn machine() -> Machine {
    Machine {
        id: "000102030405060708090a0b0c0d0e0f".parse().unwrap(),
        accelerator: Accelerator::Kvm,
        cpus: 2,
        memory_mib: 1024,
        boot: Boot::Bios,
        disks: vec![disk()],
        interfaces: vec!["52:54:00:12:34:56".parse().unwrap()],
        screen: true,
        report_port: None,
    }
}

/// The values of every occurrence of an option.
fn values(machine: &Machine, option: &str) -> Vec<String> {
    let args = machine.arguments();
    args.windows(2).filter(|pair| pair[0] == option).map(|pair| pair[1].clone()).collect()
}

fn parsed(machine: &Machine, option: &str) -> Vec<Value> {
    values(machine, option).iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

fn device(machine: &Machine, driver: &str) -> Option<Value> {
    parsed(machine, "-device").into_iter().find(|device| device["driver"] == driver)
}

#[test]
fn a_disk_has_its_true_size_its_sector_size_and_its_serial() {
    let mut machine = machine();
    machine.disks[0].sector_size = 4096;
    let node = &parsed(&machine, "-blockdev")[0];
    assert_eq!((&node["driver"], &node["size"]), (&json!("raw"), &json!(1_000_448)));
    assert_eq!(node["file"]["driver"], "host_device");
    assert_eq!(node["file"]["filename"], "/dev/fdset/20");
    assert_eq!(values(&machine, "-add-fd"), ["fd=20,set=20"]);
    let device = device(&machine, "virtio-blk-pci").unwrap();
    assert_eq!(device["serial"], "0123456789abcdef0123");
    assert_eq!(device["logical_block_size"], 4096);
    assert_eq!(device["drive"], node["node-name"]);
}

#[test]
fn a_disk_the_guest_may_only_read_is_read_only_however_it_was_opened() {
    for writable in [true, false] {
        let mut machine = machine();
        machine.disks[0].read_only = true;
        machine.disks[0].access.writable = writable;
        let node = &parsed(&machine, "-blockdev")[0];
        assert_eq!(node["read-only"], true);
        assert_eq!(node["file"]["read-only"], !writable);
    }
}

#[test]
fn the_page_cache_is_passed_exactly_where_the_descriptor_does() {
    for direct in [true, false] {
        let mut machine = machine();
        machine.disks[0].access.direct = direct;
        let file = &parsed(&machine, "-blockdev")[0]["file"];
        assert_eq!(file["cache"]["direct"] == true, direct, "{file}");
        assert_eq!(file["aio"] == "native", direct, "native I/O works only without the page cache: {file}");
    }
}

#[test]
fn disks_are_tried_in_their_order() {
    let mut machine = machine();
    machine.disks.push(Disk { serial: "second".to_owned(), ..disk() });
    let order: Vec<_> = parsed(&machine, "-device")
        .into_iter()
        .filter(|device| device["driver"] == "virtio-blk-pci")
        .map(|device| (device["serial"].clone(), device["bootindex"].clone()))
        .collect();
    assert_eq!(order, [(json!("0123456789abcdef0123"), json!(0)), (json!("second"), json!(1))]);
}

#[test]
fn a_kernel_of_ours_starts_before_any_disk() {
    let mut machine = machine();
    let command_line = "console=ttyS0".to_owned();
    machine.boot = Boot::Kernel { kernel: "/k".into(), initrd: "/i".into(), command_line };
    assert_eq!(device(&machine, "virtio-blk-pci").unwrap().get("bootindex"), None);
    assert_eq!(values(&machine, "-append"), ["console=ttyS0"]);
}

#[test]
fn every_interface_keeps_its_address_and_is_alone_on_its_link() {
    let mut machine = machine();
    machine.interfaces.push("52:54:00:AB:cd:ef".parse().unwrap());
    let links = parsed(&machine, "-netdev");
    assert!(links.iter().all(|link| link["type"] == "hubport"), "{links:?}");
    assert_ne!(links[0]["hubid"], links[1]["hubid"]);
    let addresses: Vec<_> = parsed(&machine, "-device")
        .into_iter()
        .filter(|device| device["driver"] == "virtio-net-pci")
        .map(|device| device["mac"].clone())
        .collect();
    assert_eq!(addresses, ["52:54:00:12:34:56", "52:54:00:ab:cd:ef"]);
}

#[test]
fn uefi_has_the_code_read_only_and_variables_of_its_own() {
    let mut machine = machine();
    machine.boot = Boot::Uefi { code: "/fw/code.fd".into(), variables: "/fw/vars.fd".into() };
    let nodes = parsed(&machine, "-blockdev");
    assert_eq!(
        (&nodes[0]["file"]["filename"], &nodes[0]["read-only"]),
        (&json!("/fw/code.fd"), &json!(true))
    );
    assert_eq!(nodes[1]["file"]["filename"], "/dev/fdset/14");
    assert!(machine.numbers().contains(&14));
    assert!(values(&machine, "-machine")[0].ends_with("pflash0=firmware,pflash1=variables"));
    // The original variables are copied; QEMU never hears of them.
    assert!(!machine.arguments().iter().any(|arg| arg.contains("vars.fd")));
}

#[test]
fn every_descriptor_the_arguments_name_is_handed_over() {
    let mut machine = machine();
    machine.disks.push(disk());
    machine.report_port = Some("org.understudy.report".to_owned());
    machine.boot = Boot::Uefi { code: "/c".into(), variables: "/v".into() };
    let mut named: Vec<RawFd> = machine
        .arguments()
        .iter()
        .filter_map(|arg| arg.split(',').find_map(|part| part.strip_prefix("fd=")?.parse().ok()))
        .collect();
    named.push(2);
    named.sort_unstable();
    let mut handed = machine.numbers();
    handed.sort_unstable();
    assert_eq!(named, handed);
}

#[test]
fn qemu_is_confined_and_starts_paused() {
    let machine = machine();
    assert!(values(&machine, "-sandbox")[0].starts_with("on,"));
    let args = machine.arguments();
    for flag in ["-nodefaults", "-no-user-config", "-S"] {
        assert!(args.iter().any(|arg| arg == flag), "{flag} is missing");
    }
    assert_eq!(values(&machine, "-uuid"), ["00010203-0405-0607-0809-0a0b0c0d0e0f"]);
}

#[test]
fn foreign_text_cannot_add_options() {
    let mut machine = machine();
    machine.disks[0].serial = "x\",\"driver\":\"e1000\",,romfile=/etc/shadow".to_owned();
    assert_eq!(device(&machine, "virtio-blk-pci").unwrap()["serial"], machine.disks[0].serial);
}

#[test]
fn only_the_address_of_one_interface_is_a_hardware_address() {
    for text in [
        "",
        "52:54:00:12:34",
        "52:54:00:12:34:56:78",
        "52:54:00:12:34:5g",
        "53:54:00:12:34:56",
        "00:00:00:00:00:00",
        "+2:54:00:12:34:56",
        "525400123456",
    ] {
        assert!(text.parse::<MacAddress>().is_err(), "{text} was taken");
    }
}
