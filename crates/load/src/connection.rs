//! One connection and the request that it carries.

use model::Moment;
use runtime::poll::Socket;

use crate::answer::AnswerReader;

/// A place for one connection; connections come and go in it.
pub(crate) struct Connection {
    pub(crate) socket: Option<Socket>,
    pub(crate) stage: Stage,
    /// Counts the connections that were here, so that late events of an earlier one are known.
    pub(crate) generation: u32,
    /// When the request should have begun.
    pub(crate) intended: Moment,
    /// When the answer must be here.
    pub(crate) deadline: Moment,
    /// Bytes of the request that the kernel has taken.
    pub(crate) sent_bytes: usize,
    /// Whether anything of the answer has come.
    pub(crate) answer: AnswerReader,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There is none, and none is wanted yet.
    Closed,
    /// There is none because opening it just failed; not to be tried before that moment.
    Cooling(Moment),
    /// Being opened for a request.
    Opening,
    /// Carries a request.
    Busy,
    /// Open and waiting for a request.
    Idle,
}

impl Connection {
    pub(crate) fn new() -> Self {
        Self {
            socket: None,
            stage: Stage::Closed,
            generation: 0,
            intended: Moment::START,
            deadline: Moment::START,
            sent_bytes: 0,
            answer: AnswerReader::new(),
        }
    }

    /// Whether a request depends on it.
    pub(crate) fn is_under_way(&self) -> bool {
        match self.stage {
            Stage::Opening | Stage::Busy => true,
            Stage::Closed | Stage::Cooling(_) | Stage::Idle => false,
        }
    }

    /// The number that its events carry.
    pub(crate) fn token(&self, index: u32) -> u64 {
        u64::from(self.generation) << 32 | u64::from(index)
    }

    /// Closes the socket, if any, and forgets the answer that was begun.
    pub(crate) fn close(&mut self, stage: Stage) {
        self.socket = None;
        self.generation = self.generation.wrapping_add(1);
        self.answer.reset();
        self.stage = stage;
    }
}

/// The connection's place and generation.
pub(crate) fn untoken(token: u64) -> (usize, u32) {
    (token as u32 as usize, (token >> 32) as u32)
}
