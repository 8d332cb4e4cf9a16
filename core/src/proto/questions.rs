//! Questions to the server whose answers come between the messages, in order and without saying to what.

use std::collections::VecDeque;

use super::frame::Frame;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// Has the topic ended, and is all of it acknowledged?
    EndOfTopic,
    /// Deletes the subscription. The server does not answer that, but it answers what is asked after it when it went
    /// well, and drops the connection when it did not.
    Unsubscribe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    /// `unsubscribe` is written, the question after it is not.
    Half,
    Asked,
}

/// `T` is the token of whoever asked.
#[derive(Debug)]
pub(crate) struct Questions<T> {
    entries: VecDeque<(T, Question, Stage)>,
}

impl<T> Questions<T> {
    pub(crate) fn new() -> Questions<T> {
        Questions { entries: VecDeque::new() }
    }

    pub(crate) fn ask(&mut self, ticket: T, question: Question) {
        self.entries.push_back((ticket, question, Stage::Waiting));
    }

    /// The next frame to write.
    pub(crate) fn pop_frame(&mut self) -> Option<Frame<'static>> {
        let (_, question, stage) = self.entries.iter_mut().find(|(_, _, stage)| *stage != Stage::Asked)?;
        if (*question, *stage) == (Question::Unsubscribe, Stage::Waiting) {
            *stage = Stage::Half;
            return Some(Frame::Unsubscribe);
        }
        *stage = Stage::Asked;
        Some(Frame::IsEndOfTopic)
    }

    /// To whom an answer belongs; nobody if it was not asked for.
    pub(crate) fn answered(&mut self) -> Option<(T, Question)> {
        self.entries
            .pop_front_if(|(_, _, stage)| *stage == Stage::Asked)
            .map(|(ticket, question, _)| (ticket, question))
    }

    /// Takes out who wanted to unsubscribe, which the end of the connection answers; the rest is asked again on the next
    /// one.
    pub(crate) fn disconnected(&mut self) -> Vec<T> {
        let mut failed = Vec::new();
        for (ticket, question, _) in std::mem::take(&mut self.entries) {
            if question == Question::Unsubscribe {
                failed.push(ticket);
            } else {
                self.entries.push_back((ticket, question, Stage::Waiting));
            }
        }
        failed
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (T, Question)> {
        self.entries.drain(..).map(|(ticket, question, _)| (ticket, question))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_to_who_asked_first() {
        let mut questions = Questions::new();
        assert_eq!(questions.answered(), None);
        questions.ask(1, Question::EndOfTopic);
        questions.ask(2, Question::Unsubscribe);
        let frames: Vec<_> = std::iter::from_fn(|| questions.pop_frame()).collect();
        assert!(matches!(frames[..], [Frame::IsEndOfTopic, Frame::Unsubscribe, Frame::IsEndOfTopic]), "{frames:?}");
        assert_eq!(questions.answered(), Some((1, Question::EndOfTopic)));
        assert_eq!(questions.answered(), Some((2, Question::Unsubscribe)));
        assert_eq!(questions.drain().count(), 0);
    }

    #[test]
    fn a_disconnect_fails_an_unsubscribe_and_asks_the_rest_again() {
        let mut questions = Questions::new();
        questions.ask(1, Question::Unsubscribe);
        questions.ask(2, Question::EndOfTopic);
        questions.pop_frame();
        assert_eq!(questions.disconnected(), [1]);
        assert!(matches!(questions.pop_frame(), Some(Frame::IsEndOfTopic)));
    }

    #[test]
    fn what_was_not_asked_yet_is_not_answered_and_only_an_unsubscribe_fails_with_the_connection() {
        let mut questions = Questions::new();
        questions.ask(1, Question::Unsubscribe);
        questions.ask(2, Question::EndOfTopic);
        assert_eq!(questions.answered(), None, "an answer to nothing");
        assert_eq!(questions.disconnected(), [1]);
        assert_eq!(questions.answered(), None, "nor on the next connection");
        assert!(matches!(questions.pop_frame(), Some(Frame::IsEndOfTopic)));
    }
}
