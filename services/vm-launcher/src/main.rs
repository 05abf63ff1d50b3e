//! One isolated QEMU per virtual machine.

fn main() {}
