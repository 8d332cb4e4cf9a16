//! What a message costs on its way through the library, without the socket:
//! `cargo bench --manifest-path tests/bench/Cargo.toml --target-dir target --bench messages`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stargate_core::benching::{Consuming, Decoder, Sending, encode, message_frame, receipt_frame};

const SIZES: [(&str, usize); 3] = [("100 B", 100), ("1 KiB", 1_024), ("64 KiB", 65_536)];

/// Bytes in which base64 finds no pattern.
fn payload(size: usize) -> bytes::Bytes {
    let mut state = 1u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..size).map(next).collect()
}

fn frame(size: usize) -> String {
    message_frame(&base64_simd::STANDARD.encode_to_string(payload(size)))
}

fn frames(c: &mut Criterion) {
    let decoder = Decoder::default();
    for (name, size) in SIZES {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(size as u64));
        let (payload, frame) = (payload(size), frame(size));
        let mut out = Vec::new();
        group.bench_function("encode", |b| {
            b.iter(|| {
                out.clear();
                encode(black_box(payload.clone()), &mut out);
            });
        });
        group.bench_function("decode", |b| b.iter(|| decoder.message(black_box(&frame), false)));
        group.bench_function("decode by the parser", |b| b.iter(|| decoder.message(black_box(&frame), true)));
        group.finish();
    }
    let receipt = receipt_frame(123_456);
    c.bench_function("receipt", |b| b.iter(|| decoder.receipt(black_box(&receipt), false)));
    c.bench_function("receipt by the parser", |b| b.iter(|| decoder.receipt(black_box(&receipt), true)));
}

fn machines(c: &mut Criterion) {
    for (name, size) in SIZES {
        let mut group = c.benchmark_group(name);
        let (payload, frame) = (payload(size), frame(size));
        let mut out = Vec::new();
        let (mut sending, mut consuming) = (Sending::default(), Consuming::default());
        group.bench_function("send and take the receipt", |b| {
            b.iter(|| {
                out.clear();
                sending.send(payload.clone(), &mut out);
            });
        });
        group.bench_function("receive and acknowledge", |b| {
            b.iter(|| {
                out.clear();
                consuming.receive(&frame, &mut out);
            });
        });
        group.finish();
    }
}

criterion_group!(benches, frames, machines);
criterion_main!(benches);
