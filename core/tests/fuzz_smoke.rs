//! A bounded run of the fuzz targets: valid inputs, changed at random but the same at each run. `FUZZ_SECONDS` is the time
//! for all of them, 2 by default; `fuzz/` runs the same functions without end.

use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use stargate_core::fuzzing::TARGETS;

/// xorshift: the same numbers at each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound.max(1)
    }
}

const MESSAGE: &[u8] = br#"{"messageId":"CBMQADAA","payload":"aGVsbG8=","properties":{"a":"b"},"publishTime":"2026-11-24T08:27:35.453Z","redeliveryCount":2,"eventTime":"2024-01-02T02:04:05.678Z","key":"k1"}"#;
const RECEIPT: &[u8] = br#"{"result":"ok","messageId":"CAUQATAA","context":"1","errorCode":0,"schemaVersion":0}"#;
const REFUSAL: &[u8] = br#"{"result":"send-error:8","errorMsg":"org.apache.pulsar.client.api.PulsarClientException$TimeoutException: x","context":"0"}"#;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let owned = |seeds: &[&[u8]]| seeds.iter().map(|seed| seed.to_vec()).collect();
    match target {
        "websockets" => owned(&[
            b"\x03\x81\x05hello\x89\x04ping\x8a\x00\x81\x00\x82\x02\x00\xff\x81\x02\xc3\xa9\x88\x05\x03\xe8bye",
            b"\xff\x01\x02in\x89\x00\x00\x07 three \x80\x05parts\x81\x05after",
            b"\x40\x81\x7e\x00\x80 this is a text of one hundred and twenty-eight bytes, the length of which does not fit into the seven bits that short ones have in\x81\x01x",
            b"\x10\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x02ab\x81\x7f\x00\x00\x00\x00\x00\x20\x00\x00",
            b"\x01\x81\x82\x01\x02\x03\x04ab\xc1\x01a\x81\x01\xff",
            b"\x02\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00\x41\x03\xf2\x48\xcd\x89\x00\x80\x04\xc9\xc9\x07\x00\xc2\x01\x00",
            b"\x05\x41\x03\xf2\x48\xcd\x81\x01x\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00one pizza, two pizzas\none pizza, two pizzas\n",
        ]),
        "frames" => {
            let encrypted = br#"{"messageId":"CBMQADAA","payload":"","encryptionContext":{"keys":{"k":{}},"param":"aXY="}}"#;
            owned(&[MESSAGE, RECEIPT, REFUSAL, br#"{"endOfTopic":true}"#, br#"{"endOfTopic":"false"}"#, encrypted])
        }
        "sends" => owned(&[b"key\0property\0payload", b"\0\0", b"k\"\\\0\xff\0\n"]),
        "sessions" => {
            let end = br#"{"endOfTopic":false}"#;
            let (mut all, newline) = (Vec::new(), b"\n".as_slice());
            for role in 0..6u8 {
                let parts: &[&[u8]] = match role {
                    0 | 1 => &[&[role], newline, RECEIPT, newline, REFUSAL, newline, newline, RECEIPT, newline],
                    _ => &[&[role], newline, MESSAGE, newline, end, newline, newline, MESSAGE, newline],
                };
                all.push(parts.concat());
            }
            all
        }
        "message_ids" => owned(&[
            &[8, 19, 16, 0, 48, 0],
            &[8, 19, 16, 200, 1, 24, 2, 32, 3, 48, 0],
            b"CBMQADAA",
            b"CP///////////wEQ////////////ATAA",
        ]),
        "urls" => owned(&[
            b"ws://localhost:8080",
            b"wss://a:1,b:2,[::1]:3/",
            b"ws://h:80/ws/v2/producer/persistent/public/default/t%2Fx?token=abc&sendTimeoutMillis=5&producerName=n",
        ]),
        "topics" => owned(&[b"t", b"public/default/t", b"non-persistent://tenant/ns/a b+\xc3\xbc", b"persistent://a/b/c-partition-3"]),
        "option_values" => owned(&[b"\x00token\n\x06true\n\x075000", b"\x01/file\n\x10name\n\x1411\n\x20shared", b"\x40earliest"]),
        "upgrade_pages" => owned(&[
            b"\x01\x99<html><head><title>Error 409 Conflict</title></head><tr><th>MESSAGE:</th><td>Failed: {&quot;errorMsg&quot;:&quot;Exclusive&quot;,&quot;reqId&quot;:1}</td></tr>",
            b"\x01\xf4<title>Error 500 Namespace not found</title>",
        ]),
        "encrypted" => owned(&[
            br#"{"keys":{"k":{"keyValue":"azU=","metadata":{"v":"1"}}},"param":"C2Cv41TabgCsfMFv","compressionType":"LZ4","uncompressedMessageSize":124,"batchSize":3}"#,
            b"\x00\x00\x00\x17\x0a\x06\x0a\x01i\x12\x010\x12\x02k0\x18\x03\x28\x80\xd0\x95\xff\xbc1\x40\x00one",
            b"\x28\xb5\x2f\xfd\x20\x28\x55\x00\x00\x20\x6f\x6e\x65\x20\x01\x00\x27\x1d\x11",
            b"\x78\x9c\xcb\xcf\x4b\x55\xc8\x27\x02\x03\x00\x20\x7f\x0d\xd5",
            b"\x28\x0c\x6f\x6e\x65\x20\x8e\x04\x00",
        ]),
        other => panic!("no seeds for {other}"),
    }
}

/// Changes an input a few times: a byte, a part left out, doubled or brought in from another input.
fn change(random: &mut Random, seeds: &[Vec<u8>], data: &mut Vec<u8>) {
    const TOKENS: [&[u8]; 12] =
        [b"\"", b"\\", b"{", b"}", b"null", b"-1", b"18446744073709551616", b"\n", b"%", b"\0", b"\xff\xfe", b"&quot;"];
    for _ in 0..=random.below(4) {
        let at = random.below(data.len() + 1);
        let end = (at + random.below(8)).min(data.len());
        match random.below(7) {
            0 if at < data.len() => data[at] = random.next() as u8,
            1 if at < data.len() => data[at] ^= 1 << random.below(8),
            2 => drop(data.drain(at..end)),
            3 => {
                let part = data[at..end].to_vec();
                data.splice(at..at, part);
            }
            4 => drop(data.splice(at..at, TOKENS[random.below(TOKENS.len())].iter().copied())),
            5 => data.truncate(at),
            _ => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let until = (from + random.below(40)).min(other.len());
                data.splice(at..at, other[from..until].iter().copied());
            }
        }
    }
}

#[test]
fn no_input_panics_or_breaks_what_was_promised() {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2.0);
    let share = Duration::from_secs_f64(seconds) / TARGETS.len() as u32;
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let begun = Instant::now();
        let mut runs = 0u64;
        // Always the same beginning; how far it goes is a matter of time.
        while runs < 200 || begun.elapsed() < share {
            let mut data = match runs as usize {
                index if index < seeds.len() => seeds[index].clone(),
                _ if random.below(16) == 0 => (0..random.below(64)).map(|_| random.next() as u8).collect(),
                _ => {
                    let mut data = seeds[random.below(seeds.len())].clone();
                    change(&mut random, &seeds, &mut data);
                    data
                }
            };
            data.truncate(4_096);
            let outcome = catch_unwind(|| target(&data));
            assert!(outcome.is_ok(), "{name}, run {runs}: {:?}\n{data:?}", String::from_utf8_lossy(&data));
            runs += 1;
        }
    }
}
