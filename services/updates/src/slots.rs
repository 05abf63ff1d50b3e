//! What RAUC knows of the slots.

use std::collections::HashMap;

use anyhow::Context;
use understudy_bus::rauc::RaucProxy;
use zbus::zvariant::{OwnedValue, Value};

use crate::plain;

/// What RAUC says of a slot; empty where it says nothing.
pub fn text(slot: &HashMap<String, OwnedValue>, key: &str) -> String {
    match slot.get(key).map(|value| &**value) {
        Some(Value::Str(text)) => text.to_string(),
        _ => String::new(),
    }
}

/// The slot that starts next, as the boot loader names it: A or B.
pub async fn next_to_start(rauc: &RaucProxy<'_>) -> anyhow::Result<String> {
    let primary = rauc.get_primary().await.map_err(plain)?;
    let status = rauc.get_slot_status().await.map_err(plain)?;
    let slot = status
        .iter()
        .find(|(name, _)| *name == primary)
        .context("RAUC does not list the slot that starts next")?;
    Ok(text(&slot.1, "bootname"))
}
