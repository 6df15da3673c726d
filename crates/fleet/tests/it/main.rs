//! Fleet with real processes: crashes, hangs, deploys, shutdowns, and its own sudden death.

mod crash;
mod lifecycle;
mod logging;
mod rollout;
mod stage;
