//! A person at both doors of a real Linux: types every character of a keyboard layout, reads the screen, plugs a stick
//! and a cable. What the tests prove with a boot sector, on the consoles of a kernel:
//!
//! ```text
//! cargo run -p qemu-harness --example linux_console -- LAYOUT KERNEL INITRAMFS RUN_DIR [OVMF_CODE OVMF_VARS]
//! ```
//!
//! Without OVMF the console is VGA's text mode, with it a framebuffer. The initial RAM disk needs busybox, modules for
//! xHCI, USB storage, SCSI disks, virtio's console and network card, the layout's key table (`loadkeys -u -b`) as
//! `/keymap`, and this as `/init`:
//!
//! ```sh
//! #!/bin/busybox sh
//! /bin/busybox mkdir -p /proc /sys /dev /tmp
//! /bin/busybox --install -s /bin
//! mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
//! for module in virtio_pci virtio_console virtio_net xhci_pci usb_storage sd_mod; do modprobe $module; done
//! dmesg -n 1
//! loadkmap < /keymap
//! serve() { while true; do setsid sh -c "exec sh $2 < /dev/$1 > /dev/$1 2>&1"; sleep 1; done; }
//! serve hvc0 & # without a line editor, which is for people
//! serve ttyS0 -i &
//! serve tty1 -i
//! ```

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use qemu_harness::{Bytes, Disk, Firmware, Font, Key, Layout, Mac, Network, Pattern, Seat, Shell, Vm};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const SOON: Duration = Duration::from_secs(30);
const BOOT: Duration = Duration::from_secs(110);
/// Not in ASCII: they are learned from text of their own, each twice.
const LETTERS: [&str; 2] = ["äöüÄÖÜßé│─┌", "┌─│éßÜÖÄüöä"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (layout, kernel, initramfs, run_dir, firmware) = match &arguments[..] {
        [layout, kernel, initramfs, run_dir] => (layout, kernel, initramfs, run_dir, None),
        [layout, kernel, initramfs, run_dir, code, vars] => {
            let firmware = Firmware { code: code.into(), vars: vars.into() };
            (layout, kernel, initramfs, run_dir, Some(firmware))
        }
        _ => {
            let wanted = "LAYOUT KERNEL INITRAMFS RUN_DIR [OVMF_CODE OVMF_VARS]";
            return Err(format!("the arguments are {wanted}").into());
        }
    };
    let layout = Layout::named(layout)?;
    let lan = Network::new("lan");
    let mut machine = Vm::build("box")
        .memory(Bytes::mib(256))
        .kernel(kernel, Some(Path::new(initramfs)), "console=ttyS0 console=tty0 quiet")
        .nic(&lan, Mac::numbered(1))
        .usb_sockets();
    if let Some(firmware) = &firmware {
        machine = machine.firmware(firmware);
    }
    let mut vm = machine.launch(run_dir)?;
    let shell = vm.virtio_console().shell(BOOT)?;
    say("the machine runs");

    let known: Vec<&str> = Font::SAMPLE.into_iter().chain(LETTERS).collect();
    let quoted: Vec<String> = known.iter().map(|line| format!("'{}'", line.replace('\'', r"'\''"))).collect();
    // Behind the shell's first prompt.
    shell.succeed(
        &format!("printf '\\033[H\\033[J' > /dev/tty1; printf '%s\\n' {} > /dev/tty1", quoted.join(" ")),
        SOON,
    )?;
    let font = vm.learn_font(&known, SOON)?;
    let (width, height) = font.cell_size();
    say(&format!("learned a font of {width} x {height} pixels"));

    let monitor = Seat::at_monitor(&vm, layout, font);
    let screen = monitor.screen()?;
    say(&format!(
        "the monitor has {} x {} characters, the cursor at {:?}",
        screen.columns(),
        screen.rows(),
        screen.cursor()
    ));
    plays(&monitor, &shell, "monitor", layout)?;
    say(&format!("kept {}", monitor.screenshot(vm.folder().join("monitor"))?.display()));

    let terminal = Seat::at_terminal(&vm);
    plays(&terminal, &shell, "terminal", layout)?;
    say(&format!("kept {}", terminal.screenshot(vm.folder().join("terminal"))?.display()));

    plugs(&vm, &shell)?;

    vm.power_cut()?;
    vm.relaunch()?;
    vm.virtio_console().shell(BOOT)?.succeed("until test -b /dev/sda; do sleep 0.2; done", SOON)?;
    say("after a power cut it runs again, with the stick");
    Ok(())
}

