//! What the agent and the gateway say to each other: ids, JSON types, pairing.
