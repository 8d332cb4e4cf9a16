//! Several real brokers behind several proxies: topics move, their owner dies, brokers restart one after the other, a load
//! balancer drains a proxy, connections vanish. What was acknowledged arrives, in order; an effectively-once producer
//! leaves no duplicate; and the application sees no error.
//!
//! Needs what `make cluster` starts.

#[path = "../black_hole.rs"]
mod black_hole;
mod environment;
mod flow;
mod load_balancer;
mod numbers;
mod soak;
#[path = "../waiting.rs"]
mod waiting;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stargate_core::admin::TopicStats;
use stargate_core::{Options, SubscriptionType};

use black_hole::BlackHole;
use environment::{administrator, brokers, client, control, namespace, number_of, owner, proxies, together, variable};
use flow::{Flow, repeat, report, write};
use load_balancer::LoadBalancer;
use waiting::{PATIENCE, eventually};

/// Faults happen one at a time: they act on the brokers that all tests share.
static FAULTS: Mutex<()> = Mutex::new(());

#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn rest_requests_follow_redirects_to_the_owner() {
    let _one = FAULTS.lock();
    let admin = administrator();
    let namespace = namespace(&admin);
    for number in 0..8 {
        let topic = format!("persistent://{namespace}/redirected-{number}");
        admin.admin().create_topic(&topic).expect("it is made");
        let owner = owner(&admin, &topic);
        let other = brokers()[1 - owner].clone();
        // The client that was given both hosts follows the redirect.
        let both = client(&together(&format!("{other},{}", brokers()[owner])));
        let stats: TopicStats = both.admin().topic_stats(&topic).expect("the owner answers");
        assert_eq!(stats.subscriptions.len(), 0);
        // One that was not told of the owner does not give it its credentials, and says what to set.
        let error = client(&other).admin().topic_stats(&topic).expect_err("the owner is a stranger");
        assert!(error.to_string().contains("admin_trusted_hosts"), "{error}");
    }
}

#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn nothing_is_lost_while_topics_move_and_bundles_split() {
    let _one = FAULTS.lock();
    let flow = Flow::new();
    let outcomes = flow.run(&together(&variable("PULSAR_PROXY_URLS")), |flow| {
        let namespace = flow.plain.trim_start_matches("persistent://").trim_end_matches("/plain");
        let unload_all = || {
            let admin = flow.admin.admin();
            admin.unload_topic(&flow.plain).expect("it is unloaded");
            for partition in 0..4 {
                admin.unload_topic(format!("{}-partition-{partition}", flow.partitioned)).expect("it is unloaded");
            }
        };
        let mut moments = repeat(unload_all);
        // Each of the four bundles becomes two, and their topics find an owner again.
        for quarter in 0..4u64 {
            let (from, to) = (quarter << 30, ((quarter + 1) << 30).min(0xffff_ffff));
            let path = format!("/admin/v2/namespaces/{namespace}/0x{from:08x}_0x{to:08x}/split?unload=true");
            moments.push(Instant::now());
            flow.admin.admin().request("PUT", &path, None).expect("the bundle is split");
            std::thread::sleep(Duration::from_secs(1));
        }
        moments
    });
    report("unload and split", outcomes);
}

#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn nothing_is_lost_when_the_owner_is_killed() {
    let _one = FAULTS.lock();
    let flow = Flow::new();
    let outcomes = flow.run(&together(&variable("PULSAR_PROXY_URLS")), |flow| {
        repeat(|| {
            let owner = owner(&flow.admin, &flow.plain);
            control(&format!("kill-broker {owner}"));
            // The other one takes the topics when the session of this one has ended.
            std::thread::sleep(Duration::from_secs(12));
            control(&format!("start-broker {owner}"));
        })
    });
    report("owner killed", outcomes);
}

#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn an_application_sees_no_error_of_a_rolling_restart() {
    let _one = FAULTS.lock();
    let flow = Flow::new();
    // Straight to the brokers, which take their WebSocket service down with them.
    let outcomes = flow.run(&together(&variable("PULSAR_BROKER_URLS")), |_| {
        let mut moments = Vec::new();
        for broker in 0..brokers().len() {
            moments.extend(repeat(|| {
                control(&format!("stop-broker {broker}"));
                control(&format!("start-broker {broker}"));
            }));
        }
        moments
    });
    report("rolling restart", outcomes);
}

#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn nothing_is_lost_when_a_bookie_is_killed() {
    let _one = FAULTS.lock();
    let flow = Flow::new();
    let bookie = AtomicU64::new(0);
    let outcomes = flow.run(&together(&variable("PULSAR_PROXY_URLS")), |_| {
        repeat(|| {
            let bookie = bookie.fetch_add(1, Ordering::Relaxed) % 3;
            control(&format!("kill-bookie {bookie}"));
            std::thread::sleep(Duration::from_secs(3));
            control(&format!("start-bookie {bookie}"));
        })
    });
    report("bookie killed", outcomes);
}

