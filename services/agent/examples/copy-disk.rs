//! Copies a disk or image to an iSCSI LUN that reads as zeros, with the engine of a backup, and prints what it cost as
//! JSON: `copy-disk SOURCE iscsi://[USER%SECRET@]ADDRESS:PORT/IQN/LUN`. The other half of a comparison with `qemu-img
//! convert -n --target-is-zero`, which takes the same URL.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use understudy_agent::backup::copy_disk;
use understudy_agent::iscsi::Address;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, url] = &arguments[..] else {
        bail!("usage: copy-disk SOURCE iscsi://[USER%SECRET@]ADDRESS:PORT/IQN/LUN");
    };
    let stats = copy_disk(Path::new(source), parse(url)?)?;
    println!(
        "{{\"disk_bytes\":{},\"sent_bytes\":{},\"seconds\":{:.3}}}",
        stats.size.0,
        stats.sent.0,
        stats.time.as_secs_f64()
    );
    Ok(())
}

fn parse(url: &str) -> anyhow::Result<Address> {
    let wrong = || format!("{url:?} is not iscsi://[USER%SECRET@]ADDRESS:PORT/IQN/LUN");
    let rest = url.strip_prefix("iscsi://").with_context(wrong)?;
    let mut parts = rest.split('/');
    let (place, iqn, lun) = (
        parts.next().with_context(wrong)?,
        parts.next().with_context(wrong)?,
        parts.next().with_context(wrong)?,
    );
    let (login, portal) =
        place.rsplit_once('@').map_or((None, place), |(login, portal)| (Some(login), portal));
    let chap = login
        .map(|login| login.split_once('%').with_context(wrong))
        .transpose()?
        .map(|(user, secret)| (user.to_owned(), secret.to_owned()));
    Ok(Address {
        portal: portal.parse().with_context(wrong)?,
        iqn: iqn.to_owned(),
        lun: lun.parse().with_context(wrong)?,
        initiator: "iqn.2026-01.org.understudy:copy-disk".into(),
        chap,
        patience: Duration::from_secs(10),
    })
}
