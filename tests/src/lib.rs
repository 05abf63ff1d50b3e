//! End to end, through the doors a user has.
