//! How many files and sockets this process may have open.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limits that this process was started with.
static INHERITED: OnceLock<Rlimit> = OnceLock::new();

/// Raises the soft limit to the hard one, and returns it; `None`: there is no limit.
///
/// The usual soft limit, 1,024, is there for programs that call `select(2)`; a proxy needs two
/// descriptors for each connection. Programs that we start get the old soft limit back, because
/// they may be such programs.
pub fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    // The first call has seen what we inherited; a later one sees what we made of it.
    let _ = INHERITED.set(limit);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Refused only where the limits are managed by somebody else, who then knows better.
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current
}

/// What a program that we start should have: the limits that we were started with, if we changed
/// them since.
pub(crate) fn inherited() -> Option<Rlimit> {
    INHERITED.get().copied()
}

#[cfg(test)]
mod tests {
    #[test]
    fn afterwards_soft_is_hard_and_programs_get_the_old_limit() {
        let before = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        assert_eq!(super::raise(), before.maximum);
        super::raise();
        assert_eq!(super::inherited().unwrap().current, before.current);
    }
}
