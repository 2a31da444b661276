//! The second timing of `report`, which has a turn after each round.
//!
//! A machine's speed changes from one minute to the next, so a second opinion that is asked for minutes later says
//! more of the machine than of the figure. `report` therefore starts a bench with `--beside`, and they take turns: the
//! bench says on its output when a case begins, when a round is over, and which of the rounds count in the end; after
//! the first two it waits for an answer on its input, the number of the other timing's process. Everything else that it
//! prints is for who watches.
//!
//! ```text
//! @begin switch/resume and pause        answered when the other timing is ready
//! @turn                                 answered when the other timing has had its turn
//! @end 0 2 3                            the numbers of the rounds that count
//! ```

use std::io::stdin;

/// The argument by which a bench knows that there is another timing.
pub const BESIDE: &str = "--beside";
/// Begin the lines that are not for who watches.
pub const BEGIN: &str = "@begin ";
pub const TURN: &str = "@turn";
pub const END: &str = "@end";

/// The other timing, of one case.
pub struct Beside {
    /// Whether there is one.
    listens: bool,
    /// The number of its process, once it has answered.
    process: Option<u32>,
}

impl Beside {
    /// Begins a case, `QUESTION/CASE`.
    pub fn begin(case: &str) -> Beside {
        let listens = std::env::args().any(|argument| argument == BESIDE);
        let mut beside = Beside { listens, process: None };
        beside.ask(&format!("{BEGIN}{case}"));
        beside
    }

    /// No other timing.
    #[cfg(test)]
    pub(crate) fn nobody() -> Beside {
        Beside { listens: false, process: None }
    }

    /// The process that has this one's processor meanwhile, if there is one.
    pub(crate) fn process(&self) -> Option<u32> {
        self.process
    }

    /// A round is over.
    pub(crate) fn turn(&mut self) {
        self.ask(TURN);
    }

    /// These rounds count.
    pub(crate) fn end(self, rounds: impl Iterator<Item = usize>) {
        if self.listens {
            let rounds: Vec<String> = rounds.map(|round| round.to_string()).collect();
            println!("{END} {}", rounds.join(" "));
        }
    }

    /// Says something, and waits for the answer.
    fn ask(&mut self, line: &str) {
        if self.listens {
            println!("{line}");
            let mut answer = String::new();
            let answered = stdin().read_line(&mut answer);
            assert!(answered.is_ok_and(|bytes| bytes > 0), "who listened has gone");
            self.process = answer.trim().parse().ok();
        }
    }
}
