use super::*;

/// The example of the module's own documentation.
pub const GOOD: &str = r#"version = 1
host_name = "box"
time_zone = "Europe/Berlin"
[network]
mac = "52:54:00:AB:34:56"
address = "10.0.0.2/24"
gateway = "10.0.0.1"
dns = ["10.0.0.1"]
[pool]
layout = "mirror"
disks = ["A", "B"]
"#;

fn mistake(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    parse(&GOOD.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn a_complete_file_is_read() {
    let configuration = parse(GOOD).unwrap();
    assert_eq!(configuration.network.mac.as_deref(), Some("52:54:00:ab:34:56"));
    let gateway = Some("10.0.0.1".parse().unwrap());
    assert_eq!(
        configuration.network.address,
        Address::Static { address: "10.0.0.2".parse().unwrap(), prefix: 24, gateway }
    );
    assert_eq!(configuration.pool.disks, ["A", "B"]);
}

#[test]
fn what_may_be_absent_has_its_default() {
    let text = "version = 1\nhost_name = \"b\"\n[network]\naddress = \"dhcp\"\n[pool]\nlayout = \"single\"\ndisks = [\"A\"]\n";
    let configuration = parse(text).unwrap();
    assert_eq!(configuration.time_zone, "UTC");
    assert_eq!(configuration.network.address, Address::Dhcp);
    assert_eq!(configuration.network.mac, None);
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
        ("\"mirror\"", "\"stripe\"", 10, "layout"),
        ("[\"A\", \"B\"]", "[\"A\"]", 11, "2 disks or more"),
        ("[\"A\", \"B\"]", "[\"A\", \"A\"]", 11, "twice"),
        ("[\"A\", \"B\"]", "[\"A\", \"../vda\"]", 11, "serial number"),
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
