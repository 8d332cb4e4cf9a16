//! Pulsar's compression codecs, in the raw formats that its other clients read and write. The client compresses only
//! what it encrypts; the proxy compresses everything else.

use std::fmt;

use miniz_oxide::inflate::decompress_slice_iter_to_slice;
use ruzstd::decoding::FrameDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::error::{Error, ErrorKind, Result};
use crate::options::CompressionType;

/// zlib's own default.
const ZLIB_LEVEL: u8 = 6;

/// A compression codec, by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Lz4,
    Zlib,
    Zstd,
    Snappy,
}

impl Codec {
    pub(super) fn of(option: CompressionType) -> Option<Codec> {
        match option {
            CompressionType::None => None,
            CompressionType::Lz4 => Some(Codec::Lz4),
            CompressionType::Zlib => Some(Codec::Zlib),
            CompressionType::Zstd => Some(Codec::Zstd),
            CompressionType::Snappy => Some(Codec::Snappy),
        }
    }

    /// Returns the codec with this name; `None` for no compression.
    pub(super) fn from_name(name: &str) -> Result<Option<Codec>> {
        match name {
            "NONE" => Ok(None),
            "LZ4" => Ok(Some(Codec::Lz4)),
            "ZLIB" => Ok(Some(Codec::Zlib)),
            "ZSTD" => Ok(Some(Codec::Zstd)),
            "SNAPPY" => Ok(Some(Codec::Snappy)),
            _ => Err(Error::new(ErrorKind::Protocol, format!("there is no compression {name:?}"))),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Codec::Lz4 => "LZ4",
            Codec::Zlib => "ZLIB",
            Codec::Zstd => "ZSTD",
            Codec::Snappy => "SNAPPY",
        }
    }

    /// Returns the compressed bytes; `None` if they would not be smaller.
    pub(super) fn compress(self, bytes: &[u8]) -> Option<Vec<u8>> {
        let compressed = match self {
            Codec::Lz4 => lz4_flex::block::compress(bytes),
            Codec::Zlib => miniz_oxide::deflate::compress_to_vec_zlib(bytes, ZLIB_LEVEL),
            Codec::Zstd => compress_to_vec(bytes, CompressionLevel::Fastest),
            Codec::Snappy => snap::raw::Encoder::new().compress_vec(bytes).ok()?,
        };
        (compressed.len() < bytes.len()).then_some(compressed)
    }

    /// Returns the `size` bytes that were compressed, and never more, whatever the input claims.
    pub(super) fn decompress(self, bytes: &[u8], size: usize) -> Result<Vec<u8>> {
        let mut text = vec![0; size];
        let written = match self {
            Codec::Lz4 => lz4_flex::block::decompress_into(bytes, &mut text).map_err(|error| self.bad(error))?,
            Codec::Zlib => {
                let written = decompress_slice_iter_to_slice(&mut text, std::iter::once(bytes), true, false);
                written.map_err(|status| self.bad(format!("{status:?}")))?
            }
            Codec::Zstd => FrameDecoder::new().decode_all(bytes, &mut text).map_err(|error| self.bad(error))?,
            Codec::Snappy => match snap::raw::decompress_len(bytes).map_err(|error| self.bad(error))? {
                found if found == size => {
                    snap::raw::Decoder::new().decompress(bytes, &mut text).map_err(|error| self.bad(error))?
                }
                found => found,
            },
        };
        if written != size {
            return Err(self.bad(format!("{written} bytes instead of {size}")));
        }
        Ok(text)
    }

    fn bad(self, why: impl fmt::Display) -> Error {
        Error::new(ErrorKind::Protocol, format!("the payload is not what {} makes: {why}", self.name()))
    }
}

/// Decompresses with each codec, for fuzzing.
#[cfg(feature = "fuzzing")]
pub(crate) fn decompress_all(bytes: &[u8], size: usize) -> [Result<Vec<u8>>; 4] {
    [Codec::Lz4, Codec::Zlib, Codec::Zstd, Codec::Snappy].map(|codec| codec.decompress(bytes, size))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Codec; 4] = [Codec::Lz4, Codec::Zlib, Codec::Zstd, Codec::Snappy];

    /// `one ` ten times and an empty text, as compressed by the official C++ client.
    const KNOWN: [(Codec, &str, &str); 4] = [
        (Codec::Lz4, "4f6f6e652004000c50206f6e6520", "00"),
        (Codec::Zlib, "789ccbcf4b55c827020300207f0dd5", "789c030000000001"),
        (Codec::Zstd, "28b52ffd2028550000206f6e65200100271d11", "28b52ffd2000010000"),
        (Codec::Snappy, "280c6f6e65208e0400", "00"),
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn what_the_official_client_compressed_is_read() {
        for (codec, text, nothing) in KNOWN {
            assert_eq!(codec.decompress(&bytes(text), 40).unwrap(), b"one ".repeat(10), "{}", codec.name());
            assert_eq!(codec.decompress(&bytes(nothing), 0).unwrap(), b"", "{}", codec.name());
        }
    }

    #[test]
    fn a_size_that_is_not_the_true_one_is_an_error() {
        for (codec, text, _) in KNOWN {
            for size in [0, 39, 41, 4_000_000] {
                assert!(codec.decompress(&bytes(text), size).is_err(), "{} {size}", codec.name());
            }
        }
    }

    #[test]
    fn what_would_grow_is_left_alone() {
        for codec in ALL {
            assert_eq!(codec.compress(b""), None);
            assert_eq!(codec.compress(b"abc"), None);
        }
    }

    #[test]
    fn large_payloads_come_back() {
        let text: Vec<u8> = (0..700_000u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        for codec in ALL {
            let compressed = codec.compress(&text).unwrap();
            assert!(codec.decompress(&compressed, text.len()).unwrap() == text, "{}", codec.name());
        }
    }

    proptest! {
        #[test]
        fn everything_comes_back(text in prop::collection::vec(0u8..4, 0..2000)) {
            for codec in ALL {
                if let Some(compressed) = codec.compress(&text) {
                    prop_assert_eq!(codec.decompress(&compressed, text.len()).unwrap(), text.clone());
                }
            }
        }

        #[test]
        fn junk_never_panics(junk in prop::collection::vec(any::<u8>(), 0..300), size in 0usize..5000, cut in any::<prop::sample::Index>()) {
            for (codec, text, _) in KNOWN {
                let _ = codec.decompress(&junk, size);
                let mut text = bytes(text);
                let at = cut.index(text.len());
                text[at] ^= junk.first().copied().unwrap_or(1);
                let _ = codec.decompress(&text, size);
            }
        }
    }
}
