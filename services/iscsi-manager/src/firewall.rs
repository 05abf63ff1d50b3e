//! The hole in the firewall: two named sets in the table that settings loads. A rule there accepts port 3260 from them.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use understudy_bus::error::{Error, Result};
use understudy_service::Program;

/// Who opens port 3260 to whom.
pub trait Firewall: Send + Sync + 'static {
    /// Opens the port to exactly these addresses and nobody else.
    fn allow(&self, addresses: &BTreeSet<IpAddr>) -> impl Future<Output = Result<()>> + Send;
}

/// nftables.
pub struct Nftables;

impl Firewall for Nftables {
    async fn allow(&self, addresses: &BTreeSet<IpAddr>) -> Result<()> {
        let run = Program::new("nft").arg(script(addresses)).deadline(Duration::from_secs(30)).run();
        run.await.map(drop).map_err(|error| {
            Error::NotReady(format!(
                "cannot open the firewall for iSCSI: {error}. Its rules are loaded by understudy-settings; is that running?"
            ))
        })
    }
}

/// One transaction that makes the sets hold exactly `addresses`: connections in progress are not touched, because an
/// established connection is accepted by an earlier rule.
fn script(addresses: &BTreeSet<IpAddr>) -> String {
    let mut script = String::new();
    for (set, is_v4) in [("iscsi_initiators_v4", true), ("iscsi_initiators_v6", false)] {
        script += &format!("flush set inet understudy {set}; ");
        let members: Vec<_> =
            addresses.iter().filter(|address| address.is_ipv4() == is_v4).map(ToString::to_string).collect();
        if !members.is_empty() {
            script += &format!("add element inet understudy {set} {{ {} }}; ", members.join(", "));
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sets_hold_exactly_the_addresses_by_family() {
        let addresses = ["10.0.0.2", "10.0.0.3", "fd00::2"].map(|text| text.parse().unwrap()).into();
        assert_eq!(
            script(&addresses),
            "flush set inet understudy iscsi_initiators_v4; \
             add element inet understudy iscsi_initiators_v4 { 10.0.0.2, 10.0.0.3 }; \
             flush set inet understudy iscsi_initiators_v6; \
             add element inet understudy iscsi_initiators_v6 { fd00::2 }; "
        );
    }

    #[test]
    fn with_nobody_to_serve_the_sets_are_empty() {
        assert!(!script(&BTreeSet::new()).contains("add element"));
    }
}
