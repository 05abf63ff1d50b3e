//! `understudy pair`.

use serde_json::json;

use crate::link::{Link, plain};
use crate::output::{Output, time};

/// Makes a code and says what to type where.
pub async fn run(link: &Link, output: &Output) -> anyhow::Result<()> {
    let (code, expires) = link.scheduler.new_pairing_code().await.map_err(plain)?;
    // Only a hint: pairing works without it, so a box whose settings do not answer still gives codes.
    let address =
        link.settings.status().await.ok().and_then(|status| {
            status.addresses.first().and_then(|one| one.split('/').next().map(str::to_owned))
        });
    let command =
        format!("understudy-agent pair {} {code}", address.as_deref().unwrap_or("ADDRESS-OF-THIS-BOX"));
    output.show(json!({ "code": code, "expires": expires, "command": command }), || {
        format!(
            "Code: {code}   (for one machine, until {})\n\nOn the machine to protect, with the agent installed, type as root:\n\n  {command}\n",
            time(expires)
        )
    })
}
