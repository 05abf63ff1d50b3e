//! Asks neighbours for their hardware address, through the kernel: it sends the requests (ARP, RFC 826; neighbour discovery, RFC 4861), so
//! that nothing here needs raw sockets. For an address that the box does not have yet, on an interface without any, the kernel's request is
//! just the probe that finds an address taken (RFC 5227, section 2.1.1).

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use understudy_service::Program;

use super::netlink::Monitor;

/// The kernel asks three times, a second apart, and says then that nobody answered.
const ANSWERS_WITHIN: Duration = Duration::from_secs(6);

/// A line of `ip -j neigh`; ip-neighbour(8).
#[derive(Deserialize)]
struct Neighbour {
    dst: String,
    lladdr: Option<String>,
    #[serde(default)]
    state: Vec<String>,
}

/// What has become of a question.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// This hardware address has it.
    From(String),
    /// Nobody has.
    None,
    /// It is not known yet.
    Open,
}

/// The hardware address of who has `address` on the network at `interface`; nothing if nobody answers.
pub async fn ask(interface: &str, address: IpAddr) -> anyhow::Result<Option<String>> {
    let (monitor, address) = (Monitor::neighbours()?, address.to_string());
    let ip = |args: [&str; 2], more: &[&str]| {
        Program::new("ip").args(args).arg(&address).args(["dev", interface]).args(more).run()
    };
    // What was known before is no answer; mostly nothing was.
    let _ = ip(["neigh", "del"], &[]).await;
    ip(["neigh", "replace"], &["use"]).await.with_context(|| format!("cannot ask for {address}"))?;
    let answered = async {
        loop {
            let listing = Program::new("ip")
                .args(["-j", "neigh", "show", "to", &address, "dev", interface])
                .run()
                .await?;
            match answer(&listing, &address)? {
                Answer::From(hardware) => return Ok(Some(hardware)),
                Answer::None => return Ok(None),
                Answer::Open => monitor.changed().await?,
            }
        }
    };
    tokio::time::timeout(ANSWERS_WITHIN, answered).await.unwrap_or(Ok(None))
}

fn answer(listing: &str, address: &str) -> anyhow::Result<Answer> {
    let all: Vec<Neighbour> = match listing.trim() {
        "" => Vec::new(),
        text => serde_json::from_str(text).context("cannot read what `ip -j neigh` says")?,
    };
    let Some(neighbour) = all.into_iter().find(|neighbour| neighbour.dst == address) else {
        return Ok(Answer::Open);
    };
    let is = |names: &[&str]| neighbour.state.iter().any(|state| names.contains(&state.as_str()));
    Ok(match neighbour.lladdr {
        Some(hardware) if is(&["REACHABLE", "STALE", "DELAY", "PROBE"]) => Answer::From(hardware),
        _ if is(&["FAILED"]) => Answer::None,
        _ => Answer::Open,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cable between two network namespaces. The other end has an address, this one has none.
    const CABLE: &str = r#"
        set -e
        ip link set lo up
        unshare --net sleep 60 &
        other=$!
        trap 'kill $other' EXIT
        until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
        ip link add cable0 type veth peer name cable1 netns $other
        ip link set cable0 up
        nsenter --target $other --net sh -ec '
            ip link set cable1 address 52:54:00:00:00:09 up
            ip address add 10.0.0.9/24 dev cable1'
        "$0" --exact system::neighbour::tests::who_has_an_address_answers_and_nobody_else_does --nocapture"#;

    /// This very test runs once more in a namespace of its own, for which nobody needs to be root, and asks there.
    #[tokio::test]
    async fn who_has_an_address_answers_and_nobody_else_does() {
        const INSIDE: &str = "UNDERSTUDY_TEST_HAS_A_CABLE";
        if std::env::var_os(INSIDE).is_some() {
            let other = ask("cable0", "10.0.0.9".parse().unwrap()).await.unwrap();
            assert_eq!(other.as_deref(), Some("52:54:00:00:00:09"));
            assert_eq!(ask("cable0", "10.0.0.8".parse().unwrap()).await.unwrap(), None);
            return;
        }
        let inside = std::process::Command::new("unshare")
            .args(["--user", "--map-root-user", "--net", "sh", "-c", CABLE])
            .arg(std::env::current_exe().unwrap())
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&inside.stdout) + String::from_utf8_lossy(&inside.stderr);
        assert!(inside.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    fn only_who_answered_is_a_neighbour() {
        let one = |state: &str| {
            format!(r#"[{{"dst":"10.0.0.1","dev":"eth0","lladdr":"52:54:00:00:00:01","state":["{state}"]}}]"#)
        };
        assert_eq!(answer(&one("REACHABLE"), "10.0.0.1").unwrap(), Answer::From("52:54:00:00:00:01".into()));
        // Known before it is up: nobody was asked.
        assert_eq!(answer(&one("NOARP"), "10.0.0.1").unwrap(), Answer::Open);
        assert_eq!(answer(&one("REACHABLE"), "10.0.0.2").unwrap(), Answer::Open);
        assert_eq!(
            answer(r#"[{"dst":"10.0.0.1","state":["INCOMPLETE"]}]"#, "10.0.0.1").unwrap(),
            Answer::Open
        );
        assert_eq!(answer(r#"[{"dst":"10.0.0.1","state":["FAILED"]}]"#, "10.0.0.1").unwrap(), Answer::None);
        assert_eq!(answer("", "10.0.0.1").unwrap(), Answer::Open);
    }
}
