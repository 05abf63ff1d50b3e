//! All machines at a glance.

use understudy_bus::error::Result;
use understudy_bus::scheduler::MachineOverview;

use crate::catalogue::{MachineRow, Standing};
use crate::job::state::Step;
use crate::machine_record::no_key;
use crate::scheduler::{Scheduler, parse_id};

impl Scheduler {
    /// All machines, by name.
    pub(crate) fn overview(&self) -> Result<Vec<MachineOverview>> {
        let mut standings = self.catalogue.standings()?;
        self.catalogue
            .machines()?
            .into_iter()
            .map(|row| {
                let standing = standings.remove(&row.machine).unwrap_or_default();
                let (step, percent) = self.progress(&row)?;
                Ok(MachineOverview {
                    protected: is_protected(&row, &standing),
                    machine: row.machine.to_string(),
                    name: row.name,
                    backed_up: standing.backed_up,
                    due: row.due,
                    failure: standing.failure,
                    job: row.job,
                    step,
                    percent,
                })
            })
            .collect()
    }

    /// The running job's step and how far its copy is.
    fn progress(&self, row: &MachineRow) -> Result<(String, u8)> {
        if row.job.is_empty() {
            return Ok((String::new(), 0));
        }
        let Some(job) = self.catalogue.job(parse_id(&row.job)?)? else { return Ok((String::new(), 0)) };
        let (sent, expected) =
            self.live().get(&job.job).and_then(|live| live.progress().1).unwrap_or((job.sent, job.expected));
        Ok((job.step.to_string(), percent(job.step, sent, expected)))
    }
}

fn is_protected(row: &MachineRow, standing: &Standing) -> bool {
    row.key != no_key(row.machine)
        && !row.timetable.is_empty()
        && standing.backed_up != 0
        && standing.failure.is_empty()
}

fn percent(step: Step, sent: u64, expected: u64) -> u8 {
    match step {
        Step::Preparing | Step::Publishing | Step::Waiting => 0,
        Step::Copying if expected == 0 => 0,
        // What is expected grows while the machine writes; more than all has never been sent.
        Step::Copying => (u128::from(sent) * 100 / u128::from(expected)).min(100) as u8,
        Step::Withdrawing | Step::Verifying | Step::Snapshotting | Step::Done | Step::Failed => 100,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_goes_from_0_to_100_whatever_the_figures() {
        assert_eq!(percent(Step::Waiting, 5, 5), 0);
        assert_eq!(percent(Step::Copying, 0, 0), 0);
        assert_eq!(percent(Step::Copying, 1, 3), 33);
        assert_eq!(percent(Step::Copying, u64::MAX, u64::MAX), 100);
        assert_eq!(percent(Step::Copying, 7, 3), 100);
        assert_eq!(percent(Step::Verifying, 1, 3), 100);
    }
}
