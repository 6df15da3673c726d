//! What `cargo xtask` does: [`lint`], [`test`], [`tidy`] and [`bench`].
//!
//! [`step`] runs one command after the other with a name and a time; [`packages`] sees to it that
//! the programs from outside are there. `tidy` is pure over a tree of texts, so that each of its
//! rules has a test with a planted violation.
pub mod bench;
pub mod lint;
pub mod packages;
pub mod step;
pub mod test;
pub mod tidy;
