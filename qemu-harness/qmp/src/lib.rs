//! A QMP client that survives unknown events (QEMU Machine Protocol specification).
