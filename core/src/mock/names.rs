//! Names of topics, and the text of an error from a remote peer.

use super::MockError;

/// Returns an exception of the broker in the proxy's words.
pub(super) fn remote_error(text: &str) -> String {
    let escaped = serde_json::Value::from(text);
    format!(
        "{{\"errorMsg\":{escaped},\"reqId\":284786534844281623, \"remote\":\"127.0.0.1/127.0.0.1:6650\", \
         \"local\":\"/127.0.0.1:59180\"}}"
    )
}

/// Returns the full name, such as `persistent://public/default/orders` for `orders`, for any short or full name.
pub(super) fn full_name(name: &str) -> Result<String, MockError> {
    let (domain, rest) = name.split_once("://").unwrap_or(("persistent", name));
    let parts: Vec<_> = rest.splitn(3, '/').collect();
    let full = match (parts.as_slice(), name.contains("://")) {
        ([topic], false) => format!("{domain}://public/default/{topic}"),
        ([_, _, _], _) => format!("{domain}://{rest}"),
        _ => return Err(MockError::invalid(format!("{name:?} is neither a topic's short name nor its full one"))),
    };
    let is_domain = matches!(domain, "persistent" | "non-persistent");
    if !is_domain || full.split(['/', ':']).next_back().is_none_or(str::is_empty) {
        return Err(MockError::invalid(format!("{name:?} does not name a topic")));
    }
    Ok(full)
}

/// Returns the partitioned topic of a partition, and any other name unchanged.
pub(super) fn base_topic(topic: &str) -> &str {
    match topic.rsplit_once("-partition-") {
        Some((base, index)) if !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()) => base,
        _ => topic,
    }
}

/// Returns the `tenant/namespace` of a topic's full name.
pub(super) fn namespace_of(topic: &str) -> &str {
    let rest = topic.split_once("://").map_or(topic, |(_, rest)| rest);
    match rest.match_indices('/').nth(1) {
        Some((at, _)) => &rest[..at],
        None => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_full_names_are_the_same_topic() {
        for name in ["orders", "persistent://public/default/orders", "public/default/orders"] {
            assert_eq!(full_name(name).unwrap(), "persistent://public/default/orders");
        }
        for bad in ["", "a/b", "persistent://a", "http://a/b/c", "a/b/", "persistent://public/default/"] {
            assert!(full_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn partitions_know_their_base_and_topics_their_namespace() {
        assert_eq!(base_topic("persistent://a/b/c-partition-12"), "persistent://a/b/c");
        assert_eq!(base_topic("persistent://a/b/c-partition-x"), "persistent://a/b/c-partition-x");
        assert_eq!(namespace_of("persistent://a/b/c/d"), "a/b");
    }
}