#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn nothing_is_lost_when_a_proxy_is_killed() {
    let _one = FAULTS.lock();
    let flow = Flow::new();
    let proxy = AtomicU64::new(0);
    let outcomes = flow.run(&together(&variable("PULSAR_PROXY_URLS")), |_| {
        repeat(|| {
            let proxy = proxy.fetch_add(1, Ordering::Relaxed) % 2;
            control(&format!("kill-proxy {proxy}"));
            std::thread::sleep(Duration::from_secs(2));
            control(&format!("start-proxy {proxy}"));
        })
    });
    report("proxy killed", outcomes);
}

/// A proxy is drained, killed while its connections are open, and started again. The load balancer sends nobody there
/// meanwhile.
fn drain_behind_a_load_balancer(balance: &str) {
    let _one = FAULTS.lock();
    let (flow, balancer) = (Flow::new(), LoadBalancer::start(balance, &proxies()));
    let proxy = AtomicU64::new(0);
    let outcomes = flow.run(&balancer.url, |_| {
        repeat(|| {
            let proxy = (proxy.fetch_add(1, Ordering::Relaxed) % 2) as usize;
            balancer.drain(proxy);
            let before = balancer.connections(proxy);
            std::thread::sleep(Duration::from_secs(2));
            assert_eq!(balancer.connections(proxy), before, "a proxy that is drained keeps its connections");
            control(&format!("kill-proxy {proxy}"));
            eventually("the connections are gone", || balancer.connections(proxy) == 0);
            control(&format!("start-proxy {proxy}"));
            balancer.make_ready(proxy);
            eventually("the health check passes", || balancer.is_up(proxy));
        })
    });
    report(&format!("proxy drained and killed behind a load balancer ({balance})"), outcomes);
}

#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn nothing_is_lost_when_a_proxy_is_drained_and_killed_behind_round_robin() {
    drain_behind_a_load_balancer("roundrobin");
}

#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn nothing_is_lost_when_a_proxy_is_drained_and_killed_behind_least_connections() {
    drain_behind_a_load_balancer("leastconn");
}

/// Nobody drains the proxy: the health check finds out, and until then the load balancer sends clients there.
#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn nothing_is_lost_when_a_proxy_is_killed_behind_a_load_balancer() {
    let _one = FAULTS.lock();
    let (flow, balancer) = (Flow::new(), LoadBalancer::start("roundrobin", &proxies()));
    let proxy = AtomicU64::new(0);
    let outcomes = flow.run(&balancer.url, |_| {
        repeat(|| {
            let proxy = (proxy.fetch_add(1, Ordering::Relaxed) % 2) as usize;
            control(&format!("kill-proxy {proxy}"));
            eventually("the health check fails", || !balancer.is_up(proxy));
            control(&format!("start-proxy {proxy}"));
            eventually("the health check passes", || balancer.is_up(proxy));
        })
    });
    report("proxy killed behind a load balancer", outcomes);
}

/// The proxy holds subscriptions and the name of the producer until its idle timeout, which is 15 s here.
#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn nothing_is_lost_when_connections_vanish() {
    let _one = FAULTS.lock();
    let flow = Flow::new();
    let hole = BlackHole::before(&proxies()[0]);
    let outcomes = flow.run(&hole.url, |_| {
        repeat(|| {
            hole.swallow();
            std::thread::sleep(Duration::from_secs(25));
        })
    });
    report("connections vanished", outcomes);
}

/// How long a place stays taken after its connection vanished. `VANISHED_WAIT` seconds are enough for the idle timeout.
#[test]
#[ignore = "needs a cluster at PULSAR_BROKER_URLS"]
fn what_a_vanished_connection_held_is_free_after_the_idle_timeout() {
    let _one = FAULTS.lock();
    let admin = administrator();
    let topic = format!("persistent://{}/vanished", namespace(&admin));
    let patience = Duration::from_secs(number_of("VANISHED_WAIT", 60));
    for kind in [SubscriptionType::Exclusive, SubscriptionType::Failover] {
        let hole = BlackHole::before(&proxies()[0]);
        let (far, near) = (client(&hole.url), client(&proxies()[0]));
        let named = || Options::new().name("me").send_timeout(patience);
        let consumer = far.consumer(&topic, "s", Options::new().subscription_type(kind)).expect("it opens");
        let producer = far.producer(&topic, named()).expect("it opens");
        hole.swallow();
        let begun = Instant::now();
        // The proxy takes it for the connection that vanished.
        let other = near.producer(&topic, Options::new()).expect("it opens");
        other.send("held", None).expect("it is stored");
        let error = near.producer(&topic, named()).expect_err("the name is held");
        assert!(error.to_string().contains("webSocketSessionIdleTimeoutMillis"), "{error}");
        producer.send("late", None).expect("the name is free in time");
        let name = begun.elapsed();
        let message = consumer.receive(Some(patience)).expect("the subscription is free in time");
        assert_eq!(message.payload(), b"held".as_slice());
        let place = begun.elapsed();
        write(&format!("connection vanished, {kind:?}: name free after {name:.0?}, messages after {place:.0?}"));
        far.close(PATIENCE).expect("it closes");
    }
}
