//! Recipe to plan to bootable image; knows nothing of Understudy.
