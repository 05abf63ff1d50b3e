//! Boots images in QEMU and drives them: console, QMP, networks, disks, power.
