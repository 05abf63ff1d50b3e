//! KVM or emulation, decided by a guest that really ran.

use std::fmt;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::process::{Process, how_it_ended};
use crate::qemu;
use crate::{Deadline, Error, Result};

/// What executes the guests' instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accelerator {
    /// The processor itself.
    Kvm,
    /// QEMU's translator, with a CPU that offers SVM, so that guests can use KVM inside.
    Tcg {
        /// Why it is not KVM.
        because: String,
    },
}

impl Accelerator {
    /// The one to use on this host. The first call tries it out, later ones remember.
    pub fn of_this_host() -> Result<&'static Accelerator> {
        static FOUND: OnceLock<Accelerator> = OnceLock::new();
        static TRYING: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _one_at_a_time = TRYING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(found) = FOUND.get() {
            return Ok(found);
        }
        qemu::check_version()?;
        let found = match runs_a_guest("kvm", PROBE_LIMIT)? {
            Outcome::Executed => Accelerator::Kvm,
            Outcome::Failed(because) => Accelerator::Tcg { because },
        };
        tracing::info!(%found, "chose how guests are executed");
        Ok(FOUND.get_or_init(|| found))
    }

    /// QEMU's arguments for it.
    pub fn arguments(&self) -> [&'static str; 4] {
        match self {
            Accelerator::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Accelerator::Tcg { .. } => ["-accel", "tcg,thread=multi", "-cpu", EMULATED_CPU],
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Accelerator::Kvm => write!(f, "KVM"),
            Accelerator::Tcg { because } => write!(f, "TCG, as KVM does not work here: {because}"),
        }
    }
}

/// All that TCG can do but fast string instructions: it executes them byte by byte, and kernels and C libraries that see the flags
/// prefer them to their loops over words. Without them zeroing memory is ten times as fast, reading a volume three to four times.
/// And but AVX, of which it calls a function for most instructions: without it a box is ready in 53 s instead of 64 s.
pub const EMULATED_CPU: &str = "max,-erms,-fsrm,-fzrm,-fsrs,-fsrc,-avx,-avx2";

/// A guest under working KVM is done in 50 ms; one that hangs in real mode never is.
const PROBE_LIMIT: Duration = Duration::from_secs(3);

/// QEMU's exit status after our guest wrote 0x2a to the isa-debug-exit port: value * 2 + 1.
const EXECUTED: i32 = 0x2a * 2 + 1;

#[derive(Debug, PartialEq)]
enum Outcome {
    Executed,
    Failed(String),
}

/// Boots [`probe_firmware`] with nothing else, and sees whether it reaches its last instruction.
fn runs_a_guest(accelerator: &str, limit: Duration) -> Result<Outcome> {
    let folder = tempfile::tempdir().map_err(Error::io("make a temporary folder for the KVM probe"))?;
    let firmware = folder.path().join("probe.bin");
    let output = folder.path().join("output");
    std::fs::write(&firmware, probe_firmware()).map_err(Error::io("write the KVM probe's firmware"))?;
    let log = std::fs::File::create(&output).map_err(Error::io("write the KVM probe's output"))?;
    let mut command = Command::new(qemu::PROGRAM);
    command
        .args([
            "-accel",
            accelerator,
            "-machine",
            "q35",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
        ])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-bios"])
        .arg(&firmware)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    let process = Process::spawn(command, vec![]).map_err(Error::io(format!("start {}", qemu::PROGRAM)))?;
    Ok(match process.wait(Deadline::after(limit)) {
        Some(status) if status.code() == Some(EXECUTED) => Outcome::Executed,
        Some(status) => {
            let said = std::fs::read_to_string(&output).unwrap_or_default();
            let line =
                said.lines().rev().find(|line| !line.contains("warning:")).unwrap_or("it said nothing");
            Outcome::Failed(format!("{} ({})", line.trim(), how_it_ended(status)))
        }
        None => {
            Outcome::Failed(format!("a guest of 20 instructions did not end within {} s", limit.as_secs()))
        }
    })
}

/// A 64 KiB firmware that uses the stack in real mode, enters protected mode, uses the stack again, and says 0x2a.
///
/// Real mode and the switch are where half-working virtualisation fails.
fn probe_firmware() -> Vec<u8> {
    #[rustfmt::skip]
    const START: &[u8] = &[
        // F000:F000, 16 bits
        0xfa,                                           // cli
        0x31, 0xc0,                                     // xor ax, ax
        0x8e, 0xd0,                                     // mov ss, ax
        0xbc, 0x00, 0x7c,                               // mov sp, 0x7c00
        0xb8, 0x2b, 0x00,                               // mov ax, 0x2b
        0x50,                                           // push ax
        0x5b,                                           // pop bx
        0x8c, 0xc8,                                     // mov ax, cs
        0x8e, 0xd8,                                     // mov ds, ax
        0x66, 0x0f, 0x01, 0x16, 0x58, 0xf0,             // lgdt [0xf058]
        0x0f, 0x20, 0xc0,                               // mov eax, cr0
        0x0c, 0x01,                                     // or al, 1
        0x0f, 0x22, 0xc0,                               // mov cr0, eax
        0x66, 0xea, 0x27, 0xf0, 0x0f, 0x00, 0x08, 0x00, // jmp 0x08:0x000ff027
        // 0xff027, 32 bits
        0x66, 0xb8, 0x10, 0x00,                         // mov ax, 0x10
        0x8e, 0xd8,                                     // mov ds, ax
        0x8e, 0xd0,                                     // mov ss, ax
        0xbc, 0x00, 0x7c, 0x00, 0x00,                   // mov esp, 0x7c00
        0x53,                                           // push ebx
        0x58,                                           // pop eax
        0x83, 0xe8, 0x01,                               // sub eax, 1
        0xe6, 0xf4,                                     // out 0xf4, al
        0xf4,                                           // hlt
        0xeb, 0xfd,                                     // jmp to the hlt
        0x90, 0x90,                                     // (alignment)
        // 0xff040: null, flat code and flat data descriptors; 0xff058: the table's limit and address
        0, 0, 0, 0, 0, 0, 0, 0,
        0xff, 0xff, 0, 0, 0, 0x9a, 0xcf, 0,
        0xff, 0xff, 0, 0, 0, 0x92, 0xcf, 0,
        23, 0, 0x40, 0xf0, 0x0f, 0x00,
    ];
    const RESET_VECTOR: &[u8] = &[0xea, 0x00, 0xf0, 0x00, 0xf0]; // jmp 0xf000:0xf000
    let mut firmware = vec![0; 0x1_0000];
    firmware[0xf000..][..START.len()].copy_from_slice(START);
    firmware[0xfff0..][..RESET_VECTOR.len()].copy_from_slice(RESET_VECTOR);
    firmware
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_runs_to_its_end_where_execution_surely_works() {
        assert_eq!(runs_a_guest("tcg", Duration::from_secs(60)).unwrap(), Outcome::Executed);
    }

    #[test]
    fn an_accelerator_that_does_not_exist_fails_with_qemus_reason() {
        let outcome = runs_a_guest("warp", Duration::from_secs(60)).unwrap();
        assert!(matches!(&outcome, Outcome::Failed(why) if why.contains("warp")), "{outcome:?}");
    }

    #[test]
    fn the_choice_stays() {
        let first = Accelerator::of_this_host().unwrap();
        assert!(std::ptr::eq(first, Accelerator::of_this_host().unwrap()));
    }
}
