//! Requests to the server that await an answer. Answers arrive among the messages, in order, without identifying the
//! request.

use std::collections::VecDeque;

use super::frame::Frame;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// Asks whether the topic has ended and is acknowledged completely.
    EndOfTopic,
    /// Deletes the subscription. The server does not answer this. After success it answers the next request; after a
    /// failure it drops the connection.
    Unsubscribe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    /// `unsubscribe` is written; the request after it is not.
    HalfSent,
    Sent,
}

/// The pending requests. `T` is the caller's token.
#[derive(Debug)]
pub(crate) struct PendingRequests<T> {
    entries: VecDeque<(T, Request, Stage)>,
}

impl<T> PendingRequests<T> {
    pub(crate) fn new() -> PendingRequests<T> {
        PendingRequests { entries: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, ticket: T, request: Request) {
        self.entries.push_back((ticket, request, Stage::Waiting));
    }

    /// Returns the next frame to write.
    pub(crate) fn pop_frame(&mut self) -> Option<Frame<'static>> {
        let (_, request, stage) = self.entries.iter_mut().find(|(_, _, stage)| *stage != Stage::Sent)?;
        if (*request, *stage) == (Request::Unsubscribe, Stage::Waiting) {
            *stage = Stage::HalfSent;
            return Some(Frame::Unsubscribe);
        }
        *stage = Stage::Sent;
        Some(Frame::IsEndOfTopic)
    }

    /// Returns the request that an answer belongs to; `None` if no request is pending.
    pub(crate) fn answered(&mut self) -> Option<(T, Request)> {
        self.entries.pop_front_if(|(_, _, stage)| *stage == Stage::Sent).map(|(ticket, request, _)| (ticket, request))
    }

    /// Removes and returns the requests to unsubscribe, which fail when the connection ends. The next connection sends
    /// the others again.
    pub(crate) fn disconnected(&mut self) -> Vec<T> {
        let mut failed = Vec::new();
        for (ticket, request, _) in std::mem::take(&mut self.entries) {
            if request == Request::Unsubscribe {
                failed.push(ticket);
            } else {
                self.entries.push_back((ticket, request, Stage::Waiting));
            }
        }
        failed
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (T, Request)> {
        self.entries.drain(..).map(|(ticket, request, _)| (ticket, request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_to_who_asked_first() {
        let mut requests = PendingRequests::new();
        assert_eq!(requests.answered(), None);
        requests.push(1, Request::EndOfTopic);
        requests.push(2, Request::Unsubscribe);
        let frames: Vec<_> = std::iter::from_fn(|| requests.pop_frame()).collect();
        assert!(matches!(frames[..], [Frame::IsEndOfTopic, Frame::Unsubscribe, Frame::IsEndOfTopic]), "{frames:?}");
        assert_eq!(requests.answered(), Some((1, Request::EndOfTopic)));
        assert_eq!(requests.answered(), Some((2, Request::Unsubscribe)));
        assert_eq!(requests.drain().count(), 0);
    }

    #[test]
    fn a_disconnect_fails_an_unsubscribe_and_asks_the_rest_again() {
        let mut requests = PendingRequests::new();
        requests.push(1, Request::Unsubscribe);
        requests.push(2, Request::EndOfTopic);
        requests.pop_frame();
        assert_eq!(requests.disconnected(), [1]);
        assert!(matches!(requests.pop_frame(), Some(Frame::IsEndOfTopic)));
    }

    #[test]
    fn what_was_not_asked_yet_is_not_answered_and_only_an_unsubscribe_fails_with_the_connection() {
        let mut requests = PendingRequests::new();
        requests.push(1, Request::Unsubscribe);
        requests.push(2, Request::EndOfTopic);
        assert_eq!(requests.answered(), None, "an answer to nothing");
        assert_eq!(requests.disconnected(), [1]);
        assert_eq!(requests.answered(), None, "nor on the next connection");
        assert!(matches!(requests.pop_frame(), Some(Frame::IsEndOfTopic)));
    }
}
