//! permessage-deflate (RFC 7692): its negotiation in the upgrade, and the compression of messages.
//!
//! The compressor always uses the whole window of 32 KiB. So `client_max_window_bits` is not offered, and a server
//! cannot ask for a smaller one. `server_max_window_bits` only limits the server; any value can be inflated.

use hyper::HeaderMap;
use hyper::header::{HeaderValue, SEC_WEBSOCKET_EXTENSIONS};
use miniz_oxide::DataFormat;
use miniz_oxide::deflate::core::{CompressionStrategy, CompressorOxide, TDEFLFlush, TDEFLStatus, compress_to_output};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::error::{Error, ErrorKind, Result};
use crate::options::{CompressionContext, Resolved, WebSocketCompression};

const NAME: &str = "permessage-deflate";
const SERVER_RESETS: &str = "server_no_context_takeover";
const CLIENT_RESETS: &str = "client_no_context_takeover";
const SERVER_WINDOW: &str = "server_max_window_bits";

const WINDOW: usize = 32 * 1024;
/// Ends each flush of a compressor, and is left out of messages (RFC 7692, 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// The capacity that buffers keep after a larger message.
const KEPT: usize = 256 * 1024;

/// The options of compression that the upgrade offers to a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    level: u8,
    /// Shorter messages are sent as they are.
    min: usize,
    /// Each message is compressed by itself, in both directions.
    reset: bool,
}

impl Offer {
    /// Returns the offer that the options describe; `None` without compression.
    pub(crate) fn new(options: &Resolved) -> Option<Offer> {
        (options.websocket_compression == WebSocketCompression::On).then_some(Offer {
            level: options.websocket_compression_level as u8,
            min: options.websocket_compression_min as usize,
            reset: options.websocket_compression_context == CompressionContext::Reset,
        })
    }

    /// Returns the value of the header `Sec-WebSocket-Extensions`.
    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self.reset {
            true => "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            false => "permessage-deflate",
        })
    }
}

/// What was agreed on, or the rest of a sentence about the server that says what is wrong with its answer.
type Agreed<T> = std::result::Result<T, String>;

/// Returns what a server accepts of an offer: `None` for no compression. Messages inflate to `limit` bytes at most.
pub(crate) fn accept(offer: Option<Offer>, answer: &HeaderMap, limit: usize) -> Agreed<Option<Deflate>> {
    let mut accepted = None;
    for value in answer.get_all(SEC_WEBSOCKET_EXTENSIONS) {
        let value = String::from_utf8_lossy(value.as_bytes());
        for extension in value.split(',').map(str::trim).filter(|extension| !extension.is_empty()) {
            let name = extension.split(';').next().unwrap_or_default().trim();
            let Some(offer) = offer.filter(|_| name.eq_ignore_ascii_case(NAME)) else {
                return Err(unusable(extension, "which the client did not offer"));
            };
            if accepted.replace(agree(offer, extension, limit)?).is_some() {
                return Err(unusable(extension, "which it names twice"));
            }
        }
    }
    Ok(accepted)
}

/// Checks the parameters of a server's `permessage-deflate`.
fn agree(offer: Offer, extension: &str, limit: usize) -> Agreed<Deflate> {
    let (mut server_resets, mut client_resets, mut window) = (false, false, false);
    for parameter in extension.split(';').skip(1).map(str::trim) {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (parameter, None),
        };
        let seen = match (name, value) {
            (SERVER_RESETS, None) => &mut server_resets,
            (CLIENT_RESETS, None) => &mut client_resets,
            (SERVER_WINDOW, Some("8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")) => &mut window,
            _ => return Err(unusable(extension, &format!("whose parameter {parameter:?} is not one it may use"))),
        };
        if std::mem::replace(seen, true) {
            return Err(unusable(extension, &format!("whose parameter {name} is given twice")));
        }
    }
    if offer.reset && !server_resets {
        return Err(unusable(
            extension,
            "without the server_no_context_takeover that was asked for (option websocket_compression_context=reset)",
        ));
    }
    Ok(Deflate { deflater: Deflater::new(offer, offer.reset || client_resets), inflater: Inflater::new(limit) })
}

fn unusable(extension: &str, why: &str) -> String {
    let shown: String = extension.chars().take(100).collect();
    format!("answered the WebSocket upgrade with the extension {shown:?}, {why}; websocket_compression=off offers none")
}

