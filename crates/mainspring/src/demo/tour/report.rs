//! What a step found, for people and for programs.

use std::time::Duration;

use serde::Serialize;

/// Complaints of one step that are shown. Further ones are counted.
const PROBLEMS_SHOWN_MAX: usize = 6;
/// Width of the column of titles.
const TITLE_WIDTH: usize = 36;

/// The whole tour.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) steps: Vec<StepReport>,
    pub(super) took_ms: u64,
}

/// One step.
#[derive(Debug, Default, Serialize)]
pub(super) struct StepReport {
    /// What was done.
    pub(super) title: &'static str,
    /// Whether its promise held.
    pub(super) held: bool,
    /// Requests that began during the step.
    pub(super) requests: u64,
    /// Orders among them.
    pub(super) orders: u64,
    /// Requests that failed and must not have.
    pub(super) failures: u64,
    /// Requests that failed and may: in the hands of what was killed.
    pub(super) excused: u64,
    /// Slowest request that was answered.
    pub(super) slowest_ms: u64,
    /// Time until everything was as wanted again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recovery_ms: Option<u64>,
    /// Further figures, as a sentence.
    pub(super) detail: String,
    /// What did not hold.
    pub(super) problems: Vec<String>,
    /// Complaints beyond those in `problems`.
    pub(super) problems_left_out: u64,
    #[serde(skip)]
    pub(super) can_go_on: bool,
}

impl StepReport {
    pub(super) fn new(title: &'static str) -> Self {
        Self { title, held: true, can_go_on: true, ..Self::default() }
    }

    /// Notes something that should have been otherwise.
    pub(super) fn complain(&mut self, problem: impl Into<String>) {
        self.held = false;
        if self.problems.len() < PROBLEMS_SHOWN_MAX {
            self.problems.push(problem.into());
        } else {
            self.problems_left_out += 1;
        }
    }

    /// Notes what an attempt said if it failed; tells whether it did not.
    pub(super) fn check(&mut self, attempt: Result<(), String>) -> bool {
        match attempt {
            Ok(()) => true,
            Err(why) => {
                self.complain(why);
                false
            }
        }
    }

    /// For people: one line, and one for each complaint.
    pub(super) fn show(&self) -> String {
        let mark = if self.held { '✓' } else { '✗' };
        let mut text = format!("{mark} {:TITLE_WIDTH$}", self.title);
        let mut figures = Vec::new();
        if self.requests > 0 {
            figures.push(format!("{} requests", self.requests));
            figures.push(format!("{} failed", self.failures));
        }
        if self.excused > 0 {
            figures.push(format!("{} lost in the hands of the dead", self.excused));
        }
        if let Some(recovery) = self.recovery_ms {
            figures.push(format!("recovered in {recovery} ms"));
        }
        if self.requests > 0 {
            figures.push(format!("slowest {} ms", self.slowest_ms));
        }
        if !self.detail.is_empty() {
            figures.push(self.detail.clone());
        }
        text.push_str(&figures.join(", "));
        for problem in &self.problems {
            text.push_str(&format!("\n    {problem}"));
        }
        if self.problems_left_out > 0 {
            text.push_str(&format!("\n    … and {} more", self.problems_left_out));
        }
        text
    }
}

impl Report {
    pub(super) fn held(&self) -> bool {
        self.steps.iter().all(|step| step.held)
    }

    pub(super) fn json(&self) -> String {
        let report = serde_json::json!({
            "held": self.held(), "took_ms": self.took_ms, "steps": self.steps,
        });
        serde_json::to_string_pretty(&report).unwrap_or_default()
    }

    pub(super) fn summary(&self) -> String {
        let sum = |figure: fn(&StepReport) -> u64| self.steps.iter().map(figure).sum::<u64>();
        let broken = self.steps.iter().filter(|step| !step.held).count();
        let verdict = match broken {
            0 => "every promise held".to_owned(),
            1 => "one promise did not hold".to_owned(),
            _ => format!("{broken} promises did not hold"),
        };
        format!(
            "\n{verdict}: {} requests, {} of them orders, {} failed, {} lost in the hands of the \
             dead, in {:.1} s\n{} passed, {broken} failed",
            sum(|step| step.requests),
            sum(|step| step.orders),
            sum(|step| step.failures),
            sum(|step| step.excused),
            Duration::from_millis(self.took_ms).as_secs_f64(),
            self.steps.len() - broken,
        )
    }
}

/// Whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_bounded_and_break_the_promise() {
        let mut step = StepReport::new("kill");
        assert!(step.check(Ok(())) && step.held);
        for number in 0..=PROBLEMS_SHOWN_MAX {
            step.complain(format!("problem {number}"));
        }
        assert!(!step.held);
        assert_eq!((step.problems.len(), step.problems_left_out), (PROBLEMS_SHOWN_MAX, 1));
        assert!(step.show().starts_with("✗ kill"));
        assert!(step.show().ends_with("… and 1 more"));
        let report = Report { steps: vec![StepReport::new("fine"), step], took_ms: 1 };
        assert!(!report.held());
        assert!(report.summary().starts_with("\none promise did not hold"));
    }
}
