//! TCP: listening doors shared by all cores, and streams that cost one system call per read.

mod listener;
mod stream;

pub use listener::{Listener, door};
pub use stream::TcpStream;
