//! Supervisors: what a configuration names is open, found by its key, and gone when the supervisor is closed.

use std::sync::{Arc, mpsc};

use stargate_core::blocking::wait;
use stargate_core::{
    Component, ComponentConfig, Consumer, ErrorKind, HandlerResult, InitialPosition, Message, Options, Outcome,
    Supervisor, SupervisorConfig, registry_key,
};

use crate::broker::Broker;
use crate::waiting::{PATIENCE, eventually, unique};

fn host(broker: &Broker) -> &str {
    broker.url.strip_prefix("ws://").unwrap()
}

pub(crate) fn a_supervisor_opens_what_its_configuration_names(broker: &Broker) {
    let (name, topic) = (unique("supervisor"), unique("topic"));
    let host = host(broker);
    let config = SupervisorConfig::from_json(&format!(
        r#"{{"name": "{name}", "host": "{host}", "protocol": "ws", "ping_interval": 20000,
             "producer": [{{"topic": "{topic}"}}, {{"topic": "{topic}-2", "query_params": {{"producer_name": "p"}}}}],
             "consumer": {{"topic": "{topic}", "subscription": "s", "initial_position": "earliest"}},
             "reader": {{"topic": "{topic}", "starting_message": "earliest"}}}}"#
    ))
    .unwrap();
    let supervisor = wait(Supervisor::start(config), Some(PATIENCE)).unwrap();
    assert_eq!(supervisor.keys().len(), 4);

    let key = registry_key("public", "default", &topic).unwrap().name(&name);
    let found = Supervisor::find(&name).unwrap();
    let producer = found.producer(&key).unwrap();
    wait(producer.send("x"), Some(PATIENCE)).unwrap();
    let consumer = found.consumer(&key.clone().component(Component::Consumer)).unwrap();
    let message = wait(consumer.receive(), Some(PATIENCE)).unwrap();
    consumer.ack(&message).unwrap();
    let reader = found.reader(&key.clone().component(Component::Reader)).unwrap();
    assert_eq!(wait(reader.receive(), Some(PATIENCE)).unwrap().id(), message.id());

    let missing = key.clone().component(Component::Consumer).subscription("other");
    let error = found.consumer(&missing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("on other"), "{error}");
    wait(supervisor.close(PATIENCE), None).unwrap();
    assert_eq!(wait(producer.send("y"), None).unwrap_err().kind(), ErrorKind::Closed);
}

pub(crate) fn a_name_or_key_is_unique(broker: &Broker) {
    let name = unique("supervisor");
    let mut config = SupervisorConfig::new(&broker.url);
    config.name = name.clone();
    let supervisor = wait(Supervisor::start(config.clone()), Some(PATIENCE)).unwrap();
    let error = wait(Supervisor::start(config), Some(PATIENCE)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains(&name), "{error}");

    let topic = broker.topic().parse().unwrap();
    let part = ComponentConfig::new(topic).subscription("s");
    let (sender, handled) = mpsc::channel();
    let attach = Arc::new(move |consumer: &Consumer| {
        let sender = sender.clone();
        consumer.listen(move |_| {
            let sender = sender.clone();
            Ok(move |message: &Message| -> HandlerResult {
                sender.send(message.payload().clone())?;
                Ok(Outcome::Ack)
            })
        })
    });
    let options = Options::new().initial_position(InitialPosition::Earliest);
    let add = supervisor.add_consumer(part.clone().options(options), Some(attach));
    wait(add, Some(PATIENCE)).unwrap();
    let error = wait(supervisor.add_consumer(part.clone(), None), Some(PATIENCE)).unwrap_err();
    assert!(error.to_string().contains("there is a consumer of"), "{error}");
    let mut producing = part;
    producing.subscription = None;
    let key = wait(supervisor.add_producer(producing), Some(PATIENCE)).unwrap();
    wait(supervisor.producer(&key).unwrap().send("x"), Some(PATIENCE)).unwrap();
    assert_eq!(handled.recv_timeout(PATIENCE).unwrap(), b"x".as_slice());
    wait(supervisor.close(PATIENCE), None).unwrap();
}

pub(crate) fn a_component_may_have_its_own_host(broker: &Broker) {
    let mut config = SupervisorConfig::new("ws://127.0.0.1:1");
    config.name = unique("supervisor");
    let mut part = ComponentConfig::new(broker.topic().parse().unwrap());
    part.url = Some(broker.url.clone());
    config.producers.push(part);
    let supervisor = wait(Supervisor::start(config), Some(PATIENCE)).unwrap();
    let key = supervisor.keys().remove(0);
    wait(supervisor.producer(&key).unwrap().send("x"), Some(PATIENCE)).unwrap();
    wait(supervisor.close(PATIENCE), None).unwrap();
}

pub(crate) fn one_bad_component_leaves_nothing_behind(broker: &Broker) {
    let mut config = SupervisorConfig::new(&broker.url);
    config.name = unique("supervisor");
    let topic = broker.topic();
    config.producers.push(ComponentConfig::new(topic.parse().unwrap()));
    config.producers.push(ComponentConfig::new(format!("public/{}/t", unique("missing")).parse().unwrap()));
    let error = wait(Supervisor::start(config.clone()), Some(PATIENCE)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    eventually("the good one is closed", || broker.attached(&topic) == 0);
    config.producers.pop();
    let supervisor = wait(Supervisor::start(config), Some(PATIENCE)).unwrap();
    wait(supervisor.close(PATIENCE), None).unwrap();
}

pub(crate) fn closing_a_supervisor_frees_its_name(broker: &Broker) {
    let mut config = SupervisorConfig::new(&broker.url);
    config.name = unique("supervisor");
    for _ in 0..3 {
        let supervisor = wait(Supervisor::start(config.clone()), Some(PATIENCE)).unwrap();
        wait(supervisor.close(PATIENCE), None).unwrap();
        let error = Supervisor::find(&config.name).unwrap_err();
        assert!(error.to_string().contains(&config.name), "{error}");
    }
}
