//! Fleet with real processes: crashes, hangs, deploys, shutdowns, and its own sudden death.

#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]
#![expect(clippy::indexing_slicing, reason = "in a test a surprise is a failure")]

mod crash;
mod lifecycle;
mod logging;
mod rollout;
mod stage;
