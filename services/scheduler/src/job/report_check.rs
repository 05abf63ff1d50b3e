//! Whether the agent's report fits what the box itself has counted. No I/O.

use understudy_wire::{DiskId, Report};

/// The first thing that does not fit, for a person.
pub fn check(report: &Report, counted: &[(DiskId, u64)]) -> Result<(), String> {
    for (disk, bytes) in counted {
        let Some(said) = report.disks.get(disk) else {
            return Err(format!(
                "the agent's report leaves out disk {disk}, which it was ordered to back up"
            ));
        };
        if said.distinct_sent.0 != *bytes {
            return Err(format!(
                "the agent says it sent {} distinct bytes of disk {disk}, but the box has hashes of {bytes}: some were lost on the way, so the copy cannot be trusted; the next backup makes up for this one",
                said.distinct_sent.0
            ));
        }
    }
    match report.disks.keys().find(|disk| counted.iter().all(|(known, _)| known != *disk)) {
        Some(stranger) => {
            Err(format!("the agent reports disk {stranger}, which it was not ordered to back up"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_wire::{Bytes, DiskReport, Kind};

    fn report(disks: &[(DiskId, u64)]) -> Report {
        let disks = disks.iter().map(|(disk, bytes)| {
            let said = DiskReport {
                kind: Kind::First,
                reason: String::new(),
                mapped: Bytes(*bytes),
                sent: Bytes(*bytes),
                distinct_sent: Bytes(*bytes),
            };
            (*disk, said)
        });
        Report { error: None, frozen_seconds: 0.1, disks: disks.collect() }
    }

    #[test]
    fn a_report_that_fits_is_accepted_and_any_other_names_its_disk() {
        let (one, two) = (DiskId::new(), DiskId::new());
        let counted = [(one, 4096), (two, 0)];
        assert_eq!(check(&report(&counted), &counted), Ok(()));
        for wrong in
            [vec![(one, 4097), (two, 0)], vec![(one, 4096)], vec![(one, 4096), (two, 0), (DiskId::new(), 1)]]
        {
            assert!(check(&report(&wrong), &counted).unwrap_err().contains("disk"));
        }
    }
}
