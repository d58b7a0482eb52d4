//! What is promised about every answer while the database fails, and who looks whether it was kept.

use std::time::{Duration, Instant};

/// An answer, or that there was none.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Who has asked.
    pub(crate) client: usize,
    pub(crate) asked: Asked,
    pub(crate) begun: Instant,
    pub(crate) took: Duration,
    /// 0 when the connection was cut.
    pub(crate) status: u16,
    /// Of a problem; empty for anything else.
    pub(crate) code: String,
    pub(crate) has_retry_after: bool,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The client's own user.
    Read,
    /// The registration of somebody, by address.
    Write(String),
}

impl Answer {
    /// It is what it would be if nothing had failed.
    pub(crate) fn is_normal(&self) -> bool {
        match self.asked {
            Asked::Read => self.status == 200,
            Asked::Write(_) => self.status == 201,
        }
    }

    /// The address that it says is registered.
    pub(crate) fn acknowledged(&self) -> Option<&str> {
        match &self.asked {
            Asked::Write(address) if self.is_normal() => Some(address),
            _ => None,
        }
    }

    /// It says what is the matter, and when to try again. The write may still have been made.
    fn is_honest_refusal(&self) -> bool {
        match (self.status, self.code.as_str()) {
            (503, "STORE_UNAVAILABLE" | "STORE_OVERLOADED") => self.has_retry_after,
            (504, "DEADLINE_EXCEEDED") => true,
            _ => false,
        }
    }
}

/// What is promised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    /// The longest wait for an answer.
    pub(crate) wait_max: Duration,
    /// From when on nothing fails any more.
    pub(crate) calm_from: Instant,
}

impl Promise {
    /// What of it was broken by these answers, when `kept` of the acknowledged writes are there.
    pub(crate) fn broken_by(&self, answers: &[Answer], kept: usize) -> Vec<String> {
        let mut broken: Vec<_> =
            answers.iter().filter_map(|answer| self.broken_by_one(answer)).collect();
        let acknowledged = answers.iter().filter_map(Answer::acknowledged).count();
        if acknowledged != kept {
            broken.push(format!("{acknowledged} writes were acknowledged and {kept} are there"));
        }
        broken
    }

    fn broken_by_one(&self, answer: &Answer) -> Option<String> {
        let why = if answer.took > self.wait_max {
            "late"
        } else if answer.is_normal() {
            return None;
        } else if !answer.is_honest_refusal() {
            "neither the usual answer nor an honest refusal"
        } else if answer.begun >= self.calm_from {
            "a refusal when nothing fails any more"
        } else {
            return None;
        };
        Some(format!("{why}: {answer:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT_MAX: Duration = Duration::from_secs(3);

    fn answer(asked: Asked, status: u16, code: &str) -> Answer {
        let code = code.to_owned();
        let (begun, took) = (Instant::now(), Duration::from_millis(5));
        Answer { client: 0, asked, begun, took, status, code, has_retry_after: status == 503 }
    }

    fn write(status: u16, code: &str) -> Answer {
        answer(Asked::Write("a@example.com".to_owned()), status, code)
    }

    /// How much is broken by answers during a fault that is not over yet.
    fn broken(answers: &[Answer], kept: usize) -> usize {
        let calm_from = Instant::now() + Duration::from_mins(1);
        Promise { wait_max: WAIT_MAX, calm_from }.broken_by(answers, kept).len()
    }

    #[test]
    fn the_usual_answers_and_honest_refusals_keep_the_promise() {
        let answers = [
            answer(Asked::Read, 200, ""),
            write(201, ""),
            write(503, "STORE_UNAVAILABLE"),
            answer(Asked::Read, 503, "STORE_OVERLOADED"),
            write(504, "DEADLINE_EXCEEDED"),
        ];
        assert_eq!(broken(&answers, 1), 0);
    }

    #[test]
    fn anything_else_is_noticed() {
        for (status, code) in [
            (500, "INTERNAL"),
            (503, "OVERLOADED"),
            (504, "STORE_UNAVAILABLE"),
            (409, "EMAIL_TAKEN"),
            (200, ""),
            (0, ""),
        ] {
            assert_eq!(broken(&[write(status, code)], 0), 1, "{status} {code}");
        }
        assert_eq!(broken(&[answer(Asked::Read, 404, "USER_NOT_FOUND")], 0), 1);
        let silent = Answer { has_retry_after: false, ..write(503, "STORE_UNAVAILABLE") };
        assert_eq!(broken(&[silent], 0), 1, "without a time to try again");
    }

    #[test]
    fn a_late_answer_is_noticed_whatever_it_says() {
        for (status, code) in [(201, ""), (503, "STORE_UNAVAILABLE")] {
            let late = Answer { took: WAIT_MAX + Duration::from_millis(1), ..write(status, code) };
            assert_eq!(broken(&[late], usize::from(status == 201)), 1);
        }
    }

    #[test]
    fn a_lost_write_is_noticed() {
        assert_eq!(broken(&[write(201, ""), write(201, "")], 1), 1);
    }

    #[test]
    fn a_refusal_when_nothing_fails_any_more_is_noticed() {
        let promise = Promise { wait_max: WAIT_MAX, calm_from: Instant::now() };
        assert_eq!(promise.broken_by(&[write(503, "STORE_UNAVAILABLE")], 0).len(), 1);
        assert_eq!(promise.broken_by(&[write(201, "")], 1).len(), 0);
    }
}
