//! Machines' records on their datasets.

use understudy_bus::error::{Error, Result};
use understudy_bus::wire::MachineId;
use understudy_bus::zfs::MachineRecord;

use super::command;
use super::listing::{self, Entry};
use crate::{layout, machine_record, record};

/// Stores a record, and makes the machine's dataset with it where there is none.
pub async fn set_record(machine: MachineId, text: &str) -> Result<()> {
    let properties = machine_record::encode(text)?;
    let dataset = layout::machine(machine);
    match command::zfs(set(&properties, &dataset)).await {
        Err(Error::NotFound(_)) => command::zfs(create(&properties, &dataset)).await.map(drop),
        other => other.map(drop),
    }
}

/// One command, one transaction: ZFS sets user properties of a dataset all at once.
fn set(properties: &[(String, String)], dataset: &str) -> Vec<String> {
    let values = properties.iter().map(|(name, value)| format!("{name}={value}"));
    ["set".to_owned()].into_iter().chain(values).chain([dataset.to_owned()]).collect()
}

fn create(properties: &[(String, String)], dataset: &str) -> Vec<String> {
    let properties: Vec<_> = properties.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    command::create_folder(dataset, &properties)
}

/// Records of all machines that have one.
pub async fn records() -> Result<Vec<MachineRecord>> {
    let parts: Vec<_> = (0..record::PARTS).map(machine_record::property).collect();
    let properties: Vec<_> = std::iter::once("name").chain(parts.iter().map(String::as_str)).collect();
    let json = command::zfs(command::list("filesystem", &properties, layout::MACHINES)).await?;
    Ok(read(&listing::parse(&json)?))
}

fn read(entries: &[Entry]) -> Vec<MachineRecord> {
    let mut records: Vec<_> = entries
        .iter()
        .filter_map(|entry| {
            let machine = layout::parse_machine(&entry.name)?.to_string();
            let part = |index| entry.text(&machine_record::property(index));
            machine_record::decode(part).map(|record| MachineRecord { machine, record })
        })
        .collect();
    records.sort_by(|one, other| one.machine.cmp(&other.machine));
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_set_by_one_command_on_the_machines_own_dataset() {
        let dataset = layout::machine(MachineId::new());
        let properties = machine_record::encode(&"x".repeat(20_000)).unwrap();
        let args = set(&properties, &dataset);
        assert_eq!(
            (args.len(), args[0].as_str(), args.last()),
            (2 + properties.len(), "set", Some(&dataset))
        );
        assert!(args[1].starts_with("org.understudy:machine-record.0=4:"));
        let args = create(&properties, &dataset).join(" ");
        assert!(
            args.starts_with(
                "create -o canmount=off -o mountpoint=none -o org.understudy:machine-record.0=4:"
            )
        );
    }

    #[test]
    fn machines_with_a_record_are_found_and_nothing_else_is() {
        let (with, without) = (MachineId::new(), MachineId::new());
        let entry = |name: &str, value: &str| {
            format!(
                r#""{name}":{{"name":"{name}","properties":{{"org.understudy:machine-record.0":{{"value":"{value}"}}}}}}"#
            )
        };
        let entries = [
            entry(layout::MACHINES, "1:e30="),
            entry(&layout::machine(with), "1:e30="),
            entry(&layout::machine(without), "-"),
            entry(&format!("{}/x", layout::machine(with)), "1:e30="),
        ];
        let json = format!(r#"{{"datasets":{{{}}}}}"#, entries.join(","));
        let records = read(&listing::parse(&json).unwrap());
        assert_eq!(records, [MachineRecord { machine: with.to_string(), record: "{}".into() }]);
    }
}
