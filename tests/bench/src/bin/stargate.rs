//! Stargate through its Rust API, as an application would use it.
//!
//! `--api`: `many` (default) receives what there is, and acknowledges each; `one` receives one at a time; `listen` is
//! a handler.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{join_all, select_all};
use stargate_bench::{Meter, Payloads, Workload, cpu_seconds, status_kib};
use stargate_core::{Client, Consumer, HandlerResult, InitialPosition, Message, Options, Outcome};
use stargate_core::{Pending, Producer, Reader, Result, SubscriptionType};

type Shared = Arc<Mutex<Meter>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let workload = Workload::from_args();
    let mut options = Options::new();
    if let Some(ca) = &workload.ca {
        options = options.tls_ca_file(ca);
    }
    let client = Client::new(&workload.url, options)?;
    let meter = Arc::new(Mutex::new(Meter::new(&workload)));
    match workload.role.as_str() {
        "send" => send_all(&client, &workload, &meter).await?,
        "read" => read(&client, &workload, &meter).await?,
        "fill" => return fill(&client, &workload).await,
        "idle" => return idle(&client, &workload).await,
        _ => receive(&client, &workload, &meter).await?,
    }
    meter.lock().expect("nothing panics").report();
    client.close(Duration::from_secs(5)).await
}

fn producer_options(workload: &Workload) -> Options {
    let options = Options::new().max_pending_msg(workload.window);
    match workload.batched {
        true => options.batch_enabled(true).batch_max_msg(1000).batch_max_delay(Duration::from_millis(1)),
        false => options,
    }
}

async fn send_all(client: &Client, workload: &Workload, meter: &Shared) -> Result<()> {
    let open = (0..workload.connections).map(|_| client.producer(&workload.topic, producer_options(workload)));
    let producers = join_all(open).await.into_iter().collect::<Result<Vec<Producer>>>()?;
    let sending = producers.iter().map(|producer| Box::pin(send(producer, workload, meter)));
    select_all(sending).await.0
}

async fn send(producer: &Producer, workload: &Workload, meter: &Shared) -> Result<()> {
    let payloads = Payloads::new(workload.size);
    let timed = if workload.window == 1 { 1 } else { 16 };
    let window = workload.window as usize;
    let mut pending: VecDeque<(Pending, Option<Instant>)> = VecDeque::with_capacity(window);
    for number in 0u64.. {
        if pending.len() == window {
            // The oldest has to be there, and with it often more.
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
                    meter.lock().expect("nothing panics").latency(sent_at.elapsed());
                }
                pending.pop_front();
                count += 1;
            }
            if !meter.lock().expect("nothing panics").done(count) {
                return Ok(());
            }
        }
        let sent_at = number.is_multiple_of(timed).then(Instant::now);
        pending.push_back((producer.enqueue(payloads.get(number)).await?, sent_at));
    }
    Ok(())
}

async fn receive(client: &Client, workload: &Workload, meter: &Shared) -> Result<()> {
    let options = Options::new().queue_size(workload.window).initial_position(InitialPosition::Earliest);
    let options = options.pull_mode(workload.pull).connections(workload.connections);
    let options = match workload.shared || workload.connections > 1 {
        true => options.subscription_type(SubscriptionType::Shared),
        false => options,
    };
    let consumer = client.consumer(&workload.topic, &workload.subscription, options).await?;
    match workload.api.as_str() {
        "one" => receive_one(&consumer, meter).await,
        "listen" => listen(&consumer, meter),
        _ => receive_many(&consumer, meter).await,
    }
}

async fn receive_many(consumer: &Consumer, meter: &Shared) -> Result<()> {
    loop {
        let messages = consumer.receive_many(256).await?;
        for message in &messages {
            black_box(message.payload());
            consumer.ack(message)?;
        }
        if !meter.lock().expect("nothing panics").done(messages.len() as u64) {
            return Ok(());
        }
    }
}

async fn receive_one(consumer: &Consumer, meter: &Shared) -> Result<()> {
    loop {
        let message = consumer.receive().await?;
        black_box(message.payload());
        consumer.ack(&message)?;
        if !meter.lock().expect("nothing panics").done(1) {
            return Ok(());
        }
    }
}

fn listen(consumer: &Consumer, meter: &Shared) -> Result<()> {
    let (ended, end) = mpsc::channel();
    let meter = meter.clone();
    consumer.listen(move |_processor| {
        let (meter, ended) = (meter.clone(), ended.clone());
        let mut go_on = true;
        Ok(move |message: &Message| -> HandlerResult {
            black_box(message.payload());
            // What comes after the end is not counted any more.
            if go_on && !meter.lock().expect("nothing panics").done(1) {
                go_on = false;
                let _ = ended.send(());
            }
            Ok(Outcome::Ack)
        })
    })?;
    end.recv().expect("the handler tells the end");
    Ok(())
}

async fn read(client: &Client, workload: &Workload, meter: &Shared) -> Result<()> {
    let options = Options::new().queue_size(workload.window).starting_message("earliest");
    let reader: Reader = client.reader(&workload.topic, options).await?;
    loop {
        let messages = reader.receive_many(256).await?;
        for message in &messages {
            black_box(message.payload());
        }
        if !meter.lock().expect("nothing panics").done(messages.len() as u64) {
            return Ok(());
        }
    }
}

/// Messages for others to receive. A subscription keeps them.
///
/// Its consumer stays until standard input ends, and takes nothing: for as long as one is there that has yet to come to
/// the messages, a broker that is set so has them in its memory.
async fn fill(client: &Client, workload: &Workload) -> Result<()> {
    let _keeper = client.consumer(&workload.topic, "keep", Options::new().queue_size(1).pull_mode(true)).await?;
    let producer = client.producer(&workload.topic, producer_options(workload)).await?;
    let payloads = Payloads::new(workload.size);
    for number in 0..workload.limit {
        producer.enqueue(payloads.get(number)).await?;
    }
    producer.flush().await?;
    println!(r#"{{"filled":{}}}"#, workload.limit);
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).expect("standard input can be read");
    client.close(Duration::from_secs(5)).await
}

/// Consumers that have nothing to do: what each costs.
async fn idle(client: &Client, workload: &Workload) -> Result<()> {
    let mut consumers = Vec::new();
    // Not all at once: opening them is not what is measured.
    while consumers.len() < workload.connections as usize {
        let lot = (workload.connections as usize - consumers.len()).min(50);
        let options = Options::new().queue_size(1).subscription_type(SubscriptionType::Shared);
        let options = options.pull_mode(true);
        let open = (0..lot).map(|_| client.consumer(&workload.topic, &workload.subscription, options.clone()));
        consumers.extend(join_all(open).await.into_iter().collect::<Result<Vec<Consumer>>>()?);
    }
    tokio::time::sleep(workload.warmup).await;
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    tokio::time::sleep(workload.seconds).await;
    println!(
        r#"{{"consumers":{},"resident_mb":{:.2},"peak_mb":{:.2},"threads":{},"idle_percent":{:.3}}}"#,
        consumers.len(),
        status_kib("VmRSS") as f64 / 1024.0,
        status_kib("VmHWM") as f64 / 1024.0,
        status_kib("Threads"),
        (cpu_seconds() - cpu) / begun.elapsed().as_secs_f64() * 100.0,
    );
    Ok(())
}
