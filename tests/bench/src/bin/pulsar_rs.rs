//! The peer `pulsar`, the Rust crate, on the binary protocol.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, TryStreamExt};
use pulsar::consumer::InitialPosition;
use pulsar::producer::SendFuture;
use pulsar::{Consumer, ConsumerOptions, Error, ProducerOptions, Pulsar, SubType, TokioExecutor};
use stargate_bench::{Meter, Payloads, Workload};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let workload = Workload::from_args();
    let mut meter = Meter::new(&workload);
    let pulsar = Pulsar::builder(&workload.url, TokioExecutor)
        .with_outbound_channel_size(workload.window.max(100) as usize)
        .build()
        .await?;
    match workload.role.as_str() {
        "send" => send(&pulsar, &workload, &mut meter).await?,
        _ => receive(&pulsar, &workload, &mut meter).await?,
    }
    meter.report();
    // What is in flight does not matter any more.
    std::process::exit(0)
}

async fn send(pulsar: &Pulsar<TokioExecutor>, workload: &Workload, meter: &mut Meter) -> Result<(), Error> {
    let options = ProducerOptions {
        batch_size: workload.batched.then_some(1000),
        batch_timeout: workload.batched.then_some(Duration::from_millis(1)),
        block_queue_if_full: true,
        ..Default::default()
    };
    let topic = format!("persistent://public/default/{}", workload.topic);
    let mut producer = pulsar.producer().with_topic(topic).with_options(options).build().await?;
    let payloads = Payloads::new(workload.size);
    let timed = if workload.window == 1 { 1 } else { 16 };
    let window = workload.window as usize;
    let mut pending: VecDeque<(SendFuture, Option<Instant>)> = VecDeque::with_capacity(window);
    for number in 0u64.. {
        if pending.len() == window {
            let mut count = 0;
            while let Some((receipt, sent_at)) = pending.front_mut() {
                let receipt = match count {
                    0 => receipt.await,
                    _ => match receipt.now_or_never() {
                        Some(receipt) => receipt,
                        None => break,
                    },
                };
                black_box(receipt?);
                if let Some(sent_at) = sent_at {
                    meter.latency(sent_at.elapsed());
                }
                pending.pop_front();
                count += 1;
            }
            if !meter.done(count) {
                return Ok(());
            }
        }
        let sent_at = number.is_multiple_of(timed).then(Instant::now);
        pending.push_back((producer.send_non_blocking(payloads.get(number).to_vec()).await?, sent_at));
    }
    Ok(())
}

async fn receive(pulsar: &Pulsar<TokioExecutor>, workload: &Workload, meter: &mut Meter) -> Result<(), Error> {
    let options = ConsumerOptions {
        initial_position: InitialPosition::Earliest,
        receiver_queue_size: Some(workload.window),
        ..Default::default()
    };
    let mut consumer: Consumer<Vec<u8>, _> = pulsar
        .consumer()
        .with_topic(format!("persistent://public/default/{}", workload.topic))
        .with_subscription(&workload.subscription)
        .with_subscription_type(if workload.shared { SubType::Shared } else { SubType::Exclusive })
        .with_options(options)
        .build()
        .await?;
    while let Some(message) = consumer.try_next().await? {
        black_box(message.deserialize());
        consumer.ack(&message).await?;
        if !meter.done(1) {
            return Ok(());
        }
    }
    Ok(())
}