/// Both directions of a connection that compresses.
pub(crate) struct Deflate {
    pub(crate) deflater: Deflater,
    pub(crate) inflater: Inflater,
}

/// Compresses what is sent.
pub(crate) struct Deflater {
    compressor: Box<CompressorOxide>,
    flush: TDEFLFlush,
    min: usize,
}

impl Deflater {
    fn new(offer: Offer, reset: bool) -> Deflater {
        let compressor = CompressorOxide::with_params(DataFormat::Raw, offer.level, CompressionStrategy::Default, 15);
        // A full flush also forgets what was compressed before.
        let flush = if reset { TDEFLFlush::Full } else { TDEFLFlush::Sync };
        Deflater { compressor: Box::new(compressor), flush, min: offer.min }
    }

    /// Returns whether a message of this length is compressed.
    pub(crate) fn applies_to(&self, length: usize) -> bool {
        length >= self.min
    }

    /// Appends the compressed message to `out`. Returns false, and appends nothing, if it would not be smaller.
    pub(crate) fn deflate(&mut self, message: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let (status, taken) = compress_to_output(&mut self.compressor, message, self.flush, |bytes| {
            out.extend_from_slice(bytes);
            true
        });
        let smaller = out.len() - start < message.len() + TAIL.len();
        if smaller && status == TDEFLStatus::Okay && taken == message.len() && out.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
            return true;
        }
        out.truncate(start);
        // The server does not see this message compressed, so later ones must not refer to it.
        self.compressor.reset();
        false
    }
}

/// Inflates what is received.
pub(crate) struct Inflater {
    decompressor: Box<DecompressorOxide>,
    /// The last 32 KiB that were inflated, as a ring.
    window: Box<[u8]>,
    /// Where the next byte goes in the ring.
    at: usize,
    /// The message so far.
    message: Vec<u8>,
    /// Whether the message has ended, and the next frame begins another.
    complete: bool,
    limit: usize,
}

impl Inflater {
    fn new(limit: usize) -> Inflater {
        Inflater {
            decompressor: Box::default(),
            window: vec![0; WINDOW].into(),
            at: 0,
            message: Vec::new(),
            complete: false,
            limit,
        }
    }

    /// Inflates the payload of a frame. Returns true if that ends its message, which `message` then returns.
    pub(crate) fn inflate(&mut self, payload: &[u8], last: bool) -> Result<bool> {
        if std::mem::take(&mut self.complete) {
            self.message.clear();
            self.message.shrink_to(KEPT);
        }
        self.append(payload)?;
        if last && !self.append(&TAIL)? {
            return Err(malformed());
        }
        self.complete = last;
        Ok(last)
    }

    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    /// Inflates these bytes. Returns whether they end where a block does.
    fn append(&mut self, mut bytes: &[u8]) -> Result<bool> {
        const FLAGS: u32 = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY;
        loop {
            let (status, taken, written) = decompress(&mut self.decompressor, bytes, &mut self.window, self.at, FLAGS);
            if self.message.len() + written > self.limit {
                return Err(self.too_big());
            }
            self.message.extend_from_slice(&self.window[self.at..self.at + written]);
            self.at = (self.at + written) % WINDOW;
            bytes = &bytes[taken..];
            match status {
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput => return Ok(false),
                // A block that is marked as the last of its stream: the next begins another, with the same window.
                TINFLStatus::Done => {
                    self.decompressor.init();
                    if bytes.is_empty() {
                        return Ok(true);
                    }
                }
                TINFLStatus::BlockBoundary if bytes.is_empty() => return Ok(true),
                TINFLStatus::BlockBoundary => {}
                _ => return Err(malformed()),
            }
        }
    }

    fn too_big(&self) -> Error {
        let limit = self.limit;
        Error::new(
            ErrorKind::Protocol,
            format!(
                "the server sent a compressed message that inflates to more than {limit} bytes (option max_frame_bytes)"
            ),
        )
    }
}

fn malformed() -> Error {
    Error::new(ErrorKind::Protocol, "the server sent a compressed message that is not what deflate makes")
}

