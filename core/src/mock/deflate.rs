//! permessage-deflate (RFC 7692) as Jetty has it: it accepts an offer, echoes `*_no_context_takeover`, ignores the sizes
//! of windows, and compresses each of its texts.

use miniz_oxide::deflate::CompressionLevel;
use miniz_oxide::deflate::core::CompressorOxide;
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush};

/// What ends a flush and is left out of a message.
const TAIL: &[u8] = &[0, 0, 0xff, 0xff];

/// Returns the answer to `Sec-WebSocket-Extensions`, if it offers permessage-deflate.
pub(super) fn answer(offers: &str) -> Option<String> {
    offers.split(',').find_map(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        (parts.next()? == "permessage-deflate").then(|| {
            let echoed = parts.filter(|part| part.ends_with("_no_context_takeover"));
            std::iter::once("permessage-deflate").chain(echoed).collect::<Vec<_>>().join(";")
        })
    })
}

/// Compresses the texts of a connection.
pub(super) struct Deflater {
    stream: Box<CompressorOxide>,
    reset: bool,
}

impl Deflater {
    pub(super) fn new(answer: &str) -> Deflater {
        let stream = CompressorOxide::with_format_and_level(DataFormat::Raw, CompressionLevel::DefaultLevel);
        Deflater { stream: Box::new(stream), reset: answer.contains("server_no_context_takeover") }
    }

    pub(super) fn deflate(&mut self, text: &[u8]) -> Vec<u8> {
        if self.reset {
            self.stream.reset();
        }
        let mut out = vec![0; text.len() + text.len() / 8 + 64];
        let done = deflate(&mut self.stream, text, &mut out, MZFlush::Sync);
        out.truncate(done.bytes_written.saturating_sub(TAIL.len()));
        out
    }
}

/// Inflates the messages of a connection.
pub(super) struct Inflater(Box<InflateState>);

impl Inflater {
    pub(super) fn new() -> Inflater {
        Inflater(InflateState::new_boxed(DataFormat::Raw))
    }

    /// Returns the message, or what is more than `max` bytes of it; `None` if it is not what deflate makes.
    pub(super) fn inflate(&mut self, payload: &[u8], max: usize) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        let mut chunk = [0; 16 * 1024];
        for mut input in [payload, TAIL] {
            loop {
                let done = inflate(&mut self.0, input, &mut chunk, MZFlush::None);
                message.extend_from_slice(&chunk[..done.bytes_written]);
                input = &input[done.bytes_consumed..];
                if done.status.is_err_and(|error| error != MZError::Buf || !input.is_empty()) {
                    return None;
                }
                if message.len() > max || (input.is_empty() && done.bytes_written < chunk.len()) {
                    break;
                }
            }
        }
        Some(message)
    }
}