/// The same at both doors.
fn plays(seat: &Seat, shell: &Shell, door: &str, layout: Layout) -> Result<()> {
    seat.press(Key::Ctrl('l'))?;
    seat.type_text("\n")?;
    seat.wait_for("[#$] ?$", SOON)?;
    seat.type_text("clear; printf 'a \\033[7m chosen \\033[m one \\033[31;44mcoloured\\033[m\\n'\n")?;
    let screen = seat.wait_for("a  chosen  one", SOON)?;
    check(screen.inverse_texts() == ["chosen"], "reverse video", &screen.inverse_texts())?;

    // What arrives, as the machine itself has it.
    let mut text: String = (' '..='~').collect();
    if layout == Layout::DE_NO_DEAD_KEYS || layout == Layout::DE {
        // Without the euro, which key tables of a time before it take for another sign.
        text += "äöüÄÖÜß§°²³µ";
    }
    let started = Instant::now();
    let before = seat.keys_pressed();
    seat.type_text("echo ready; cat > /tmp/typed\n")?;
    // A line editor gives no echo of what is typed ahead.
    seat.wait_for("\nready", SOON)?;
    for _ in 0..5 {
        seat.type_text(&format!("{text}\n"))?;
    }
    let pressed = seat.keys_pressed() - before;
    say(&format!("{door}: {pressed} keys in {:.1} s", started.elapsed().as_secs_f32()));
    let screen = seat.wait_for(Pattern::text(&text.trim_start()[..40]), SOON)?;
    seat.press(Key::Ctrl('d'))?;
    seat.wait_stable(Duration::from_millis(600), SOON)?;
    let arrived = shell.succeed("cat /tmp/typed", SOON)?;
    check(arrived == format!("{text}\n").repeat(5), "typed text", &(arrived, screen.text()))?;
    say(&format!("{door}: every character of {} arrived, five times", layout.name()));

    // A program that takes single keys, from a line editor.
    seat.type_text("echo wrong")?;
    for key in [Key::Home, Key::Right, Key::End, Key::Backspace, Key::Ctrl('u')] {
        seat.press(key)?;
    }
    seat.type_text("echo one two")?;
    seat.press(Key::Left)?;
    seat.press(Key::Backspace)?;
    seat.press(Key::Enter)?;
    seat.wait_for("\none to\n", SOON)?;
    // It blinks.
    let screen = seat.wait_until("a cursor", SOON, |screen| screen.cursor().is_some())?;
    say(&format!("{door}: the cursor is at {:?} of:\n{screen}", screen.cursor()));
    Ok(())
}

fn plugs(vm: &Vm, shell: &Shell) -> Result<()> {
    let until = |command: &str| -> Result<String> {
        Ok(shell.succeed(&format!("until {command}; do sleep 0.2; done"), SOON)?)
    };
    vm.plug_usb(Disk::blank(Bytes::mib(16)).named("stick"))?;
    until("test -b /dev/sda")?;
    shell.succeed("echo 'on the stick' | dd of=/dev/sda bs=512 conv=sync,fsync", SOON)?;
    let file = vm.disk_file("stick")?;
    vm.unplug_usb("stick")?;
    until("test ! -b /dev/sda")?;
    let begins = std::fs::read(&file)?;
    check(begins.starts_with(b"on the stick\n"), "the stick's content", &&begins[..16])?;
    vm.plug_usb(Disk::file(&file).named("stick"))?;
    until("grep -q 'on the stick' /dev/sda")?;
    say("a stick was plugged in, written, pulled out, read here and plugged in again");

    shell.succeed("ip link set eth0 up", SOON)?;
    until("grep -q 1 /sys/class/net/eth0/carrier")?;
    vm.unplug_cable(Mac::numbered(1))?;
    until("grep -q 0 /sys/class/net/eth0/carrier")?;
    vm.plug_cable(Mac::numbered(1))?;
    until("grep -q 1 /sys/class/net/eth0/carrier")?;
    say("the cable was pulled out and plugged in again, and the machine saw both");
    Ok(())
}

fn check(holds: bool, what: &str, seen: &dyn std::fmt::Debug) -> Result<()> {
    if holds { Ok(()) } else { Err(format!("{what} is not as expected: {seen:?}").into()) }
}

fn say(what: &str) {
    println!("{what}");
    // Nothing else is lost where nobody reads along.
    let _ = std::io::stdout().flush();
}
