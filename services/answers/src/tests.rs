use super::*;

const GOOD: &str = r#"version = 1
host_name = "box"
time_zone = "Europe/Berlin"
[network]
mac = "52:54:00:AB:34:56"
address = "10.0.0.2/24"
gateway = "10.0.0.1"
dns = ["10.0.0.1"]
vlan = 12
[pool]
layout = "mirror"
disks = ["A", "B"]
erase = ["B"]
encryption = true
"#;

fn mistake(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    parse(&GOOD.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn a_complete_file_is_read() {
    let answers = parse(GOOD).unwrap();
    assert_eq!(answers.network.mac.unwrap().as_str(), "52:54:00:ab:34:56");
    assert_eq!(answers.network.vlan.unwrap().number(), 12);
    let gateway = Some("10.0.0.1".parse().unwrap());
    assert_eq!(answers.network.address, Address::Static { address: "10.0.0.2/24".parse().unwrap(), gateway });
    let disk = |name: &str| name.parse().unwrap();
    assert_eq!(
        answers.pool,
        Pool::New(NewPool {
            layout: Layout::Mirror,
            disks: vec![disk("A"), disk("B")],
            erase: vec![disk("B")],
            encryption: true
        })
    );
}

#[test]
fn what_may_be_absent_has_its_default() {
    let text = "version = 1\nhost_name = \"b\"\n[network]\naddress = \"dhcp\"\n[pool]\nlayout = \"single\"\ndisks = [\"A\"]\n";
    let answers = parse(text).unwrap();
    assert_eq!((answers.time_zone.as_str(), answers.keyboard.as_str()), ("UTC", "us"));
    assert_eq!(answers.network, Network { mac: None, vlan: None, address: Address::Dhcp, dns: vec![] });
    assert!(matches!(answers.pool, Pool::New(NewPool { encryption: false, erase, .. }) if erase.is_empty()));
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_known_ones() {
    let text = mistake("gateway =", "gatway =");
    assert!(text.starts_with("understudy.toml, line 7: ") && text.contains("gateway"), "{text}");
}

#[test]
fn an_unknown_version_is_said_before_its_unknown_keys() {
    let text = mistake("version = 1", "version = 2\ncolour = \"red\"");
    assert!(text.contains("line 1: version 2 is unknown"), "{text}");
}

#[test]
fn an_absent_key_is_named() {
    assert!(mistake("host_name = \"box\"\n", "").contains("host_name"));
}

#[test]
fn impossible_values_are_refused_with_their_line() {
    for (from, to, line, word) in [
        ("\"box\"", "\"Box!\"", 2, "host name"),
        ("\"box\"", "\"-box\"", 2, "host name"),
        ("Europe/Berlin", "../../etc/shadow", 3, "time zone"),
        ("52:54:00:AB:34:56", "52:54:00", 5, "hardware address"),
        ("10.0.0.2/24", "10.0.0.2", 6, "prefix"),
        ("10.0.0.2/24", "10.0.0.2/33", 6, "33 bits"),
        ("10.0.0.2/24", "10.0.0.0/24", 6, "cannot be"),
        ("10.0.0.2/24", "10.0.0.255/24", 6, "cannot be"),
        ("10.0.0.2/24", "127.0.0.1/8", 6, "cannot be"),
        ("gateway = \"10.0.0.1\"", "gateway = \"10.0.1.1\"", 7, "neighbour"),
        ("gateway = \"10.0.0.1\"", "gateway = \"10.0.0.2\"", 7, "neighbour"),
        ("address = \"10.0.0.2/24\"", "address = \"dhcp\"", 7, "dhcp"),
        ("[\"10.0.0.1\"]", "[\"ns\"]", 8, "IP address"),
        ("\"mirror\"", "\"stripe\"", 11, "layout"),
        ("[\"A\", \"B\"]", "[\"A\"]", 12, "2 disks or more"),
        ("[\"A\", \"B\"]", "[\"A\", \"A\"]", 12, "twice"),
        ("[\"A\", \"B\"]", "[\"A\", \"../vda\"]", 12, "serial number"),
        ("[\"B\"]", "[\"C\"]", 13, "none of the pool's disks"),
        ("[\"B\"]", "[\"B\", \"B\"]", 13, "twice"),
        ("vlan = 12", "vlan = 4095", 9, "1 to 4094"),
        ("\"Europe/Berlin\"", "\"UTC\"\npassword_hash = \"secret\"", 4, "no password hash"),
        ("\"Europe/Berlin\"", "\"UTC\"\ntime_servers = [\"10.0.0\"]", 4, "time server"),
        ("\"Europe/Berlin\"", "\"UTC\"\nkeyboard = \"../de\"", 4, "keyboard"),
        ("layout = \"mirror\"", "import = \"only\"", 12, "disks"),
    ] {
        let text = mistake(from, to);
        assert!(
            text.starts_with(&format!("understudy.toml, line {line}: ")) && text.contains(word),
            "{to}: {text}"
        );
    }
}

#[test]
fn an_address_of_ipv6_works_likewise() {
    let text =
        GOOD.replace("10.0.0.2/24", "fd00::2/64").replace("gateway = \"10.0.0.1\"", "gateway = \"fd00::1\"");
    assert!(parse(&text).is_ok());
}

#[test]
fn a_password_in_the_clear_is_refused_without_repeating_it() {
    let text = mistake("version = 1", "version = 1\npassword_hash = \"correct horse\"");
    assert!(!text.contains("horse"), "{text}");
}

#[test]
fn a_pool_is_new_or_imported() {
    let with = |pool: &str| parse(&format!("{}[pool]\n{pool}\n", GOOD.split("[pool]").next().unwrap()));
    assert_eq!(with("import = \"only\"").unwrap().pool, Pool::Import(Import::Only));
    assert_eq!(with("import = \"18446744073709551615\"").unwrap().pool, Pool::Import(Import::Guid(u64::MAX)));
    assert!(with("import = \"tank\"").unwrap_err().to_string().contains("GUID"));
    let nothing = with("").unwrap_err();
    assert!(nothing.line == 10 && nothing.reason.starts_with("layout is missing"), "{nothing}");
    assert!(with("layout = \"single\"").unwrap_err().reason.starts_with("disks is missing"));
}

#[test]
fn the_section_of_the_network_stands_alone_too() {
    let answers = parse(GOOD).unwrap();
    assert_eq!(parse_network(&answers.network.to_string()).unwrap(), answers.network);
    assert!(parse_network("[network]\naddress = \"dhcp\"\n[pool]\n").is_err());
}

#[test]
fn the_line_of_an_answer_is_found_again() {
    assert_eq!(line_of(GOOD, &["host_name"], None), 2);
    assert_eq!(line_of(GOOD, &["network", "mac"], None), 5);
    let long = GOOD.replace("[\"A\", \"B\"]", "[\n \"A\",\n \"B\"]");
    assert_eq!(line_of(&long, &["pool", "disks"], Some(1)), 14);
    for absent in [&["keyboard"][..], &["pool", "import"], &["host_name", "mac"], &[]] {
        assert_eq!(line_of(GOOD, absent, None), 0, "{absent:?}");
    }
    assert_eq!((line_of(GOOD, &["pool", "disks"], Some(2)), line_of("no toml", &["a"], None)), (0, 0));
}

#[test]
fn a_hash_is_not_shown_by_accident() {
    let hash: PasswordHash = HASH.parse().unwrap();
    assert!(!format!("{hash:?}").contains("argon2"));
}

const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Vn3MpD3Jz3nVJbJ8Jm8O1n4yW8jK5c3Jr1m0Qk0mWhI";

mod properties {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    fn fixed() -> impl Strategy<Value = Fixed> {
        (any::<IpAddr>(), 1u8..=128).prop_filter_map("a box can have it", |(address, prefix)| {
            format!("{address}/{prefix}").parse().ok()
        })
    }

    fn address() -> impl Strategy<Value = Address> {
        prop_oneof![
            Just(Address::Dhcp),
            (fixed(), any::<IpAddr>()).prop_map(|(address, gateway)| {
                let gateway = check_gateway(address, gateway).is_ok().then_some(gateway);
                Address::Static { address, gateway }
            }),
        ]
    }

    fn network() -> impl Strategy<Value = Network> {
        let mac = proptest::option::of("([0-9a-f]{2}:){5}[0-9a-f]{2}".prop_map(|text| text.parse().unwrap()));
        let vlan = proptest::option::of((1i64..=4094).prop_map(|tag| Vlan::try_from(tag).unwrap()));
        (mac, vlan, address(), proptest::collection::vec(any::<IpAddr>(), 0..3))
            .prop_map(|(mac, vlan, address, dns)| Network { mac, vlan, address, dns })
    }

    fn pool() -> impl Strategy<Value = Pool> {
        let disks = proptest::collection::btree_set("[^/\\p{Cc}]{1,20}", 4..6);
        let new = (disks, proptest::sample::select(&Layout::ALL[..]), 0usize..3, any::<bool>());
        prop_oneof![
            Just(Pool::Import(Import::Only)),
            any::<u64>().prop_map(|guid| Pool::Import(Import::Guid(guid))),
            new.prop_map(|(disks, layout, erase, encryption)| {
                let mut disks: Vec<DiskName> = disks.iter().map(|name| name.parse().unwrap()).collect();
                if layout == Layout::Single {
                    disks.truncate(1);
                }
                let erase = disks.iter().take(erase).cloned().collect();
                Pool::New(NewPool { layout, disks, erase, encryption })
            }),
        ]
    }

    fn answers() -> impl Strategy<Value = Answers> {
        let servers = proptest::collection::vec("[a-z]{1,9}(\\.[a-z]{1,9}){0,2}", 0..3);
        (
            "[a-z0-9]{1,63}",
            "[a-z]{2}",
            "[A-Z][a-z]{1,9}/[A-Z][a-z]{1,9}",
            servers,
            any::<bool>(),
            network(),
            pool(),
        )
            .prop_map(|(name, keyboard, zone, servers, password, network, pool)| Answers {
                host_name: name.parse().unwrap(),
                keyboard: keyboard.parse().unwrap(),
                time_zone: zone.parse().unwrap(),
                time_servers: servers.iter().map(|server| server.parse().unwrap()).collect(),
                password_hash: password.then(|| HASH.parse().unwrap()),
                network,
                pool,
            })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(answers in answers()) {
            prop_assert_eq!(parse(&answers.to_string()), Ok(answers));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,300}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_changed_line_is_refused_or_reads_back(line in 0usize..14, text in ".{0,40}") {
            let mut lines: Vec<_> = GOOD.lines().collect();
            lines[line] = &text;
            if let Ok(answers) = parse(&lines.join("\n")) {
                prop_assert_eq!(parse(&answers.to_string()), Ok(answers));
            }
        }
    }
}
