//! The shop: a small, complete web shop made of ordinary programs.
//!
//! Each module below that says "program" is one process with one SQLite file.
//! They find each other by environment variables (`MAINSPRING_<NAME>_URL`) or by flags, and
//! speak plain HTTP and JSON; none of them knows what runs it or what stands in front of it.

pub mod body;
pub mod cart;
pub mod catalogue;
pub mod client;
pub mod database;
pub mod ledger;
pub mod options;
pub mod orders;
pub mod payments;
pub mod problem;
pub mod serve;
pub mod storefront;
pub mod users;