#[cfg(any(test, feature = "fuzzing"))]
impl Deflate {
    /// Returns what both sides agree on when the server accepts an offer for every message.
    pub(crate) fn agreed(reset: bool, limit: usize) -> Deflate {
        let offer = Offer { level: 1, min: 0, reset };
        Deflate { deflater: Deflater::new(offer, reset), inflater: Inflater::new(limit) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1_000_000;
    const KEEP: Offer = Offer { level: 1, min: 0, reset: false };
    const RESET: Offer = Offer { reset: true, ..KEEP };

    fn answered(offer: Option<Offer>, values: &[&str]) -> Agreed<Option<Deflate>> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_str(value).unwrap());
        }
        accept(offer, &headers, LIMIT)
    }

    #[test]
    fn what_a_server_may_answer_is_accepted() {
        for (offer, values, compresses, flush) in [
            (None, &[][..], false, None),
            (Some(KEEP), &[], false, None),
            (Some(KEEP), &[""], false, None),
            (Some(KEEP), &["permessage-deflate"], true, Some(TDEFLFlush::Sync)),
            (Some(KEEP), &["Permessage-Deflate; server_max_window_bits=9"], true, Some(TDEFLFlush::Sync)),
            (Some(KEEP), &["permessage-deflate;server_max_window_bits=\"15\""], true, Some(TDEFLFlush::Sync)),
            (Some(KEEP), &["permessage-deflate; server_no_context_takeover"], true, Some(TDEFLFlush::Sync)),
            (Some(KEEP), &["permessage-deflate; client_no_context_takeover"], true, Some(TDEFLFlush::Full)),
            (Some(RESET), &["permessage-deflate;server_no_context_takeover"], true, Some(TDEFLFlush::Full)),
        ] {
            let deflate = answered(offer, values).unwrap_or_else(|error| panic!("{values:?}: {error}"));
            assert_eq!(deflate.is_some(), compresses, "{values:?}");
            assert_eq!(deflate.map(|deflate| deflate.deflater.flush), flush, "{values:?}");
        }
    }

    #[test]
    fn what_a_server_may_not_answer_is_refused_with_what_is_wrong() {
        for (offer, values, words) in [
            (None, &["permessage-deflate"][..], "did not offer"),
            (Some(KEEP), &["x-webkit-deflate-frame"], "\"x-webkit-deflate-frame\", which the client did not offer"),
            (Some(KEEP), &["permessage-deflate, permessage-deflate"], "twice"),
            (Some(KEEP), &["permessage-deflate", "permessage-deflate"], "twice"),
            (Some(KEEP), &["permessage-deflate; client_max_window_bits=10"], "\"client_max_window_bits=10\""),
            (Some(KEEP), &["permessage-deflate; server_max_window_bits=7"], "\"server_max_window_bits=7\""),
            (Some(KEEP), &["permessage-deflate; server_max_window_bits=16"], "\"server_max_window_bits=16\""),
            (Some(KEEP), &["permessage-deflate; server_max_window_bits"], "\"server_max_window_bits\""),
            (Some(KEEP), &["permessage-deflate; server_no_context_takeover=1"], "server_no_context_takeover=1"),
            (Some(KEEP), &["permessage-deflate; level=3"], "\"level=3\""),
            (Some(KEEP), &["permessage-deflate;"], "\"\""),
            (
                Some(KEEP),
                &["permessage-deflate; client_no_context_takeover; client_no_context_takeover"],
                "client_no_context_takeover is given twice",
            ),
            (Some(RESET), &["permessage-deflate"], "websocket_compression_context=reset"),
        ] {
            let error = answered(offer, values).map(|_| ()).expect_err(words);
            assert!(error.contains(words) && error.contains("websocket_compression=off"), "{values:?}: {error}");
        }
    }

    /// Inflates a message that arrives in these frames.
    fn inflated(inflater: &mut Inflater, frames: &[&[u8]]) -> Result<Vec<u8>> {
        for (index, frame) in frames.iter().enumerate() {
            inflater.inflate(frame, index + 1 == frames.len())?;
        }
        Ok(inflater.message().to_vec())
    }

    /// The examples of RFC 7692, 7.2.3.
    #[test]
    fn the_messages_of_the_standard_are_read() {
        let (hello, mut inflater) = (b"Hello".to_vec(), Inflater::new(LIMIT));
        for frames in [
            &[&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..]][..],
            // It refers to the message before.
            &[&[0xf2, 0x00, 0x11, 0x00, 0x00]],
            &[&[0xf2, 0x48, 0xcd], &[0xc9, 0xc9, 0x07, 0x00]],
            // A block without compression, and one that is the last of its stream.
            &[&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]],
            &[&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]],
            &[&[0xf2, 0x00, 0x11, 0x00, 0x00]],
            &[&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]],
        ] {
            assert_eq!(inflated(&mut inflater, frames).unwrap(), hello, "{frames:?}");
        }
        assert_eq!(inflated(&mut inflater, &[&[0x00]]).unwrap(), b"", "an empty message");
        assert_eq!(inflated(&mut inflater, &[&[], &[0xf2, 0x00, 0x11, 0x00], &[0x00], &[]]).unwrap(), hello);
    }

    #[test]
    fn what_deflate_does_not_make_is_named() {
        for frames in [
            &[&[0x07][..]][..],
            &[&[0xf2, 0x48, 0xcd]],
            &[&[]],
            // A distance before the first byte is within the window, which begins with zeros: not an error to deflate.
            &[&[0xff; 20]],
        ] {
            let error = inflated(&mut Inflater::new(LIMIT), frames).expect_err("malformed");
            assert_eq!(error.kind(), ErrorKind::Protocol);
            assert!(error.to_string().contains("not what deflate makes"), "{frames:?}: {error}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let mut bomb = Vec::new();
        assert!(Deflate::agreed(false, 0).deflater.deflate(&vec![b'x'; 50_000_000], &mut bomb));
        assert!(bomb.len() < LIMIT, "{}", bomb.len());
        for frames in [vec![&bomb[..]], bomb.chunks(1_000).collect()] {
            let mut inflater = Inflater::new(LIMIT);
            let error = inflated(&mut inflater, &frames).expect_err("too large");
            assert!(
                error.to_string().contains("inflates to more than 1000000 bytes (option max_frame_bytes)"),
                "{error}"
            );
            assert!(inflater.message.capacity() <= 2 * LIMIT + 2 * WINDOW, "{}", inflater.message.capacity());
        }
        let mut exact = Vec::new();
        Deflate::agreed(false, 0).deflater.deflate(&vec![b'x'; LIMIT], &mut exact);
        assert_eq!(inflated(&mut Inflater::new(LIMIT), &[&exact]).unwrap().len(), LIMIT);
        assert!(inflated(&mut Inflater::new(LIMIT - 1), &[&exact]).is_err());
    }

    fn noise(seed: u32, length: usize) -> Vec<u8> {
        let mut state = seed.wrapping_mul(2).wrapping_add(1);
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect()
    }

    #[test]
    fn a_message_that_would_grow_is_not_compressed_and_harms_no_later_one() {
        let Deflate { mut deflater, mut inflater } = Deflate::agreed(false, LIMIT);
        let text = b"one pizza, two pizzas, three pizzas";
        let mut previous = usize::MAX;
        for round in 0..4 {
            let mut out = b"before".to_vec();
            assert!(deflater.deflate(text, &mut out), "round {round}");
            assert_eq!(inflated(&mut inflater, &[&out[6..]]).unwrap(), text);
            assert!(out.len() <= previous);
            previous = out.len();
            if round % 2 == 1 {
                for length in [0, 1, 40, 70_000] {
                    let length_before = out.len();
                    assert!(!deflater.deflate(&noise(round, length), &mut out), "{length} bytes");
                    assert_eq!(out.len(), length_before);
                }
                previous = usize::MAX;
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
        #[test]
        fn what_is_compressed_is_what_is_inflated(
            reset in any::<bool>(),
            level in 1u8..=9,
            messages in prop::collection::vec((any::<u32>(), 0usize..90_000, 0usize..40, 1usize..5_000), 1..8),
        ) {
            let mut deflater = Deflater::new(Offer { level, ..KEEP }, reset);
            let mut kept = Inflater::new(LIMIT);
            for (seed, length, words, piece) in messages {
                // Words that repeat, and some noise.
                let word = noise(seed, words + 1);
                let text: Vec<u8> = word.iter().copied().cycle().take(length).chain(noise(seed, words)).collect();
                let mut out = Vec::new();
                if !deflater.deflate(&text, &mut out) {
                    continue;
                }
                prop_assert!(out.len() < text.len());
                let frames: Vec<&[u8]> = out.chunks(piece).collect();
                prop_assert_eq!(&inflated(&mut kept, &frames).unwrap(), &text);
                if reset {
                    prop_assert_eq!(&inflated(&mut Inflater::new(LIMIT), &frames).unwrap(), &text);
                }
            }
        }
    }
}
