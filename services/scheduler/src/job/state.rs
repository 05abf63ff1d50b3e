//! The steps of a job and what may follow what: no I/O.

use std::fmt;
use std::str::FromStr;

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Volumes exist and hold their base.
    Preparing,
    /// LUNs are made for this job alone.
    Publishing,
    /// The order lies ready for the agent.
    Waiting,
    /// The agent copies.
    Copying,
    /// The agent has reported; LUNs are withdrawn. Also where a failed job is undone.
    Withdrawing,
    /// What was written is read back and compared.
    Verifying,
    /// The recovery point is taken.
    Snapshotting,
    /// The recovery point exists.
    Done,
    /// There is none; nothing is left of the job.
    Failed,
}

/// Every step, in order.
pub const STEPS: [Step; 9] = [
    Step::Preparing,
    Step::Publishing,
    Step::Waiting,
    Step::Copying,
    Step::Withdrawing,
    Step::Verifying,
    Step::Snapshotting,
    Step::Done,
    Step::Failed,
];

impl Step {
    /// Its name in the catalogue and on the bus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Publishing => "publishing",
            Self::Waiting => "waiting",
            Self::Copying => "copying",
            Self::Withdrawing => "withdrawing",
            Self::Verifying => "verifying",
            Self::Snapshotting => "snapshotting",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// Whether the job is over.
    pub fn ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }

    /// Whether the agent is at work, or about to be: its block records and its report are taken.
    pub fn with_agent(self) -> bool {
        matches!(self, Self::Waiting | Self::Copying)
    }

    /// Whether a job may go from this step to `next`, `Failed` apart.
    pub fn leads_to(self, next: Step) -> bool {
        matches!(
            (self, next),
            (Self::Preparing, Self::Publishing)
                | (Self::Publishing, Self::Waiting)
                // The agent's address has changed, or the targets were lost, before it began.
                | (Self::Waiting, Self::Publishing)
                | (Self::Waiting, Self::Copying | Self::Withdrawing)
                | (Self::Copying, Self::Withdrawing)
                | (Self::Withdrawing, Self::Verifying)
                | (Self::Verifying, Self::Snapshotting)
                | (Self::Snapshotting, Self::Done)
        )
    }

    /// What becomes of a job found in this step when the scheduler starts, `published` saying whether its LUNs still are.
    pub fn after_restart(self, published: bool) -> Resumption {
        match self {
            Self::Done | Self::Failed => Resumption::Ended,
            Self::Waiting if !published => Resumption::Again(Self::Publishing),
            Self::Copying if !published => Resumption::Undo,
            step => Resumption::Again(step),
        }
    }
}

/// See [`Step::after_restart`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumption {
    /// Nothing is left to do.
    Ended,
    /// It goes on with this step; steps are idempotent.
    Again(Step),
    /// It cannot go on.
    Undo,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a job step")]
pub struct UnknownStep(String);

impl FromStr for Step {
    type Err = UnknownStep;

    fn from_str(text: &str) -> Result<Self, UnknownStep> {
        STEPS.into_iter().find(|step| step.name() == text).ok_or_else(|| UnknownStep(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_reads_back_from_its_name() {
        for step in STEPS {
            assert_eq!(step.name().parse(), Ok(step));
        }
        assert!("mapping".parse::<Step>().is_err());
    }

    #[test]
    fn every_step_that_has_not_ended_leads_somewhere_and_an_ended_one_nowhere() {
        for step in STEPS {
            let leads = STEPS.into_iter().any(|next| step.leads_to(next));
            assert_eq!(leads, !step.ended(), "{step}");
        }
    }

    #[test]
    fn a_volume_is_never_snapshotted_before_its_lun_is_gone_and_its_blocks_are_verified() {
        for step in STEPS {
            assert_eq!(step.leads_to(Step::Verifying), step == Step::Withdrawing);
            assert_eq!(step.leads_to(Step::Snapshotting), step == Step::Verifying);
            assert_eq!(step.leads_to(Step::Done), step == Step::Snapshotting);
        }
    }

    #[test]
    fn a_copy_goes_on_after_a_restart_only_while_its_luns_are_still_published() {
        assert_eq!(Step::Copying.after_restart(true), Resumption::Again(Step::Copying));
        assert_eq!(Step::Copying.after_restart(false), Resumption::Undo);
        assert_eq!(Step::Waiting.after_restart(false), Resumption::Again(Step::Publishing));
        assert_eq!(Step::Snapshotting.after_restart(false), Resumption::Again(Step::Snapshotting));
        assert_eq!(Step::Done.after_restart(true), Resumption::Ended);
    }
}
