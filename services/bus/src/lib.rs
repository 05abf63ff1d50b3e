//! The contract between the services: D-Bus proxies and the types that cross them; no logic.
